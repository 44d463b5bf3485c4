"""Annotations: what people say of a call; only what is given changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.calls import Calls, Leg
from trunkline.apis.twilio.errors import bad
from trunkline.apis.twilio.forms import read_form, truth
from trunkline.catalogue.twilio.words import turned, words
from trunkline.services.annotations import LONGEST, Annotation, Annotations

_SCORE = re.compile(r"[1-5]", re.ASCII)


class AnnotationHandlers:
    """The operations of annotations."""

    def __init__(self, annotations: Annotations, calls: Calls) -> None:
        self._annotations = annotations
        self._calls = calls

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"FetchAnnotation": self.fetch, "UpdateAnnotation": self.update}

    async def fetch(self, exchange: Exchange) -> Response:
        """Tell what is said of a call, nothing if nobody said anything."""
        leg = await self._calls.of(exchange, "leg_id")
        said = await self._annotations.of(leg.account.name, leg.row["leg_id"])
        return json_response({**shown(leg, said), "url": _url(exchange, leg)})

    async def update(self, exchange: Exchange) -> Response:
        """Change what is said of a call."""
        said = {field: read(name, text) for name, text, field, read in _fields(exchange)}
        leg = await self._calls.of(exchange, "leg_id")
        row = leg.row
        new = await self._annotations.say(leg.account.name, row["leg_id"], row["happened_at"], said)
        return json_response({**shown(leg, new), "url": _url(exchange, leg)})


def shown(leg: Leg, said: Annotation | None) -> dict[str, Any]:
    """Return what is said of a call as the original writes it, without its address."""
    own = {"account_sid": leg.account.sid, "call_sid": leg.sid}
    names = ("answered_by", "connectivity_issue", "quality_issues", "spam", "call_score", "comment", "incident")
    if said is None:
        return {**own, **dict.fromkeys(names)}
    known = {name: turned(part) for name, part in words().annotation.items()}
    return {
        **own,
        "answered_by": known["answered_by"].get(said.answered_by),
        "connectivity_issue": known["connectivity_issue"].get(said.connectivity_issue),
        "quality_issues": [known["quality_issues"][issue] for issue in said.quality_issues],
        "spam": said.spam,
        "call_score": said.call_score,
        "comment": said.comment,
        "incident": said.incident,
    }


def _fields(exchange: Exchange) -> list[tuple[str, str, str, Callable[[str, str], Any]]]:
    """Return the fields that are given: name, text, what is said by it, and how it is read. Raises InvalidError."""
    return [(name, text, *_FIELDS[name]) for name, text in read_form(exchange).items() if name in _FIELDS]


def _url(exchange: Exchange, leg: Leg) -> str:
    return f"{exchange.base_url}/v1/Voice/{leg.sid}/Annotation"


def word_of(part: str, name: str, text: str) -> str:
    """Read a word of an annotation's part; raises InvalidError."""
    known = words().annotation[part]
    if text not in known:
        raise bad(name, f"it is one of {', '.join(known)}.")
    return known[text]


def _answered_by(name: str, text: str) -> str:
    return word_of("answered_by", name, text)


def _connectivity_issue(name: str, text: str) -> str:
    return word_of("connectivity_issue", name, text)


def _quality_issues(name: str, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word_of("quality_issues", name, one.strip()) for one in text.split(",") if one.strip()))


def score(name: str, text: str) -> int:
    """Read a score; raises InvalidError."""
    if not _SCORE.fullmatch(text):
        raise bad(name, "it is a whole number from 1 (bad) to 5 (excellent).")
    return int(text)


def _remark(name: str, text: str) -> str:
    if len(text) > LONGEST or "\0" in text:
        raise bad(name, f"it has at most {LONGEST} characters.")
    return text


_FIELDS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "AnsweredBy": ("answered_by", _answered_by),
    "ConnectivityIssue": ("connectivity_issue", _connectivity_issue),
    "QualityIssues": ("quality_issues", _quality_issues),
    "Spam": ("spam", truth),
    "CallScore": ("call_score", score),
    "Comment": ("comment", _remark),
    "Incident": ("incident", _remark),
}
