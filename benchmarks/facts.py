"""Facts by the million, made from a seed: what a store holds can be counted without asking it.

They lie before a moment, `end`: requests in the ten days, calls in the year, samples on eight days of that year, the
last one included, fifty a call and those of many calls among each other. Every twentieth call comes in late, from
minutes to a day, and as many come in pieces: the attempt, the answer and, as late, the end. Numbers are made up, and
say nothing of the country, which is given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

SEED = 4
CHUNK = 20_000
A_CALL = 50
"""So many samples has a call that has any."""
_WINDOW = 100_000
_DAYS = 10
_SAMPLED_DAYS = 8
_APART_S = 5
_YEAR = timedelta(days=365)
_LATE, _PIECES = 0.05, 0.05
_DAY_S, _MICRO = 86400, 1_000_000
_SHAPE = pa.timestamp("us", tz="UTC")

_OPERATIONS = ("SendChatMessage", "ListChatMessages", "GetChatMessage", "CreateChatThread", "AddChatThreadParticipants")
_STATUSES = (200, 201, 204, 400, 401, 403, 404, 429, 500)
_OFTEN = (0.55, 0.2, 0.1, 0.05, 0.02, 0.02, 0.03, 0.02, 0.01)
_VERSIONS = ("2023-10-01", "2025-03-15")

_COUNTRIES = {"HR": "+38591", "DE": "+49151", "US": "+1202", "GB": "+44770", "IN": "+9198", "BR": "+5511"}
_NETWORKS = 4
_CAPABILITIES = ("phone", "phone", "phone", "sip trunk", "webrtc", "whatsapp")
_SENDERS = ("long code", "long code", "toll free", "short code")
_ENDS: dict[str, tuple[float, int, int, bool]] = {
    "answered": (0.62, 200, 16, True),
    "no answer": (0.14, 480, 19, True),
    "busy": (0.09, 486, 17, False),
    "rejected": (0.04, 603, 21, True),
    "bad number": (0.04, 404, 1, False),
    "unavailable": (0.03, 480, 20, False),
    "failed": (0.04, 503, 0, False),
}
"""What becomes of calls: how often, the SIP status, the Q.850 cause, and whether it rings."""
_OUTCOMES = tuple(_ENDS)


@dataclass(frozen=True)
class Year:
    """How many facts of each kind there are, and before when."""

    rows: int
    end: datetime

    def tables(self, fact: str) -> Iterator[Any]:
        """Yield the facts of a kind as they come in, in tables of at most `CHUNK` rows."""
        yield from {"requests": self.requests, "samples": self.samples, "calls": self.calls}[fact]()

    # --- requests ---

    def requests(self) -> Iterator[Any]:
        """Yield API requests, in order of time."""
        for first in range(0, self.rows, CHUNK):
            yield self.requests_from(first, min(CHUNK, self.rows - first))

    def requests_of_day(self, day: int) -> Iterator[Any]:
        """Yield the requests of one of the ten days, the chunks on its edges whole."""
        a_day = -(-self.rows // _DAYS)
        for first in range(day * a_day // CHUNK * CHUNK, min((day + 1) * a_day, self.rows), CHUNK):
            yield self.requests_from(first, min(CHUNK, self.rows - first))

    def requests_from(self, first: int, count: int) -> Any:
        """Return requests by their numbers."""
        chance = np.random.default_rng((SEED, 1, self.rows, first))
        numbers = np.arange(first, first + count)
        return pa.table(
            {
                "happened_at": _times(self._asked(numbers)),
                "service": _same("chat", count),
                "operation": _words(_OPERATIONS, chance.choice(len(_OPERATIONS), count, p=(0.5, 0.2, 0.15, 0.1, 0.05))),
                "status": chance.choice(_STATUSES, count, p=_OFTEN),
                "api_version": _words(_VERSIONS, chance.integers(0, len(_VERSIONS), count)),
                "request_id": request_ids(numbers),
                "caller": _numbered("8:acs:user-", chance.integers(0, 5000, count)),
                "duration_ms": np.round(chance.gamma(2.0, 6.0, count), 3),
            }
        )

    # --- samples ---

    def sampled_days(self) -> list[int]:
        """Return the days of the year on which calls have samples, the last one included."""
        return [364 - 52 * back for back in reversed(range(_SAMPLED_DAYS))]

    def sampled_calls(self, day: int) -> Any:
        """Return the numbers of the calls of a day that have samples: the last ones of the day."""
        last = (day + 1) * self.rows // 365
        return np.arange(last - min(self.rows // (_SAMPLED_DAYS * A_CALL), self.rows // 365), last)

    def samples(self) -> Iterator[Any]:
        """Yield samples in the order of their moments, those of many calls among each other."""
        for day in self.sampled_days():
            calls = self.sampled_calls(day)
            moments = (self._started(calls)[:, None] + np.arange(A_CALL) * _APART_S * _MICRO).ravel()
            order = np.argsort(moments, kind="stable")
            for first in range(0, len(order), CHUNK):
                some = order[first : first + CHUNK]
                yield self._samples(calls[some // A_CALL], some % A_CALL, moments[some])

    def samples_of(self, call: int) -> Any:
        """Return the moments of a call's samples, in order: microseconds since 1970."""
        return self._started(np.array([call]))[0] + np.arange(A_CALL) * _APART_S * _MICRO

    def _samples(self, calls: Any, numbers: Any, moments: Any) -> Any:
        chance = np.random.default_rng((SEED, 2, self.rows, int(moments[0])))
        count = len(calls)
        return pa.table(
            {
                "happened_at": _times(moments),
                "call_id": call_ids(calls),
                "edge": _same("sdk", count),
                "mos": np.round(chance.uniform(3.0, 4.5, count), 2),
                "rtt_ms": np.round(chance.uniform(20, 200, count), 1),
                "jitter_ms": np.round(chance.uniform(0, 30, count), 1),
                "loss_percent": np.round(chance.uniform(0, 3, count), 2),
                "latency_ms": np.round(chance.uniform(30, 200, count), 1),
                "audio_in_level": chance.integers(0, 30000, count).astype(float),
                "audio_out_level": chance.integers(0, 30000, count).astype(float),
                **{name: chance.integers(200, 260, count) for name in ("packets_sent", "packets_received")},
                "packets_lost": chance.integers(0, 9, count),
                **{name: chance.integers(30000, 44000, count) for name in ("bytes_sent", "bytes_received")},
                "total_packets_sent": (numbers + 1) * 250,
                "total_packets_received": (numbers + 1) * 248,
                "total_packets_lost": (numbers + 1) * 2,
            }
        )

    # --- calls ---

    def calls(self) -> Iterator[Any]:
        """Yield calls and pieces of calls in the order in which they come in."""
        waiting: Any = None
        for first in range(0, self.rows, _WINDOW):
            numbers = np.arange(first, min(first + _WINDOW, self.rows))
            came = pa.concat_tables(self._come(numbers))
            waiting = came if waiting is None else pa.concat_tables([waiting, came])
            waiting = waiting.sort_by([("revised_at", "ascending"), ("leg_id", "ascending")])
            until = self._started(numbers[-1:])[0] if numbers[-1] + 1 < self.rows else np.iinfo(np.int64).max
            ready = int(np.searchsorted(waiting.column("revised_at").cast(pa.int64()).to_numpy(), until))
            for at in range(0, ready, CHUNK):
                yield waiting.slice(at, min(CHUNK, ready - at))
            waiting = waiting.slice(ready)

    def plain_calls(self) -> Iterator[Any]:
        """Yield the calls as they are in the end, one row each, in the order of their beginning."""
        for first in range(0, self.rows, _WINDOW):
            yield self.whole_calls(np.arange(first, min(first + _WINDOW, self.rows)))

    def whole_calls(self, numbers: Any) -> Any:
        """Return calls by their numbers, everything about them included."""
        count, chance = len(numbers), np.random.default_rng((SEED, 3, self.rows, int(numbers[0])))
        outcome = chance.choice(len(_OUTCOMES), count, p=[_ENDS[name][0] for name in _OUTCOMES])
        rings = np.array([_ENDS[name][3] for name in _OUTCOMES])[outcome]
        country = chance.choice(len(_COUNTRIES), count, p=(0.3, 0.2, 0.2, 0.15, 0.1, 0.05))
        network = country * _NETWORKS + chance.integers(0, _NETWORKS, count)
        started = self._started(numbers)
        ring_ms, talk_ms = chance.integers(1000, 40_000, count), chance.integers(1000, 600_000, count)
        seized, answered = started + 1_500_000, started + 1_500_000 + ring_ms * 1000
        is_answered = outcome == 0
        ended = np.where(is_answered, answered + talk_ms * 1000, np.where(rings, answered, started + 900_000))
        return pa.table(
            {
                "happened_at": _times(started),
                "leg_id": leg_ids(numbers),
                "call_id": call_ids(numbers),
                "direction": _words(("outbound", "inbound"), (chance.random(count) < 0.15).astype(int)),
                "capability": _words(_CAPABILITIES, chance.integers(0, len(_CAPABILITIES), count)),
                "sender": _numbered("+1800555", chance.integers(0, 500, count)),
                "sender_type": _words(_SENDERS, chance.integers(0, len(_SENDERS), count)),
                "recipient": _numbered("+385912", chance.integers(0, 10**6, count)),
                "country": _words(tuple(_COUNTRIES), country),
                "network_id": _words(tuple(f"{200 + one:03}01" for one in range(len(_COUNTRIES) * _NETWORKS)), network),
                "application_id": _words(("dialler", "ivr", "support"), chance.integers(0, 3, count)),
                "seized_at": _times(seized, rings),
                "answered_at": _times(answered, is_answered),
                "ended_at": _times(ended),
                "sip_code": np.array([_ENDS[name][1] for name in _OUTCOMES])[outcome],
                "q850_cause": np.array([_ENDS[name][2] for name in _OUTCOMES])[outcome],
                "mos": pa.array(np.round(chance.uniform(3, 4.5, count), 2), mask=~is_answered),
                "ring_ms": pa.array(ring_ms.astype(float), mask=~rings),
                "talk_ms": pa.array(talk_ms.astype(float), mask=~is_answered),
                "seized": rings,
                "answered": is_answered,
                "outcome": _words(_OUTCOMES, outcome),
            }
        )

    def _come(self, numbers: Any) -> list[Any]:
        """Return calls as they come in: whole, late, or in pieces."""
        chance = np.random.default_rng((SEED, 5, self.rows, int(numbers[0])))
        # what the store works out itself is not sent
        those = self.whole_calls(numbers).drop_columns(["ring_ms", "talk_ms", "seized", "answered", "outcome"])
        luck = chance.random(len(numbers))
        late_us = (chance.uniform(120, _DAY_S, len(numbers)) * _MICRO).astype(np.int64) * (luck < _LATE + _PIECES)
        ended = those.column("ended_at").cast(pa.int64()).to_numpy()
        pieces = np.flatnonzero((luck >= _LATE) & (luck < _LATE + _PIECES))
        known = _times(ended + late_us)
        whole = those.append_column("revised_at", known).filter(pa.array((luck < _LATE) | (luck >= _LATE + _PIECES)))
        parted = those.append_column("revised_at", known).take(pa.array(pieces))
        attempt = _piece(parted, "happened_at", without=("seized_at", "answered_at", "ended_at", "mos", *_CODES))
        answer = _piece(parted, "answered_at", without=("ended_at", "mos", *_CODES))
        end = _piece(parted, "revised_at", without=("sender_type", "network_id", "application_id"))
        return [whole, attempt, answer, end]

    def call_moment(self, number: int) -> int:
        """Return when a call begins, in microseconds since 1970."""
        return int(self._started(np.array([number]))[0])

    def request_moment(self, number: int) -> int:
        """Return when a request came, in microseconds since 1970."""
        return int(self._asked(np.array([number]))[0])

    # --- moments ---

    def _begun(self, days: int) -> int:
        return int((self.end - timedelta(days=days)).timestamp()) * _MICRO

    def _started(self, numbers: Any) -> Any:
        return self._begun(365) + (numbers * (365 * _DAY_S * _MICRO / self.rows)).astype(np.int64)

    def _asked(self, numbers: Any) -> Any:
        return self._begun(_DAYS) + (numbers * (_DAYS * _DAY_S * _MICRO / self.rows)).astype(np.int64)


_CODES = ("sip_code", "q850_cause")


def request_ids(numbers: Any) -> Any:
    """Return the ids of requests."""
    return _hexed(b"00000000-a1b2-4c3d-8e4f-", numbers, 1)


def leg_ids(numbers: Any) -> Any:
    """Return the ids of the legs of calls."""
    return _hexed(b"6c65670000000000", numbers, 2)


def call_ids(numbers: Any) -> Any:
    """Return the ids of calls."""
    return _hexed(b"63616c6c00000000", numbers, 3)


def _piece(parted: Any, known: str, without: tuple[str, ...]) -> Any:
    """Return one piece of each call: what was known at a moment; a call that lacks that moment has no such piece."""
    moments = parted.column(known)
    for name in without:
        place = parted.column_names.index(name)
        field = parted.schema.field(place)
        parted = parted.set_column(place, field, pa.nulls(len(parted), field.type))
    parted = parted.set_column(parted.column_names.index("revised_at"), "revised_at", moments)
    return parted.filter(moments.is_valid())


def _times(micros: Any, is_known: Any = None) -> Any:
    return pa.array(micros, pa.int64(), mask=None if is_known is None else ~is_known).cast(_SHAPE)


def _same(word: str, count: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([word]))


def _words(words: tuple[str, ...], places: Any) -> Any:
    names = list(dict.fromkeys(words))
    meant = np.array([names.index(word) for word in words], np.int8)[places]
    return pa.DictionaryArray.from_arrays(pa.array(meant), pa.array(names))


def _numbered(prefix: str, numbers: Any) -> Any:
    return _texts(prefix.encode(), numbers, 6, 10)


def _hexed(prefix: bytes, numbers: Any, salt: int) -> Any:
    # scattered as ids are, and each number has its own
    mixed = (numbers.astype(np.uint64) + np.uint64(salt << 40)) * np.uint64(0x9E3779B97F4A7C15)
    return _texts(prefix, mixed, 16, 16)


def _texts(prefix: bytes, numbers: Any, digits: int, base: int) -> Any:
    """Return a column of texts: a prefix, then a number with that many digits."""
    places = np.array([base**place for place in reversed(range(digits))], np.uint64)
    found = (numbers.astype(np.uint64)[:, None] // places) % np.uint64(base)
    written = np.frombuffer(b"0123456789abcdef", np.uint8)[found]
    whole = np.concatenate([np.broadcast_to(np.frombuffer(prefix, np.uint8), (len(numbers), len(prefix))), written], 1)
    size = whole.shape[1]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * size
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(whole)))
