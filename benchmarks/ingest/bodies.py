"""What is posted: the same facts as lines of JSON for us, and in the forms that a metric store imports.

No two posts are the same: moments and ids hold marks, which the generator replaces at each sending. Samples are of
500 calls a connection at two edges, a second apart, and each call has a hundred readings an edge before a new one
takes its place. Requests have an id each.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.load import Mark

ROWS = 5000
VARIANTS = 4
VALUES = {
    "mos": (3.0, 4.5, 2),
    "rtt_ms": (20, 200, 1),
    "jitter_ms": (0, 30, 1),
    "loss_percent": (0, 3, 2),
    "latency_ms": (30, 200, 1),
    "audio_in_level": (0, 30000, 0),
    "audio_out_level": (0, 30000, 0),
    "packets_sent": (200, 260, None),
    "packets_received": (200, 260, None),
    "packets_lost": (0, 9, None),
    "bytes_sent": (30000, 44000, None),
    "bytes_received": (30000, 44000, None),
    "total_packets_sent": (250, 99999, None),
    "total_packets_received": (250, 99999, None),
    "total_packets_lost": (0, 999, None),
}
"""The fifteen values of a sample: from, to, and how many decimals (None: a whole number)."""
_SEED = 20_260_401
_EDGES = ("sdk", "carrier")
_A_CALL = 100
_OPERATIONS = {
    "chat": ("SendChatMessage", "CreateChatThread", "ListChatMessages", "SendReadReceipt"),
    "sms": ("SMSMessageSent", "SMSMessagesReceived", "OptOutsCheck"),
    "authentication": ("CreateIdentity", "CreateToken"),
}
_STATUSES = (200, 200, 201, 201, 201, 202, 204, 400, 401, 404, 429, 500)
_VERSIONS = ("2023-10-01", "2025-03-15")
_MOMENT, _MOMENT_S, _SENDING, _CALL = "%" * 19, "~" * 10, "@" * 8, "#" * 8
Row = dict[str, Any]
Rows = Sequence[Row]


def marks() -> list[Mark]:
    """Return the marks in all bodies: moments begin two days ago."""
    begun = int(time.time()) // 86400 * 86400 - 2 * 86400
    return [
        Mark(text=_MOMENT.encode(), start=begun, as_moment=True),
        Mark(text=_MOMENT_S.encode(), start=begun),
        Mark(text=_SENDING.encode()),
        Mark(text=_CALL.encode(), every=_A_CALL),
    ]


def samples(connection: int, variant: int, count: int) -> Rows:
    """Return samples, those of one post."""
    chance = random.Random(f"{_SEED} samples {connection} {variant}")
    return [
        {
            "happened_at": number % 1000,
            "call_id": f"{connection:04x}{number // 2:04x}4fa0b1c2d3e4f5a6{_CALL}",
            "edge": _EDGES[number % 2],
            **{name: _drawn(chance, *bounds) for name, bounds in VALUES.items()},
        }
        for number in range(count)
    ]


def requests(connection: int, variant: int, count: int) -> Rows:
    """Return API records of eight columns, those of one post."""
    chance = random.Random(f"{_SEED} requests {connection} {variant}")
    return [_request(chance, connection, number) for number in range(count)]


MAKERS: dict[str, Callable[[int, int, int], Rows]] = {"samples": samples, "requests": requests}
"""What makes the rows of a post: of which connection, which variant, how many."""


def _request(chance: random.Random, connection: int, number: int) -> Row:
    service = chance.choice(sorted(_OPERATIONS))
    return {
        "happened_at": number % 1000,
        "service": service,
        "operation": chance.choice(_OPERATIONS[service]),
        "status": chance.choice(_STATUSES),
        "api_version": chance.choice(_VERSIONS),
        "request_id": f"{connection:04x}{number:04x}-0b1c-2d3e-4f5a-{_SENDING}",
        "caller": f"8:acs:user-{chance.randrange(2000):04}",
        "duration_ms": _drawn(chance, 0.5, 90, 3),
    }


def _drawn(chance: random.Random, low: float, high: float, decimals: int | None) -> float:
    return chance.randint(int(low), int(high)) if decimals is None else round(chance.uniform(low, high), decimals)


# --- forms ---


def json_lines(rows: Rows) -> bytes:
    """Return rows as lines of JSON."""
    return b"\n".join(msgspec.json.encode(row | {"happened_at": _moment(row)}) for row in rows)


def _moment(row: Row) -> str:
    return f"{_MOMENT}.{row['happened_at']:03}Z"


LABELS = {"samples": ("call_id", "edge"), "requests": ("service", "operation", "status", "api_version")}
"""What tells the series of a metric store apart. The ids and callers of requests would make a series each: it is
spared them, and does not have them."""


def line_protocol(fact: str, rows: Rows) -> tuple[str, bytes]:
    """Return the path and the body that import rows in InfluxDB's line protocol."""
    lines = []
    for row in rows:
        labels = ",".join(f"{name}={row[name]}" for name in LABELS[fact])
        fields = ",".join(f"{name}={row[name]}" for name in _values(fact))
        lines.append(f"{fact},{labels} {fields} {_milliseconds(row)}")
    return "/write?precision=ms", "\n".join(lines).encode()


def csv(fact: str, rows: Rows) -> tuple[str, bytes]:
    """Return the path and the body that import rows as CSV."""
    labels, values = LABELS[fact], _values(fact)
    columns = ["1:time:unix_ms", *(f"{at}:label:{name}" for at, name in enumerate(labels, 2))]
    columns += [f"{at}:metric:{name}" for at, name in enumerate(values, 2 + len(labels))]
    lines = [",".join([_milliseconds(row), *(str(row[name]) for name in (*labels, *values))]) for row in rows]
    return f"/api/v1/import/csv?format={','.join(columns)}", "\n".join(lines).encode()


FORMS: dict[str, Callable[[str, Rows], tuple[str, bytes]]] = {
    "line protocol": line_protocol,
    "csv": csv,
}
"""The forms in which a metric store imports records one by one, as whoever measures them has them: by their names. (Its
JSON takes values that someone gathered by series before; that work would be done outside of the figures.)"""


def values_a_row(fact: str) -> int:
    """Return how many values a metric store keeps of a row."""
    return len(_values(fact))


def _values(fact: str) -> tuple[str, ...]:
    return tuple(VALUES) if fact == "samples" else ("duration_ms",)


def _milliseconds(row: Row) -> str:
    return f"{_MOMENT_S}{row['happened_at']:03}"
