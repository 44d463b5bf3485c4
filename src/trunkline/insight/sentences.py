"""What facts tell, as sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

import msgspec

from trunkline.catalogue import codes
from trunkline.catalogue.load import load
from trunkline.insight.rules import Finding, read
from trunkline.telemetry.questions import Point, Row

Level = Literal["debug", "info", "warning", "error"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened: when, a sentence, how bad it is, whose it was, and the fact itself, if it is one.

    `advice` is what its code means and what to do, where something went wrong and its code is known.
    """

    at: datetime
    text: str
    account: str
    level: Level = "info"
    fact: str = ""
    row: Mapping[str, Any] = {}
    advice: str = ""


def of_fact(table: str, row: Row) -> Entry:
    """Return what a fact tells."""
    text, level = _TELLERS[table](row)
    known = codes.advice(table, row) if level in {"warning", "error"} else []
    advice = f"{known[0].meaning} {known[0].advice}" if known else ""
    return Entry(
        at=row["happened_at"], text=text, account=row["resource"], level=level, fact=table, row=row, advice=advice
    )


def of_samples(point: Point, end: datetime) -> Entry:
    """Return what readings of one edge and direction tell together; it stands at their end."""
    account, edge, direction = point.split
    many, mos, jitter, rtt, loss = point.values
    parts = [
        f"{name} {value:.{digits}f}{unit}"
        for name, value, digits, unit in (
            ("MOS", mos, 2, ""),
            ("jitter", jitter, 1, " ms"),
            ("round trip", rtt, 0, " ms"),
            ("loss", loss, 2, " %"),
        )
        if value is not None
    ]
    means = f", on average {', '.join(parts)}" if parts else ""
    stream = "" if direction in {"", "unknown"} else f" ({direction})"
    return Entry(
        at=end - timedelta(microseconds=1),
        text=f"The media were measured {many or 0:.0f} times at the edge {edge}{stream}{means}.",
        account=account,
        fact="samples",
    )


Told = tuple[str, Level]
_UNSAID = {"", "unknown"}
_SHOWN = 300
"""So much of a line is told; the row has all of it."""


def _request(row: Row) -> Told:
    status = row["status"]
    level: Level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    who = f" for {row['caller']}" if row["caller"] else ""
    unserved = "" if row["served"] else ", which is not served yet"
    return (
        f"{row['service']} answered {row['operation']}{unserved}{who} with {status} in {row['duration_ms']:.1f} ms.",
        level,
    )


def _attempt(row: Row) -> Told:
    came = f" with {row['status']}" if row["status"] else ""
    what = row["event_type"] or "Events"
    level: Level = "info" if row["outcome"] == "delivered" else "warning"
    return f"{what} for the subscription {row['subscription']}: attempt {row['number']}, {row['outcome']}{came}.", level


def _call(row: Row) -> Told:
    way = {"outbound": "An outbound call", "inbound": "An inbound call"}.get(row["direction"], "A call")
    people = _people(row)
    rang = f", rang for {row['ring_ms'] / 1000:.1f} s" if row["ring_ms"] else ""
    talked = f", talked for {row['talk_ms'] / 1000:.1f} s" if row["talk_ms"] else ""
    outcome = row["outcome"] or ("is answered and goes on" if row["answered"] else "goes on")
    codes = [f"SIP {row['sip_code']}"] * bool(row["sip_code"]) + [f"Q.850 {row['q850_cause']}"] * bool(
        row["q850_cause"]
    )
    why = f" ({', '.join(codes)})" if codes else ""
    level: Level = "info" if row["outcome"] in {"", "answered"} and row["hang_up"] != "error" else "warning"
    return f"{way}{people}: {outcome}{why}{rang}{talked}.{_impact(row)}", level


def _impact(row: Row) -> str:
    """Tell how many of a call's streams were poor, and by which values."""
    if not row["impacted"]:
        return ""
    poor = [found for name, text in row["tags"].items() if name in _poor() and text and (found := read(text))]
    told = dict.fromkeys(_exceeded(one) for found in poor for one in (found, *found.also) if one.values)
    why = f": {'; '.join(told)}" if told else ""
    return f" {row['poor_streams'] or 0} of its {row['streams'] or 0} streams were poor{why}."


def _exceeded(found: Finding) -> str:
    values = ", ".join(f"{name} {value:g}" for name, value in found.values.items())
    where = " ".join(part for part in (found.edge, found.direction, found.media, found.stream) if part not in _UNSAID)
    return f"{values} ({where})" if where else values


@cache
def _poor() -> frozenset[str]:
    return frozenset(name for name, rule in load().quality.items() if rule.set == "poor streams")


def _call_event(row: Row) -> Told:
    where = "" if row["edge"] == "unknown" else f" at the edge {row['edge']}"
    code = f" ({row['code']})" if row["code"] else ""
    said = f": {row['text']}" if row["text"] else ""
    return f"{row['name']}{code}{where}{said}.", row["level"]


def _message(row: Row) -> Told:
    status = row["status"] or "known"
    when = f" at {row['delivered_at']:%H:%M:%S}" if row["delivered_at"] else ""
    why = f" ({row['error_code']})" if row["error_code"] else ""
    level: Level = "warning" if status == "failed" else "info"
    return f"A message by {row['channel'] or 'an unnamed channel'}{_people(row)}: {status}{when}{why}.", level


def _log_line(row: Row) -> Told:
    who = {"client": "A client", "server": "This server", "import": "Another server"}[row["source"]]
    where = f" ({row['log_table'] or row['logger']})" if row["log_table"] or row["logger"] else ""
    about = f", of {row['operation']}" if row["operation"] else ""
    text = " ".join(row["text"].split())
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"{who} logged{where}{about}: {text}", row["level"]


def _feedback(row: Row) -> Told:
    told, is_bad = [], False
    for part in ("overall", "audio", "video", "screenshare"):
        names = (f"{part}_{name}" for name in ("score", "highest", "threshold", "issues"))
        score, highest, threshold, issues = (row[name] for name in names)
        is_bad = is_bad or (None not in {score, threshold} and score <= threshold)
        if score is not None or issues:
            scale = f" {score}" * (score is not None) + f" of {highest}" * (None not in {score, highest})
            told.append(f", {part}{scale}{f' ({issues})' if issues else ''}")
    said = f": {' '.join(row['text'].split())[:_SHOWN]}" if row["text"] else "."
    who = row["user_id"] or row["participant_id"] or "Somebody"
    return f"{who} judged the call{''.join(told)}{said}", "warning" if is_bad else "info"


def _people(row: Row) -> str:
    return f"{' from ' + row['sender'] if row['sender'] else ''}{' to ' + row['recipient'] if row['recipient'] else ''}"


_TELLERS: Mapping[str, Callable[[Row], Told]] = {
    "requests": _request,
    "attempts": _attempt,
    "calls": _call,
    "call_events": _call_event,
    "messages": _message,
    "log_lines": _log_line,
    "feedback": _feedback,
}
