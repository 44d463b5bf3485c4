"""The judge: compares what was sent and acknowledged with what is there, what arrived and what was measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tests.crash.traffic import Found, Key, Traffic

_SHOWN = 5


def things(kind: Traffic, found: Sequence[Found]) -> list[str]:
    """Complain unless all that was acknowledged is there once, as acknowledged, and all else at most once."""
    ledger = kind.ledger
    many = Counter(one.word for one in found)
    ids = {one.word: one.id for one in found}
    return [
        *_told(f"{kind.name}: refused", ledger.refused),
        *_told(f"{kind.name}: acknowledged, but missing", ledger.acknowledged.keys() - many.keys()),
        *_told(f"{kind.name}: there more than once", (word for word, times in many.items() if times > 1)),
        *_told(f"{kind.name}: there, but never sent", many.keys() - ledger.sent),
        *_told(
            f"{kind.name}: there under another id than was acknowledged",
            (word for word, name in ledger.acknowledged.items() if ids.get(word, name) != name),
        ),
        *_told(f"{kind.name}: one id for several", _twice(one.id for one in found)),
    ]


def missing(kinds: Sequence[Traffic], found: Iterable[Sequence[Found]], arrived: Sequence[dict[str, Any]]) -> set[Key]:
    """Return what is owed for the things that are there and has not arrived."""
    keys = {key for event in arrived for kind in kinds if (key := kind.key(event)) is not None}
    return _owed(kinds, found) - keys


def events(kinds: Sequence[Traffic], found: Iterable[Sequence[Found]], heard: Sequence[dict[str, Any]]) -> list[str]:
    """Complain of what was told of nothing, under two ids, or under an id that another event has.

    `heard` holds every delivery, accepted or not, of the whole run.
    """
    owed = _owed(kinds, found)
    ids: dict[Key, set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    strangers = []
    for event in heard:
        bodies[event["id"]].add(msgspec.json.encode(event, order="sorted"))
        keys = [key for kind in kinds if (key := kind.key(event)) is not None]
        if not keys:
            strangers.append(event["id"])
        for key in keys:
            ids[key].add(event["id"])
    return [
        *_told("events of no traffic", strangers),
        *_told("events of things that are not there", map(str, ids.keys() - owed)),
        *_told("events under several ids", (f"{key} {sorted(some)}" for key, some in ids.items() if len(some) > 1)),
        *_told("ids of several events", (name for name, some in bodies.items() if len(some) > 1)),
    ]


def measured(kind: Traffic, found: Sequence[Found], count: int, *, lost: int) -> list[str]:
    """Complain unless the requests measured are at most what is there, and lack at most so many (`lost`).

    A kill may lose what rode with one group: at most one request of each client.
    """
    least, most = len(kind.ledger.acknowledged) - lost, len(found) + kind.ledger.again
    if least <= count <= most:
        return []
    return [f"{kind.name}: {count} requests were measured, but {least} to {most} were made"]


def _owed(kinds: Sequence[Traffic], found: Iterable[Sequence[Found]]) -> set[Key]:
    return {key for kind, some in zip(kinds, found, strict=True) for one in some for key in kind.owed(one)}


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _told(what: str, which: Iterable[str]) -> list[str]:
    some = sorted(which)
    if not some:
        return []
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return [f"{what}: {', '.join(some[:_SHOWN])}{more}"]
