"""What the demo measures of a call's media: readings at all four edges, worse where the call is worse."""

from __future__ import annotations

import random
from typing import Any

_A_CALL = 5
_SHORTEST_S = 10.0
_EDGES = (("carrier", "inbound"), ("carrier", "outbound"), ("sip", "both"), ("client", "both"), ("sdk", "inbound"))
_CODECS = {"carrier": "pcma", "sip": "pcmu", "client": "opus", "sdk": "opus"}
_DEVICES = ("Headset HX-20", "Built-in microphone", "Conference speaker")
_REGIONS = ("eu-west", "us-east", "ap-south")
_PACKETS_A_SECOND = 50
_BYTES = 172
Reading = tuple[float, dict[str, Any]]
"""When it was taken, in seconds from the start, and what was read."""


def readings(
    dice: random.Random, call_id: str, first_s: float, last_s: float, mos: float, rtt_ms: float
) -> list[Reading]:
    """Return some readings of a call, evenly spread, in order of time."""
    step_s = max(_SHORTEST_S, (last_s - first_s) / _A_CALL)
    about = {"region": dice.choice(_REGIONS), "device": dice.choice(_DEVICES)}
    found: list[Reading] = []
    for edge, direction in _EDGES:
        edge_mos = min(4.5, mos + (0.1 if edge == "carrier" else 0.0))
        totals = {"sent": 0, "received": 0, "lost": 0}
        jitters: list[float] = []
        at_s = first_s + step_s
        while at_s <= last_s:
            badness = max(0.0, 4.4 - edge_mos + dice.gauss(0, 0.1))
            loss = min(60.0, 3.2 * badness**1.5 * dice.uniform(0.5, 1.5))
            packets = int(_PACKETS_A_SECOND * step_s)
            lost = int(packets * loss / 100)
            jitters.append(round(3 + 18 * badness * dice.uniform(0.6, 1.4), 1))
            for name, count in (("sent", packets), ("received", packets - lost), ("lost", lost)):
                totals[name] += count
            sample = {
                "call_id": call_id,
                "edge": edge,
                "direction": direction,
                "codec": _CODECS[edge],
                "mos": round(max(1.0, edge_mos + dice.gauss(0, 0.08)), 2),
                "rtt_ms": round(rtt_ms * dice.uniform(0.85, 1.3) + 40 * badness, 1),
                "jitter_ms": jitters[-1],
                "loss_percent": round(loss, 2),
                **_counted(packets, lost, totals, jitters),
                "extra": about,
            }
            if edge in {"client", "sdk"}:
                is_mute = about["device"] == _DEVICES[0] and dice.random() < 0.2
                sample["audio_in_level"] = 0 if is_mute else dice.randrange(900, 9000)
                sample["audio_out_level"] = dice.randrange(900, 9000)
                sample["latency_ms"] = round(sample["rtt_ms"] / 2 + 55, 1)
            found.append((round(at_s, 3), sample))
            at_s += step_s
    return sorted(found, key=lambda reading: reading[0])


def _counted(packets: int, lost: int, totals: dict[str, int], jitters: list[float]) -> dict[str, Any]:
    """Return the counts of a reading, and those since the call began."""
    return {
        "packets_sent": packets,
        "packets_received": packets - lost,
        "packets_lost": lost,
        "bytes_sent": packets * _BYTES,
        "bytes_received": (packets - lost) * _BYTES,
        "total_packets_sent": totals["sent"],
        "total_packets_received": totals["received"],
        "total_packets_lost": totals["lost"],
        "total_bytes_sent": totals["sent"] * _BYTES,
        "total_bytes_received": totals["received"] * _BYTES,
        "total_jitter_avg_ms": round(sum(jitters) / len(jitters), 2),
        "total_jitter_max_ms": max(jitters),
    }
