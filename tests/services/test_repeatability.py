"""Repeatability: kept answers go when their time is over."""

from __future__ import annotations

from datetime import timedelta

from tests.support.world import World
from trunkline.services import repeatability


async def _keep_two(world: World) -> None:
    now = world.clock.now()
    for request, age in (("old", 48), ("young", 1)):
        made_at = now - timedelta(hours=age)
        await world.house.database.write(
            lambda transaction, request=request, made_at=made_at: repeatability.keep(  # type: ignore[misc]
                transaction, "scope", request, "answer", made_at
            )
        )


def test_old_answers_are_forgotten_and_young_ones_kept(world: World) -> None:
    """Only what is older than the moment goes, at most as many as asked."""

    async def story() -> tuple[int, bytes | None, bytes | None]:
        await _keep_two(world)
        before = world.clock.now() - timedelta(hours=24)
        database = world.house.database
        gone = await database.write(lambda transaction: repeatability.forget(transaction, before, 10))
        old = await database.write(lambda transaction: repeatability.earlier(transaction, "scope", "old"))
        young = await database.write(lambda transaction: repeatability.earlier(transaction, "scope", "young"))
        return gone, old, young

    assert world.run(story()) == (1, None, b'"answer"')
