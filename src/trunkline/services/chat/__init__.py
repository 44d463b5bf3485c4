"""Chat: threads, their participants, messages, read receipts and typing."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock
from trunkline.ids import Ids
from trunkline.services.chat.messages import Messages
from trunkline.services.chat.participants import Participants
from trunkline.services.chat.receipts import Receipts
from trunkline.services.chat.threads import Threads
from trunkline.services.chat.ticks import Ticks
from trunkline.services.identity import Identities
from trunkline.state.database import Database


class Chat:
    """The chat service, one part a noun; `record` gets a fact of each message to each recipient."""

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, identities: Identities, record: Callable[[Fact], None]
    ) -> None:
        ticks = Ticks()
        self.threads = Threads(database, clock, ids, ticks, identities)
        self.participants = Participants(database, clock, ids, ticks, identities)
        self.messages = Messages(database, clock, ids, ticks, record)
        self.receipts = Receipts(database, clock, ids, ticks)
