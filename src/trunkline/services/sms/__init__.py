"""Text messages: sent, carried, reported, received, opted out of."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock
from trunkline.delivery.carrier import Carrier
from trunkline.events.event import Event
from trunkline.ids import Ids
from trunkline.services.numbers import Numbers
from trunkline.services.sms.carriage import Carriage
from trunkline.services.sms.optouts import OptOuts
from trunkline.services.sms.receiving import Receiving
from trunkline.services.sms.sending import Sending
from trunkline.services.sms.sent import SmsSent
from trunkline.state.database import Database


class Sms:
    """The service of text messages, one part a noun.

    `happened` hears of each report and each received message, once it is durable; `record` gets a fact of each message,
    and of what became of it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        numbers: Numbers,
        carrier: Carrier,
        happened: Callable[[Event], None],
        record: Callable[[Fact], None],
    ) -> None:
        self.carriage = Carriage(database, clock, ids, carrier, happened, record)
        self.sending = Sending(database, clock, ids, numbers, self.carriage.nudge, record)
        self.receiving = Receiving(database, clock, ids, numbers, happened, self.carriage.nudge, record)
        self.optouts = OptOuts(database, clock, numbers)
        self.sent = SmsSent()
