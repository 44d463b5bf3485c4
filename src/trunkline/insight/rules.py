"""Rules applied: which tags a call gets, and by which values; pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from trunkline.catalogue.rows import QualityRule, Threshold

Values = Mapping[str, float | None]
_MOST_ALSO = 7
_LONGEST_GIVEN = 1900
_LONGEST_ID = 40
_LIMITS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "least": (">=", operator.ge),
    "most": ("<=", operator.le),
    "above": (">", operator.gt),
    "below": ("<", operator.lt),
}


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a call at one edge in one direction, or how many events of a name there were at an edge.

    Streams of several `media`, or with several ids, are streams of their own. `values` are those that rules compare,
    None where it was not measured.
    """

    edge: str
    direction: str = ""
    name: str = ""
    media: str = ""
    id: str = ""
    values: Values


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a tag was given: the thresholds that held, where, and the values; `also` where else they did.

    `given` is what a maker's own tag said.
    """

    rule: str = ""
    edge: str = ""
    direction: str = ""
    media: str = ""
    stream: str = ""
    values: dict[str, float] = {}
    also: tuple[Finding, ...] = ()
    given: str = ""


def tags_of(
    rules: Mapping[str, QualityRule], leg: Mapping[str, Any], values: Values, streams: Sequence[Stream]
) -> dict[str, Finding]:
    """Return what is wrong with a leg, by the names of the rules.

    `leg` has its capability, its direction and whether it was answered; `values` are the call's own. Streams with a
    name are events.
    """
    found: dict[str, Finding] = {}
    for name, rule in rules.items():
        if not _is_about(rule, leg):
            continue
        held = [finding for stream in _meant(rule, values, streams) if (finding := _finding(rule, stream)) is not None]
        if held:
            found[name] = msgspec.structs.replace(held[0], also=tuple(held[1 : 1 + _MOST_ALSO]))
    return found


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How the streams of a leg were: how many were judged, how many of them are poor, and by which rules."""

    streams: int
    poor_streams: int
    findings: Mapping[str, Finding]

    @property
    def impacted(self) -> bool:
        """Whether the call suffered: any of its streams is poor."""
        return self.poor_streams > 0


def quality_of(rules: Mapping[str, QualityRule], leg: Mapping[str, Any], streams: Sequence[Stream]) -> Quality:
    """Judge the streams of a leg: one is poor if any value is out of range; one without such values is not counted."""
    compared = {one.value for rule in rules.values() for group in rule.any for one in group}
    judged = [one for one in streams if not one.name and any(one.values.get(name) is not None for name in compared)]
    poor = sum(bool(tags_of(rules, leg, {}, [one])) for one in judged)
    return Quality(streams=len(judged), poor_streams=poor, findings=tags_of(rules, leg, {}, judged))


def _is_about(rule: QualityRule, leg: Mapping[str, Any]) -> bool:
    if rule.answered and not leg["answered"]:
        return False
    if rule.direction and leg["direction"] != rule.direction:
        return False
    return not rule.capabilities or leg["capability"] in rule.capabilities


def _meant(rule: QualityRule, values: Values, streams: Sequence[Stream]) -> Iterator[Stream]:
    if rule.of == "calls":
        yield Stream(edge="", values=values)
        return
    for stream in streams:
        if rule.edges and stream.edge not in rule.edges:
            continue
        if rule.directions and stream.direction not in rule.directions:
            continue
        if rule.media and stream.media not in rule.media:
            continue
        if stream.name in rule.names if rule.of == "events" else not stream.name:
            yield stream


def _finding(rule: QualityRule, stream: Stream) -> Finding | None:
    for group in rule.any:
        if all(_holds(one, stream.values) for one in group):
            named = [name for one in group for name in (one.value, one.above) if isinstance(name, str)]
            return Finding(
                rule=condition(group),
                edge=stream.edge,
                direction=stream.direction,
                media=stream.media,
                stream=stream.id[:_LONGEST_ID],
                values={name: round(value, 4) for name in named if (value := stream.values.get(name)) is not None},
            )
    return None


def _holds(one: Threshold, values: Values) -> bool:
    value = values.get(one.value)
    name, given = _limit(one)
    limit = values.get(given) if isinstance(given, str) else given
    return value is not None and limit is not None and _LIMITS[name][1](value, limit)


def condition(group: Iterable[Threshold]) -> str:
    """Write thresholds that must all hold."""
    return " and ".join(map(_written, group))


def _written(one: Threshold) -> str:
    name, limit = _limit(one)
    return f"{one.value} {_LIMITS[name][0]} {limit if isinstance(limit, str) else f'{limit:g}'}"


def _limit(one: Threshold) -> tuple[str, float | str]:
    return next((name, limit) for name in _LIMITS if (limit := getattr(one, name)) is not None)


# --- tags as they are kept ---


def changes(kept: Mapping[str, str], found: Mapping[str, Finding]) -> dict[str, str]:
    """Return what has to be written beside what is kept, so that the tags are those found.

    What no rule gives any more gets an empty text. What a maker gave stays, and is marked as given.
    """
    wanted = {name: written(finding) for name, finding in found.items()}
    for name, text in kept.items():
        known = read(text)
        if known is None or known.given:
            wanted[name] = text if known is not None else written(Finding(given=text[:_LONGEST_GIVEN]))
        elif name not in wanted:
            wanted[name] = ""
    return {name: text for name, text in wanted.items() if kept.get(name, "") != text}


def written(finding: Finding) -> str:
    """Return a finding as it is kept: compact JSON."""
    return msgspec.json.encode(finding).decode()


def read(text: str) -> Finding | None:
    """Return a tag's finding, an empty one of an empty text; None when it is a maker's own text."""
    if not text:
        return Finding()
    try:
        found = msgspec.json.decode(text, type=Finding)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.rule or found.given else None


def names_of(rules: Iterable[QualityRule]) -> list[str]:
    """Return the bare names of the events that rules are about."""
    return sorted({name.rpartition("/")[2] for rule in rules for name in rule.names})
