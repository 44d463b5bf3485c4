"""The simulated carrier: what becomes of a message is chosen by the number it is sent to, so that tests can tell."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.catalogue.rows import SimulatedNumber
from trunkline.delivery.carrier import Busy, Taken, Text

BUSY_MS = 1000
_PLAIN = SimulatedNumber(brief="Every other number: delivered.", outcome="delivered")


class SimulatedCarrier:
    """Takes every message, and delivers it unless the catalogue's row of the number says otherwise."""

    def __init__(self, numbers: Mapping[str, SimulatedNumber]) -> None:
        self._numbers = numbers

    async def submit(self, text: Text) -> Taken | Busy:
        """Take the message, or be too busy as often as the row of its recipient says."""
        row = self._numbers.get(text.recipient, _PLAIN)
        if text.attempt <= row.refusals:
            return Busy(retry_after_ms=BUSY_MS)
        return Taken(outcome=row.outcome, after_ms=row.after_ms)
