"""Communication identifiers: raw ids and their JSON form.

Source: the raw-id forms in the SDKs' identifier models (the prefix decides the kind).
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any, Literal

USER = "8:acs:"
LONGEST = 180
"""So many characters an id has at most that comes in; with its kind's prefix the state can keep it (200)."""

_CLOUDS = {"orgid": "public", "dod": "dod", "gcch": "gcch"}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_TEAMS_USER = re.compile(rf"8:(orgid|dod|gcch):{_GUID.pattern}", re.IGNORECASE)


def mint(immutable_id: str, random_bytes: bytes) -> str:
    """Return a new user's raw id: the resource's immutable id, an underscore, and 16 random bytes."""
    # exactly one underscore: two would make it a Teams extension user
    return f"{USER}{immutable_id}_{uuid.UUID(bytes=random_bytes)}"


def message(direction: Literal["Outgoing", "Incoming"], at: datetime, guid: str) -> str:
    """Return the id of a text message: where it goes, the second it was taken in, and a GUID."""
    return f"{direction}_{at:%Y%m%d%H%M%S}{guid}"


def teams_user(object_id: str) -> str:
    """Return the raw id of a Teams user of the public cloud."""
    return f"8:orgid:{object_id}"


def spellings(text: str) -> list[str]:
    """Return how else facts spell an id: a Teams user by the object id alone, a number as a participant's."""
    if _GUID.fullmatch(text):
        return [f"8:{cloud}:{text.lower()}" for cloud in _CLOUDS]
    if _NUMBER.fullmatch(text):
        return [f"4:{text}"]
    kind, body = _described(text)
    if kind == "microsoftTeamsUser" and body and not body["isAnonymous"]:
        return [body["userId"]]
    return [body["value"]] if kind == "phoneNumber" and body else []


def is_user(raw_id: str) -> bool:
    """Tell whether the raw id has the form of a communication user's."""
    head, _, tail = raw_id.removeprefix(USER).partition("_")
    return raw_id.startswith(USER) and bool(head and tail) and "_" not in tail


def model(raw_id: str) -> dict[str, Any]:
    """Return the JSON form of a raw id: kind, rawId, and the member that the kind names."""
    kind, body = _described(raw_id)
    return {"kind": kind, "rawId": raw_id, **({kind: body} if body else {})}


def _described(raw_id: str) -> tuple[str, dict[str, Any] | None]:
    if raw_id.startswith("4:"):
        return "phoneNumber", {"value": raw_id[2:]}
    parts = raw_id.split(":")
    if len(parts) == 3 and parts[0] == "8" and parts[1] in _CLOUDS:
        return "microsoftTeamsUser", {"userId": parts[2], "isAnonymous": False, "cloud": _CLOUDS[parts[1]]}
    if len(parts) == 3 and parts[:2] == ["8", "teamsvisitor"]:
        return "microsoftTeamsUser", {"userId": parts[2], "isAnonymous": True, "cloud": "public"}
    if len(parts) == 3 and parts[0] == "28" and parts[1] in _CLOUDS:
        return "microsoftTeamsApp", {"appId": parts[2], "cloud": _CLOUDS[parts[1]]}
    if len(parts) == 3 and parts[0] == "8" and parts[1] in {"acs", "spool", "gcch-acs", "dod-acs"}:
        return "communicationUser", {"id": raw_id}
    return "unknown", None


def raw_id(given: Any) -> str:
    """Return the raw id of a JSON form; raises ValueError with a sentence when there is none in it."""
    if not isinstance(given, dict):
        raise ValueError("An identifier is an object with rawId or one of communicationUser, phoneNumber, …")  # noqa: TRY004 - one kind of error for bad input
    raw = given.get("rawId")
    if raw:
        return _lower(_text(raw, "rawId"))
    if (user := given.get("communicationUser")) is not None:
        return _text(_member(user, "id"), "communicationUser.id")
    if (phone := given.get("phoneNumber")) is not None:
        return "4:" + _text(_member(phone, "value"), "phoneNumber.value")
    if (teams := given.get("microsoftTeamsUser")) is not None:
        user_id = _text(_member(teams, "userId"), "microsoftTeamsUser.userId")
        if teams.get("isAnonymous"):
            return f"8:teamsvisitor:{user_id}"
        return _lower(f"8:{_cloud(teams)}:{user_id}")
    if (app := given.get("microsoftTeamsApp")) is not None:
        return f"28:{_cloud(app)}:{_text(_member(app, 'appId'), 'microsoftTeamsApp.appId')}"
    raise ValueError("The identifier has neither rawId nor communicationUser, phoneNumber or microsoftTeamsUser.")


def _lower(raw: str) -> str:
    """Write a Teams user's id as tokens have it: a GUID means the same in any case of letters."""
    return raw.lower() if _TEAMS_USER.fullmatch(raw) else raw


def _cloud(body: Any) -> str:
    return {"dod": "dod", "gcch": "gcch"}.get(str(_member(body, "cloud")), "orgid")


def _member(body: Any, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        raise ValueError(f"{where} must be a text of 1 to {LONGEST} characters.")
    return value
