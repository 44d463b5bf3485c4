"""Whom the demo calls: networks of several countries, their numbers, and what goes wrong with them at times.

The networks are invented; the numbers are of ranges that their countries keep free for fiction.
"""

from __future__ import annotations

from dataclasses import dataclass

HOURS = 30 * 24
"""How far back the calls go."""


@dataclass(frozen=True)
class Network:
    """A network: its id (MCC and MNC), and the numbers it has, `free` digits behind a beginning."""

    country: str
    id: str
    name: str
    begins: str
    free: int
    weight: int
    mos: float = 4.2
    rtt_ms: float = 60.0


NETWORKS = (
    Network("US", "310997", "Prairie Wireless", "+1425555010", 1, 22),
    Network("US", "310998", "Cascade Fixed Line", "+1206555015", 1, 14, 4.3, 35.0),
    Network("GB", "234997", "Severn Mobile", "+447700900", 3, 16, 4.2, 70.0),
    Network("GB", "234998", "Thames Landline", "+442079460", 3, 10, 4.35, 45.0),
    Network("DE", "262997", "Spree Mobil", "+49304230", 3, 14, 4.25, 55.0),
    Network("FR", "208997", "Loire Mobile", "+3363998", 4, 12, 4.15, 65.0),
    Network("AU", "505997", "Coral Mobile", "+61491570", 3, 8, 4.0, 240.0),
    Network("IE", "272997", "Liffey Telecom", "+35315550", 3, 4, 4.2, 50.0),
)


@dataclass(frozen=True)
class Incident:
    """Something worth finding: from which hour (0 is the start) to which, and of which network or application."""

    first: int
    last: int
    kind: str
    network: str = ""
    application: str = ""

    def holds(self, hour: int, network: str, application: str) -> bool:
        """Tell whether it befalls a call."""
        return (
            self.first <= hour <= self.last and self.network in {"", network} and self.application in {"", application}
        )


DEAD, DULL, MISDIALLED = "dead", "dull", "misdialled"
INCIDENTS = (
    Incident(-220, -220, DEAD, network="Spree Mobil"),  # nothing gets through for an hour
    Incident(-101, -76, DULL, network="Coral Mobile"),  # a day of poor audio
    Incident(-390, -388, MISDIALLED, application="sales-dialler"),  # a list of numbers that are none
)

# the demo's world is at three in the afternoon of a Wednesday when it starts
_STARTS_AT = 2 * 24 + 15
_HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 16, 20, 21, 20, 16, 18, 20, 20, 18, 14, 10, 7, 5, 4, 2, 1)
_DAYS = (1.1, 1.0, 1.0, 1.0, 0.95, 0.4, 0.25)
_A_DAY = 215.0


def calls_an_hour(hour: int) -> float:
    """Return how many calls an hour has on average: by the hour of the day and the day of the week."""
    day, of_day = divmod((hour + _STARTS_AT) % 168, 24)
    return _A_DAY * _DAYS[day] * _HOURS[of_day] / sum(_HOURS)
