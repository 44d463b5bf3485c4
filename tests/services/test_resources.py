"""Resources: made once, settled at start, keys replaced one at a time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import pytest

from tests.support.world import World
from trunkline.errors import ConfigurationError, InvalidError, NotFoundError

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(32, 64))).decode()


def test_what_is_made_at_first_start_stays(world: World) -> None:
    """Ids and keys are the same after a restart."""
    before = world.house.resources.get("trunkline")
    world.restart()
    assert world.house.resources.get("TRUNKLINE") == before


def test_settings_overrule_what_was_made(world: World) -> None:
    """Keys and ids that are given take effect at the next start; the rest stays."""
    before = world.house.resources.get("trunkline")
    world.restart(access_keys=(KEY,), subscription_id="s", tenant_id="t", resource_group="g")
    after = world.house.resources.get("trunkline")
    assert (after.key1, after.key2) == (KEY, before.key2)
    assert (after.subscription_id, after.tenant_id, after.resource_group) == ("s", "t", "g")
    assert (after.immutable_id, after.created_at) == (before.immutable_id, before.created_at)
    assert world.call("POST", "/identities", key=KEY).status == 201
    assert world.call("POST", "/identities", key=before.key1).status == 401


@pytest.mark.parametrize(
    "settings",
    [
        {"access_keys": ("not base64!",)},
        {"access_keys": (base64.b64encode(b"short").decode(),)},
        {"access_keys": (KEY, OTHER, KEY)},
        {"resource": "no name"},
        {"resource": ""},
    ],
)
def test_a_wrong_setting_stops_the_start(make_world: Callable[..., World], settings: dict[str, object]) -> None:
    """With one sentence that names the remedy."""
    with pytest.raises(ConfigurationError):
        make_world(**settings)


def test_making_the_same_resource_at_once_makes_one(world: World) -> None:
    """Everyone gets the same keys."""
    resources = world.house.resources

    async def rush() -> set[str]:
        return {made.key1 for made in await asyncio.gather(*(resources.create("demo") for _ in range(10)))}

    assert len(world.run(rush())) == 1
    assert [one.name for one in resources.all()] == ["trunkline", "demo"]


def test_both_keys_replaced_at_once_are_both_replaced(world: World) -> None:
    """Neither change undoes the other."""
    resources = world.house.resources
    before = resources.get("trunkline")

    async def rush() -> None:
        await asyncio.gather(resources.regenerate("trunkline", "key1"), resources.regenerate("trunkline", "key2"))

    world.run(rush())
    after = resources.get("trunkline")
    assert not {*before.keys} & {*after.keys}
    world.restart()
    assert world.house.resources.get("trunkline").keys == after.keys


def test_what_is_not_there_is_told(world: World) -> None:
    """Unknown names and keys."""
    with pytest.raises(NotFoundError):
        world.run(world.house.resources.regenerate("nobody", "key1"))
    with pytest.raises(InvalidError):
        world.run(world.house.resources.regenerate("trunkline", "key3"))
    with pytest.raises(InvalidError):
        world.run(world.house.resources.create("-"))
    assert world.house.resources.find("nobody") is None


def test_keys_never_reach_a_log(world: World) -> None:
    """A resource shows its name only."""
    assert repr(world.house.resources.get("trunkline")) == "Resource(name='trunkline')"
