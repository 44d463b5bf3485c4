"""The `$filter` of health events: comparisons of an event's own members, joined by `and` and `or`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from trunkline.clock import parse_rfc3339
from trunkline.errors import InvalidError

Test = Callable[[dict[str, Any]], bool]
LONGEST = 2000
_TERM = re.compile(
    r"\s*(?:properties/)?(?P<name>[a-z]+)\s+(?P<op>eq|ne|ge|gt|le|lt)\s+"
    r"(?:datetime)?(?:'(?P<text>(?:[^']|'')*)'|(?P<bare>[0-9TZtz:.+/-]+))\s*",
    re.IGNORECASE | re.ASCII,
)
_JOINED = re.compile(r"(and|or)\s", re.IGNORECASE | re.ASCII)
_TEXTS = {
    **{name.lower(): (name,) for name in ("eventType", "eventSource", "status", "level", "eventLevel", "title")},
    "service": ("impact", "impactedService"),
    "region": ("impact", "impactedRegions", "impactedRegion"),
}
_MOMENTS = {name.lower(): name for name in ("impactStartTime", "impactMitigationTime", "lastUpdateTime")}
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def read_filter(text: str) -> Test:
    """Read a filter over an event as it is shown; "" lets everything through. Raises InvalidError.

    Texts (eventType, eventSource, status, level, eventLevel, title, service, region, trackingId) are compared by eq and
    ne, without regard to case; moments (impactStartTime, impactMitigationTime, lastUpdateTime) by every operator. `and`
    binds closer than `or`.
    """
    if len(text) > LONGEST:
        raise InvalidError(f"$filter has at most {LONGEST} characters.", target="$filter")
    either: list[list[Test]] = [[]]
    place = 0
    while text.strip():
        found = _TERM.match(text, place)
        if found is None:
            raise _unreadable()
        either[-1].append(_test(found))
        place = found.end()
        if place == len(text):
            break
        joined = _JOINED.match(text, place)
        if joined is None:
            raise _unreadable()
        if joined[1].lower() == "or":
            either.append([])
        place = joined.end()
    return lambda event: any(all(test(event) for test in tests) for tests in either)


def read_moment(text: str, name: str) -> datetime:
    """Read a moment: RFC 3339, or a date with the month first (7/24/2020). Raises InvalidError."""
    try:
        if found := _US_DATE.fullmatch(text.strip()):
            month, day, year = found.groups()
            return parse_rfc3339(f"{year}-{int(month):02}-{int(day):02}")
        return parse_rfc3339(text)
    except ValueError as error:
        raise InvalidError(f"{name} is a moment such as 2026-07-24T00:00:00Z, or 7/24/2026.", target=name) from error


def _test(found: re.Match[str]) -> Test:
    name, op = found["name"].lower(), found["op"].lower()
    given = (found["bare"] if found["text"] is None else found["text"]).replace("''", "'")
    if name in _MOMENTS:
        return _of_moment(_MOMENTS[name], op, read_moment(given, "$filter"))
    if name != "trackingid" and name not in _TEXTS:
        raise InvalidError(f"$filter names {found['name'][:40]!r}, which is no member of an event.", target="$filter")
    if op not in {"eq", "ne"}:
        raise InvalidError(f"$filter compares {found['name'][:40]} by eq or ne.", target="$filter")
    wanted = given.lower()

    def holds(event: dict[str, Any]) -> bool:
        values = [event["name"]] if name == "trackingid" else _values(event["properties"], _TEXTS[name])
        return any(str(value).lower() == wanted for value in values) is (op == "eq")

    return holds


def _of_moment(name: str, op: str, wanted: datetime) -> Test:
    def holds(event: dict[str, Any]) -> bool:
        text = event["properties"].get(name)
        if text is None:
            return op == "ne"
        at = parse_rfc3339(text)
        return {
            "eq": at == wanted,
            "ne": at != wanted,
            "ge": at >= wanted,
            "gt": at > wanted,
            "le": at <= wanted,
            "lt": at < wanted,
        }[op]

    return holds


def _values(found: Any, path: tuple[str, ...]) -> list[Any]:
    """Return what stands at a path, in lists too."""
    for name in path:
        found = [one[name] for one in found] if isinstance(found, list) else found[name]
        if isinstance(found, list) and found and isinstance(found[0], list):
            found = [one for some in found for one in some]
    return found if isinstance(found, list) else [found]


def _unreadable() -> InvalidError:
    return InvalidError(
        "$filter takes comparisons such as status eq 'Active', joined by and and or, without brackets.",
        target="$filter",
    )
