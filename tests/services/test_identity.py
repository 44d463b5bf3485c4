"""Identities: what is remembered of the tokens that have ended."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.world import World
from trunkline.clock import microseconds
from trunkline.services import identity
from trunkline.state.transaction import Transaction

MANY = 100_500


def test_what_has_ended_is_not_gone_through_for_each_that_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand deletions of one day are read in one go, however many there were already."""
    now, count = world.clock.now(), 0
    row = {"resource": "trunkline", "created_at": now, "deleted_at": now, "revoked_tick": microseconds(now) + 1}

    def unit(transaction: Transaction) -> None:
        for number in range(MANY):
            transaction.hand(identity._put, id=f"8:acs:{number}", **row)

    def counted(moment: datetime) -> int:
        nonlocal count
        count += 1
        return microseconds(moment)

    world.run(world.house.database.write(unit))
    monkeypatch.setattr(identity, "microseconds", counted)
    world.run(world.house.identities.refresh())  # as after the turn of another process
    assert count <= 3
    with pytest.raises(identity.UnauthenticatedError):
        world.house.identities.check("8:acs:7", microseconds(now), now.timestamp() + 60)
