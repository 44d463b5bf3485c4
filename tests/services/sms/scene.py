"""What the tests of text messages share: a world with numbers, in which time passes from one due moment to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tests.support.world import World
from trunkline.delivery.carrier import Busy, Taken, Text
from trunkline.events.event import Event
from trunkline.services.actor import Actor
from trunkline.services.sms.sending import Message, Recipient, Result
from trunkline.services.sms.tables import sent
from trunkline.state.transaction import Reader

OFFICE = "+18005550199"
"""The number that the default resource owns by the default settings."""
PHONE = "+14255550123"
"""Somebody's telephone, that the simulated carrier delivers to."""
CAUSE = "0123456789abcdefghijkl.0"


def actor(world: World, resource: str = "trunkline") -> Actor:
    """Act for a resource."""
    return Actor(resource=world.house.resources.get(resource), cause=CAUSE)


def send(
    world: World,
    to: str | Sequence[Recipient] = PHONE,
    *,
    sender: str = OFFICE,
    text: str = "Your order is ready.",
    resource: str = "trunkline",
    **given: Any,
) -> list[Result]:
    """Send a message that wants a report, to one number or to several recipients."""
    recipients = [Recipient(number=to)] if isinstance(to, str) else to
    message = Message(sender=sender, content=text, **{"wants_report": True, **given})
    return world.run(world.house.sms.sending.send(actor(world, resource), message, recipients))


def receive(world: World, text: str, *, sender: str = PHONE, to: str = OFFICE, resource: str = "trunkline") -> str:
    """Let a message come in from somebody's telephone."""
    return world.run(world.house.sms.receiving.receive(actor(world, resource), sender, to, text))


def reports(world: World) -> list[Event]:
    """Return every delivery report, oldest first."""
    return [event for event in world.happenings() if event.name == "sms.report.received"]


def outcomes(world: World) -> dict[str, str]:
    """Return what was reported of each message; fails when one was reported twice."""
    found = reports(world)
    by_id = {event.facts["message_id"]: event.facts["outcome"] for event in found}
    assert len(by_id) == len(found), "a message was reported twice"
    return by_id


def rows(world: World, *conditions: sa.ColumnElement[bool]) -> list[Any]:
    """Return the messages that were sent, as they are kept."""
    statement = sa.select(sent).where(*conditions).order_by(sent.c.sent_at, sent.c.id)

    def read(reader: Reader) -> list[Any]:
        return list(reader.all(statement))

    return world.house.database.read_now(read)


def due_at(world: World) -> datetime | None:
    """Return the moment at which something is due next, or was."""
    return min((row.due_at for row in rows(world, sent.c.due_at.is_not(None))), default=None)


def settle(world: World) -> None:
    """Let everything be done that is due by now."""
    now = world.clock.now()
    # a turn of the clock while the carriage falls asleep would let it sleep for that much longer
    world.house.sms.carriage.nudge()

    def is_done() -> bool:
        return (due := due_at(world)) is None or due > now

    world.until(is_done)


def pass_time(world: World, seconds: float) -> None:
    """Turn the clock, stopping whenever something is due."""
    end = world.clock.now().timestamp() + seconds
    settle(world)
    while (due := due_at(world)) is not None and due.timestamp() <= end:
        world.advance((due - world.clock.now()).total_seconds())
        settle(world)
    world.advance(max(0.0, end - world.clock.now().timestamp()))
    settle(world)


class ScriptedCarrier:
    """A carrier that does what a test says, and keeps what it was offered."""

    def __init__(self, *answers: Callable[[Text], Any]) -> None:
        self.offered: list[Text] = []
        self._answers = list(answers)

    async def submit(self, text: Text) -> Taken | Busy:
        """Answer as the next of the script does; after its end as the last one."""
        self.offered.append(text)
        script = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        answer = script(text)
        found: Taken | Busy = await answer if hasattr(answer, "__await__") else answer
        return found


def deliver(_text: Text) -> Taken:
    """Take a message and deliver it at once."""
    return Taken(outcome="delivered")
