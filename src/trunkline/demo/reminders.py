"""One appointment reminder of a practice by text message, and perhaps the patient's answer."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

from trunkline.demo.client import Client

NUMBER = "+18885550142"
"""The practice's own number."""

_PATIENTS = (*(f"+1425555{number:04}" for number in range(101, 141)), "+442079460101", "+4930230125990")
# numbers that the simulated carrier treats in a way of their own: off, gone, blocked, busy at first
_TROUBLED = ("+15005554006", "+15005554004", "+15005554005", "+15005550429")
_DAYS = ("tomorrow", "on Monday", "on Thursday", "next Tuesday")
_TIMES = ("8:15", "9:40", "11:00", "13:30", "15:45", "16:20")
_ANSWERS = ("Yes", "YES, thank you", "Can we move it to Friday?", "👍", "STOP", "START")
_WEIGHTS = (40, 25, 20, 10, 3, 2)


class Reminder:
    """A reminder; `steps` yields after each request."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self._client = client
        self._chance = chance

    async def steps(self) -> AsyncIterator[None]:
        """Remind a patient with a delivery report, and let most who can be reached answer."""
        chance = self._chance
        is_troubled = chance.random() < 0.15
        patient = chance.choice(_TROUBLED if is_troubled else _PATIENTS)
        when = f"{chance.choice(_DAYS)} at {chance.choice(_TIMES)}"
        text = f"Your appointment with Dr. Okafor is {when}. Reply YES to confirm."
        await self._client.signed(
            "POST",
            "/sms",
            {
                "from": NUMBER,
                "smsRecipients": [{"to": patient}],
                "message": text,
                "smsSendOptions": {"enableDeliveryReport": True, "tag": "reminder"},
            },
        )
        yield
        if not is_troubled and chance.random() < 0.6:
            (answer,) = chance.choices(_ANSWERS, _WEIGHTS)
            await self._client.carried({"from": patient, "to": NUMBER, "text": answer})
            yield
