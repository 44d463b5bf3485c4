"""The outbox: just the events that were read are marked as told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.states import database_at
from trunkline.events import outbox
from trunkline.events.event import Event
from trunkline.state.transaction import Transaction, metadata

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MANY = 12


def telling(number: int) -> Event:
    """Make an event."""
    return Event(id=f"event-{number}", name="chat.message.sent", resource="r", at=NOW, cause="", facts={})


@given(st.sets(st.integers(1, MANY)))
@settings(max_examples=30, deadline=None)
def test_what_was_read_is_told_and_nothing_between(tmp_path_factory: pytest.TempPathFactory, numbers: set[int]) -> None:
    """Numbers with gaps: what lies in a gap may be an event that nobody has read yet."""

    async def run(folder: Path) -> list[int]:
        database = database_at(folder)
        metadata.drop_all(database.engine, [outbox.outbox])
        metadata.create_all(database.engine, [outbox.outbox])
        database.start()
        try:

            def unit(transaction: Transaction) -> None:
                for number in range(1, MANY + 1):
                    outbox.tell(transaction, telling(number))

            await database.write(unit)
            await database.write(lambda transaction: outbox.mark_told(transaction, sorted(numbers), NOW))
            return [number for number, _ in await database.read(lambda reader: outbox.untold(reader, MANY))]
        finally:
            await database.stop()

    folder = tmp_path_factory.getbasetemp() / "outbox"
    folder.mkdir(exist_ok=True)
    assert asyncio.run(run(folder)) == sorted({*range(1, MANY + 1)} - numbers)
