"""A summary: one call as a whole, from its fact, what its readings come to, and what people said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from trunkline.apis.twilio.annotations import shown as said_of
from trunkline.apis.twilio.blocks import Shape, plain, second
from trunkline.apis.twilio.calls import Leg
from trunkline.apis.twilio.totals import LOSS, Counted, Stream, Totals, share_lost
from trunkline.catalogue.twilio.words import turned, words
from trunkline.numbering import country_of, described
from trunkline.services.annotations import Annotation

COMPLETE = "complete"
_GATEWAYS = ("carrier", "sip", "client")
_STREAMS = ("inbound", "outbound")
_SCHEME = re.compile(r"(client|sips?|whatsapp):")
_OTHER = {"inbound": "outbound", "outbound": "inbound"}
_FEEDBACK = "feedback"


class Summaries:
    """Writes summaries."""

    def __init__(self) -> None:
        found = words()
        self._edges = turned(found.edges)
        self._levels, self._groups = turned(found.levels), turned(found.event_groups)
        self._tags, self._sdk_tags = turned(found.tags), turned(found.sdk_tags)
        self._shapes = {name: Shape(part) for name, part in found.summary.items()}
        self._totals = {
            name: [(tuple(way.split(".")), measures) for way, measures in part.items()]
            for name, part in found.totals.items()
        }

    def write(self, leg: Leg, totals: Totals, said: Annotation | None, url: str) -> dict[str, Any]:
        """Return a call's summary."""
        row = leg.row
        created, started, ended = _moments(row)
        return {
            "account_sid": leg.account.sid,
            "call_sid": leg.sid,
            "call_type": leg.word("call_type"),
            "call_state": leg.word("call_state"),
            "answered_by": leg.word("answered_by"),
            "processing_state": leg.word("processing_state"),
            "created_time": second(created),
            "start_time": second(started),
            "end_time": second(ended),
            "duration": None if ended is None else max(0, round((ended - created).total_seconds())),
            "connect_duration": _connected(row),
            "from": self._party(row, "from"),
            "to": self._party(row, "to"),
            **self._edges_of(leg, totals),
            "tags": _tags(row, self._tags),
            "url": url,
            "attributes": {"conference_participant": False, **self._shapes["attributes"].fill(row)},
            "properties": self._properties(leg),
            "trust": self._shapes["trust"].fill(row) or None,
            "annotation": None if said is None else said_of(leg, said),
        }

    def _properties(self, leg: Leg) -> dict[str, Any]:
        row = leg.row
        known = self._shapes["properties"].fill(row)
        known |= {name: leg.word(name) for name in ("direction", "disconnected_by")}
        known["pdd_ms"] = _pdd(row)
        if not row["sip_code"]:
            known.pop("last_sip_response_num")
        return {name: value for name, value in known.items() if value is not None}

    def _party(self, row: Mapping[str, Any], side: str) -> dict[str, Any]:
        """Return who called or was called: what is given counts, the rest is told by the number."""
        address = row["sender" if side == "from" else "recipient"]
        is_other = (row["direction"] == "inbound") is (side == "from")
        found: dict[str, Any] = {"caller" if side == "from" else "callee": _addressed(address, row)}
        code, line = described(address.removeprefix("whatsapp:"))
        if is_other and row["network_name"]:
            found["carrier"] = row["network_name"]
        found["connection"] = _connection(address, row, line)
        if code:
            found["number_prefix"] = address.removeprefix("whatsapp:")[1 : len(str(code)) + 4]
        country = row["country"] if is_other else country_of(address)
        if country:
            found["country_code"] = country
        return self._shapes[side].fill(row, found)

    # --- edges ---

    def _edges_of(self, leg: Leg, totals: Totals) -> dict[str, Any]:
        """Return what is known of each edge: nothing of one that the call did not touch."""
        seen = {edge for edge, _ in totals.streams} | {one.edge for one in totals.events}
        usual = {words().edges[leg.usual_edge]}
        found: dict[str, Any] = {}
        for edge in _GATEWAYS:
            found[self._edges[edge]] = self._gateway(leg, edge, totals) if edge in seen | usual else None
        found[self._edges["sdk"]] = self._sdk(leg, totals) if "sdk" in seen else None
        return found

    def _gateway(self, leg: Leg, edge: str, totals: Totals) -> dict[str, Any]:
        direction = leg.row["direction"] or None
        if edge == "sip" and leg.word("call_type") == "trunking":  # what goes out to the network came in by the trunk
            direction = _OTHER.get(direction or "")
        properties = {**self._shapes["gateway"].fill(leg.row), "direction": direction}
        if edge != "sip":
            properties.pop("trunk_sid", None)
        metrics = {
            name: self._stream(self._totals[name], totals.streams[edge, name])
            for name in _STREAMS
            if (edge, name) in totals.streams
        }
        return {"properties": properties, "metrics": metrics} if metrics else {"properties": properties}

    def _sdk(self, leg: Leg, totals: Totals) -> dict[str, Any]:
        row = leg.row
        properties = self._shapes["sdk"].fill(row, {"direction": row["direction"] or None})
        ended_by = leg.word("disconnected_by")
        if ended_by in {"caller", "callee"}:  # the application is the caller of what goes out
            is_local = (ended_by == "caller") is (row["direction"] == "outbound")
            properties["disconnected_by"] = "local" if is_local else "remote"
        block: dict[str, Any] = {"properties": properties, "events": self._events(totals.events)}
        streams = [stream for (edge, _), stream in totals.streams.items() if edge == "sdk"]
        if streams:
            stream = max(streams, key=lambda one: one.values["samples.count"] or 0)
            inbound, outbound = (self._stream(self._totals[part], stream) for part in ("sdk", "sdk_outbound"))
            outbound |= {name: inbound.pop(name) for name in ("codec", "codec_name") if name in inbound}
            block["metrics"] = {"inbound": {**inbound, "tags": _tags(row, self._sdk_tags)}, "outbound": outbound}
        return block

    def _stream(self, wanted: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], stream: Stream) -> dict[str, Any]:
        """Return what the readings of a stream come to."""
        found: dict[str, Any] = {}
        if stream.codec:
            number = words().codecs.get(stream.codec.lower())
            found |= {"codec": number} if number is not None else {}
            found["codec_name"] = stream.codec
        for way, measures in wanted:
            value = next((stream.values[one] for one in measures if stream.values[one] is not None), None)
            if value is None:
                continue
            place = found
            for name in way[:-1]:
                place = place.setdefault(name, {})
            place[way[-1]] = plain(round(value, 6))
        if any(way[0] == "packets_lost" for way, _ in wanted):
            _add_share(found, stream.values[LOSS])
        return found

    def _events(self, events: Iterable[Counted]) -> dict[str, Any]:
        """Return how many events of the application there were of each level and group, and its errors."""
        levels: dict[str, int] = {}
        groups: dict[str, int] = {}
        errors: dict[str, int] = {}
        feedback: dict[str, int] = {}
        for one in events:
            if one.edge != "sdk":
                continue
            _add(levels, self._levels.get(one.level, "UNKNOWN"), one.many)
            _add(groups, (self._groups.get(one.topic) or one.topic).replace("-", "_").replace(" ", "_"), one.many)
            if one.code:
                _add(errors, one.code, one.many)
            if one.topic == _FEEDBACK:
                _add(feedback, _FEEDBACK, one.many)
        return {"levels": levels, "groups": groups, "errors": errors, "feedback": feedback or None}


def _add_share(found: dict[str, Any], measured: float | None) -> None:
    """Add how many of a hundred packets were lost: of those counted, else as it was measured."""
    lost, received, sent = (found.get(f"packets_{what}") for what in ("lost", "received", "sent"))
    expected = sent if received is None else received + (lost or 0)
    if lost is not None and expected is not None:
        measured = share_lost(lost, expected or 1)
    if measured is not None:
        found["packets_loss_percentage"] = plain(round(measured, 4))


def _add(found: dict[str, int], name: str, many: int) -> None:
    if name:
        found[name] = found.get(name, 0) + many


def _tags(row: Mapping[str, Any], known: Mapping[str, str]) -> list[str] | None:
    """Return the tags of a call that are among those known; None if there are none."""
    return [theirs for ours, theirs in known.items() if row["tags"].get(ours)] or None


def _moments(row: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return when a call was created (before it waited in a queue), when it was started and when it ended."""
    started = row["happened_at"]
    waited = row["extra"].get("queue_ms", "")
    queue_ms = int(waited) if waited.isascii() and waited.isdigit() and len(waited) < 10 else 0
    return started - timedelta(milliseconds=queue_ms), started, row["ended_at"]


def _connected(row: Mapping[str, Any]) -> int | None:
    """Return for how many seconds they talked; nothing while they do."""
    if row["talk_ms"] is not None:
        return int(row["talk_ms"] / 1000 + 0.5)
    return 0 if row["outcome"] not in {"", "answered"} else None


def _pdd(row: Mapping[str, Any]) -> int | None:
    """Return how many milliseconds passed from the attempt until it rang."""
    if row["dial_ms"] is not None:
        return int(row["dial_ms"] + 0.5)
    if row["seized_at"] is None or row["seized_at"] <= row["happened_at"]:
        return None
    return int((row["seized_at"] - row["happened_at"]) / timedelta(milliseconds=1))


def _addressed(address: str, row: Mapping[str, Any]) -> str | None:
    """Write who someone is as the original does: a user of an application is a client."""
    if not address or _SCHEME.match(address) or address.startswith("+"):
        return address or None
    if "@" in address and row["capability"] in {"sip", "sip trunk"}:
        return f"sip:{address}"
    return f"client:{address}" if row["capability"] == "webrtc" and not address.isdigit() else address


def _connection(address: str, row: Mapping[str, Any], line: str) -> str | None:
    """Return how someone is connected."""
    written = _addressed(address, row) or ""
    if written.startswith("client:"):
        return "twilio_sdk"
    if written.startswith(("sip:", "sips:")):
        return "sip_trunk" if row["capability"] == "sip trunk" else "sip_interface"
    return line or ("pstn" if address.startswith("+") else None)
