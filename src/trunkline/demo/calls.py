"""The demo's calls: what happens in an hour, the same each time for a seed; all times are seconds from the start."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from trunkline.demo.media import Reading, readings
from trunkline.demo.networks import DEAD, DULL, INCIDENTS, MISDIALLED, NETWORKS, Network, calls_an_hour

LONGEST_S = 3000
"""No call is longer, from its attempt to its end."""
_RUNNING = 6
_MEASURED = 0.14
_TWO_LEGS = 0.12
_OUTBOUND = 0.68

# what becomes of a call, with its weight outbound and inbound; the causes and codes from which it is worked out
_ENDS: dict[str, tuple[int, int, tuple[tuple[int, int], ...]]] = {
    "answered": (52, 78, ((200, 16),)),
    "no answer": (17, 12, ((480, 19), (487, 16), (408, 18))),
    "busy": (9, 3, ((486, 17), (600, 17))),
    "cancelled": (6, 3, ((487, 16),)),
    "rejected": (5, 2, ((603, 21), (403, 21), (607, 21))),
    "bad number": (4, 0, ((404, 1), (484, 28), (410, 22))),
    "unavailable": (4, 1, ((480, 20), (408, 20))),
    "failed": (3, 1, ((503, 38), (500, 41), (502, 27), (488, 88))),
}
_RINGS = {"answered", "no answer"}
_CAPABILITIES = ("phone", "webrtc", "sip trunk", "sip", "viber", "whatsapp")
_CAPABILITY_WEIGHTS = (48, 20, 12, 6, 6, 8)
_SENDERS = {
    "long code": ("+14255550123", "+442079460018", "+49304230007"),
    "toll free": ("+18885550142",),
    "short code": ("55014",),
    "sender name": ("Kestrel",),
    "user": ("8:shop:agent-mia", "8:shop:agent-noah", "8:shop:agent-olga"),
}
_APPLICATIONS = (
    ("support-line", "retail", "north", ""),
    ("appointment-reminders", "health", "south", "reminders"),
    ("sales-dialler", "retail", "north", "spring-offer"),
)
_ANSWERERS, _ANSWERER_WEIGHTS = ("human", "machine", "fax", "unknown"), (62, 29, 3, 6)
_ERRORS = {"failed": "network", "unavailable": "network", "bad number": "number", "rejected": "user", "busy": "user"}
_LOST_LINE = 41  # the cause of an answered call that an error ended


@dataclass
class Leg:
    """One leg: what is known from the beginning, what its end tells, and when."""

    at_s: float
    first: dict[str, Any]
    last: dict[str, Any]
    seized_s: float | None
    answered_s: float | None
    ended_s: float
    answer: dict[str, Any] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def moments(self) -> list[float]:
        """Return when something about it becomes known."""
        return [at for at in (self.at_s, self.seized_s, self.answered_s, self.ended_s) if at is not None]

    def known(self, at_s: float) -> dict[str, Any]:
        """Return what is known before a moment; times are in seconds."""
        found = {**self.first, "happened_at": self.at_s}
        found["revised_at"] = max(moment for moment in self.moments() if moment < at_s)
        if self.seized_s is not None and self.seized_s < at_s:
            found["seized_at"] = self.seized_s
        if self.answered_s is not None and self.answered_s < at_s:
            found |= {**self.answer, "answered_at": self.answered_s}
        if self.ended_s < at_s:
            found |= {**self.last, "ended_at": self.ended_s}
        return found


@lru_cache(8)
def legs(seed: str, hour: int) -> tuple[Leg, ...]:
    """Return the legs that begin in an hour, in order of time."""
    dice = random.Random(f"{seed} {hour}")
    made: list[Leg] = []
    for _ in range(_count(dice, calls_an_hour(hour))):
        made += _call(dice, hour, 3600 * (hour + dice.random()))
    if hour == -1:  # some are under way when it starts
        for number in range(_RUNNING):
            made += _call(dice, hour, -60.0 - 200 * number * dice.random(), lasts_s=1200 + 300 * number)
    if any(incident.kind == DEAD and incident.first <= hour <= incident.last for incident in INCIDENTS):
        made += [leg for _ in range(60) for leg in _call(dice, hour, 3600 * (hour + dice.random()), to=_dead(hour))]
    return tuple(sorted(made, key=lambda leg: leg.at_s))


def measured(seed: str) -> Leg:
    """Return a leg of the hour before the start whose media were measured."""
    return next(leg for leg in legs(seed, -1) if leg.readings)


def _dead(hour: int) -> Network:
    """Return the network that nobody reaches in an hour: everybody tries again and again."""
    name = next(one.network for one in INCIDENTS if one.kind == DEAD and one.first <= hour <= one.last)
    return next(network for network in NETWORKS if network.name == name)


def _count(dice: random.Random, mean: float) -> int:
    """Draw from Poisson's distribution."""
    count, left = -1, 1.0
    while left > math.exp(-mean):
        left *= dice.random()
        count += 1
    return count


def _call(dice: random.Random, hour: int, at_s: float, *, lasts_s: float = 0.0, to: Network | None = None) -> list[Leg]:
    """Make one call of one leg or two; one that lasts is answered, and one to a certain network goes out."""
    is_outbound = bool(lasts_s or to) or dice.random() < _OUTBOUND
    (network,) = [to] if to else dice.choices(NETWORKS, [network.weight for network in NETWORKS])
    application = dice.choice(_APPLICATIONS if is_outbound else _APPLICATIONS[:1])
    troubles = {one.kind for one in INCIDENTS if one.holds(hour, network.name, application[0])}
    end, code, cause = _end(dice, troubles, is_outbound=is_outbound, is_long=bool(lasts_s))
    call_id = f"{dice.getrandbits(64):016x}"
    first = _parties(dice, network, application, is_outbound=is_outbound)
    first |= {"leg_id": f"{call_id}-1", "call_id": call_id}
    last = {"sip_code": code, "q850_cause": cause, "status": "finished" if end == "answered" else "failed"}
    last["status_group"] = "completed" if end == "answered" else end
    if end in _ERRORS:
        last |= {"error_group": _ERRORS[end], "error_code": f"sip.{code}"}
    leg = _timed(dice, at_s, first, last, end, lasts_s)
    made = [leg]
    if leg.answered_s is not None:
        is_dull = DULL in troubles
        mos = round(min(4.5, dice.gauss(2.1 if is_dull else network.mos, 0.25)), 2)
        leg.last["mos"] = mos = max(1.0, mos)
        _answer(dice, leg, is_outbound=is_outbound)
        if dice.random() < _MEASURED or is_dull or lasts_s:
            leg.readings = readings(dice, call_id, leg.answered_s, leg.ended_s, mos, network.rtt_ms)
            leg.events = _events(dice, call_id, leg, mos)
        if dice.random() < _TWO_LEGS:
            made.append(_agent(dice, leg))
    return made


def _end(dice: random.Random, troubles: set[str], *, is_outbound: bool, is_long: bool) -> tuple[str, int, int]:
    """Draw what becomes of a call, its SIP code and its cause."""
    if is_long:
        end = "answered"
    elif DEAD in troubles and is_outbound:
        end = "failed"
    elif MISDIALLED in troubles and is_outbound:
        end = "bad number"
    else:
        weights = [outbound if is_outbound else inbound for outbound, inbound, _ in _ENDS.values()]
        (end,) = dice.choices(list(_ENDS), weights)
    code, cause = _ENDS[end][2][0] if DEAD in troubles else dice.choice(_ENDS[end][2])
    if end == "answered" and dice.random() < 0.03:
        cause = _LOST_LINE
    return end, code, cause


def _parties(
    dice: random.Random, network: Network, application: tuple[str, str, str, str], *, is_outbound: bool
) -> dict[str, Any]:
    """Draw who calls whom, and how."""
    other = network.begins + "".join(str(dice.randrange(10)) for _ in range(network.free))
    (capability,) = dice.choices(_CAPABILITIES, _CAPABILITY_WEIGHTS)
    kinds = {"webrtc": ("user",), "viber": ("sender name",), "whatsapp": ("long code", "sender name")}
    kind = dice.choice(kinds.get(capability, ("long code", "long code", "toll free", "short code")))
    ours = dice.choice(_SENDERS[kind])
    name, subaccount, entity, campaign = application
    return {
        "direction": "outbound" if is_outbound else "inbound",
        "capability": capability,
        "sender": ours if is_outbound else other,
        "sender_type": kind if is_outbound else "long code",
        "recipient": other if is_outbound else ours,
        "country": network.country,
        "network_id": network.id,
        "network_name": network.name,
        "application_id": name,
        "subaccount": subaccount,
        "entity_id": entity,
        "communication_id": campaign,
    }


def _timed(
    dice: random.Random, at_s: float, first: dict[str, Any], last: dict[str, Any], end: str, lasts_s: float
) -> Leg:
    """Give a leg its times, to the millisecond."""
    seized_s = answered_s = None
    ended_s = at_s + dice.uniform(0.4, 6.0)
    if end in _RINGS:
        seized_s = at_s + dice.uniform(0.6, 3.5)
        rings_s = dice.uniform(2.0, 22.0) if end == "answered" else dice.uniform(15.0, 45.0)
        ended_s = seized_s + rings_s
        if end == "answered":
            answered_s = ended_s
            ended_s += lasts_s or min(LONGEST_S - 120, 5 + dice.lognormvariate(4.6, 0.9))
    at_s, ended_s = round(at_s, 3), round(ended_s, 3)
    seized_s, answered_s = seized_s and round(seized_s, 3), answered_s and round(answered_s, 3)
    return Leg(at_s, first, last, seized_s, answered_s, ended_s)


def _answer(dice: random.Random, leg: Leg, *, is_outbound: bool) -> None:
    """Say who answered, where machine detection listened."""
    is_listened = is_outbound and leg.first["application_id"] != "support-line" and dice.random() < 0.8
    leg.answer["amd_processed"] = is_listened
    if is_listened:
        (leg.answer["answered_by"],) = dice.choices(_ANSWERERS, _ANSWERER_WEIGHTS)


def _agent(dice: random.Random, leg: Leg) -> Leg:
    """Return a second leg of an answered call: the agent to whom it is passed."""
    start_s = leg.answered_s or leg.at_s
    first = leg.first | {
        "leg_id": f"{leg.first['call_id']}-2",
        "direction": "outbound",
        "capability": "webrtc",
        "sender_type": "user",
        "recipient": dice.choice(_SENDERS["user"]),
    }
    first |= {"country": "", "network_id": "", "network_name": "Own agents"}
    times = [min(round(start_s + after_s, 3), leg.ended_s) for after_s in (0.5, 1.0, 1.0 + dice.uniform(1, 3))]
    return Leg(times[0], first, {**leg.last}, times[1], times[2], leg.ended_s)


def _events(dice: random.Random, call_id: str, leg: Leg, mos: float) -> list[tuple[float, dict[str, Any]]]:
    """Return what happened within a measured call."""
    said: list[tuple[float, dict[str, Any]]] = []

    def say(at_s: float, name: str, topic: str, level: str = "info", **more: str) -> None:
        said.append((round(at_s, 3), {"call_id": call_id, "name": name, "topic": topic, "level": level, **more}))

    start_s, span_s = leg.answered_s or leg.at_s, leg.ended_s - (leg.answered_s or leg.at_s)
    say(leg.at_s, "signalling connected", "connection", edge="client")
    say(start_s, "answered", "connection", edge="client")
    if dice.random() < 0.3:
        at_s = start_s + span_s * dice.uniform(0.1, 0.6)
        say(at_s, "muted", "settings", edge="sdk")
        say(at_s + span_s * 0.2, "unmuted", "settings", edge="sdk")
    if mos < 3.5:
        say(start_s + span_s * 0.3, "low mos", "quality", "warning", edge="sdk", text="The audio is poor.")
    if leg.last["q850_cause"] == _LOST_LINE:
        say(leg.ended_s, "media lost", "connection", "error", edge="sip", code="41", text="No audio came any more.")
    return said
