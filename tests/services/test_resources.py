"""Resources: made once, settled at start, keys replaced one at a time."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable

import pytest

from tests.support.world import World
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError
from trunkline.services.resources import MOST_LEVELS, REPLACEABLE, Resources
from trunkline.state.engine import open_engine, writing

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


# --- credentials of every kind ---


def test_every_credential_is_made_kept_and_found_again(world: World) -> None:
    """In the forms that the SDKs expect, after a restart too."""
    world.run(world.house.resources.create("shop"))
    before = world.house.resources.get("shop")
    world.restart()
    resources = world.house.resources
    shop = resources.get("shop")
    assert shop == before
    assert re.fullmatch("AC[0-9a-f]{32}", shop.sid)
    assert re.fullmatch("[0-9a-f]{32}", shop.auth_token)
    assert re.fullmatch("[0-9a-f]{32}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", shop.app_key)
    assert resources.by_sid(shop.sid) is shop
    assert resources.by_app_key(shop.app_key) is shop
    assert resources.by_api_key(shop.api_key) is shop
    default = resources.get("trunkline")
    assert len({getattr(one, name) for one in (shop, default) for name in (*REPLACEABLE, "sid")}) == 12


def test_a_wrong_credential_finds_nobody(world: World) -> None:
    """Nor does one in another one's place."""
    resources = world.house.resources
    default = resources.get("trunkline")
    for look in (resources.by_sid, resources.by_app_key, resources.by_api_key):
        for wrong in ("", "x", default.name, default.auth_token, default.key1, "AC" + "0" * 32):
            assert look(wrong) is None
    assert resources.by_app_key(default.api_key) is None
    assert resources.by_api_key(default.app_key) is None


@pytest.mark.parametrize("key", REPLACEABLE)
def test_a_replaced_credential_opens_nothing_any_more(world: World, key: str) -> None:
    """The new one does, and all others stay."""
    resources = world.house.resources
    before = resources.get("trunkline")
    after = world.run(resources.regenerate("trunkline", key))
    assert [name for name in REPLACEABLE if getattr(after, name) != getattr(before, name)] == [key]
    assert (resources.by_app_key(before.app_key) is None) is (key == "app_key")
    assert (resources.by_api_key(before.api_key) is None) is (key == "api_key")
    assert resources.by_app_key(after.app_key) is resources.by_api_key(after.api_key) is after


LATER = (
    *("api_keys", "annotations", "flags", "reports", "verdicts", "teams_users"),
    *("incidents", "watch_marks", "notices", "alert_rules", "mails"),
    *("support_files", "log_settings", "log_hours", "log_known"),
)


def test_accounts_of_an_older_folder_get_what_they_lack_at_start(world: World) -> None:
    """Once, and keep it; what they had stays."""
    world.run(world.house.resources.create("shop"))
    before = world.house.resources.get("shop")
    world.run(world.house.close())
    engine = open_engine(world.settings.database or f"sqlite:///{world.folder / 'state.sqlite'}")
    with writing(engine) as connection:  # back to the schema before
        for column in ("parent", "auth_token", "app_key"):
            connection.exec_driver_sql(f"ALTER TABLE resources DROP COLUMN {column}")
        for table in LATER:
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("ALTER TABLE parcels DROP COLUMN causes")
        connection.exec_driver_sql("ALTER TABLE numbers DROP COLUMN brief_id")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    engine.dispose()
    world.house = world._open()
    found = world.house.resources.get("shop")
    assert (found.keys, found.api_key, found.sid, found.parent) == (before.keys, before.api_key, before.sid, "")
    assert len(found.auth_token) == 32
    assert world.house.resources.by_app_key(found.app_key) is found
    world.restart()
    assert world.house.resources.get("shop") == found
    assert world.house.resources.get("trunkline").auth_token != found.auth_token


# --- parents ---


def family(world: World, *pairs: tuple[str, str]) -> Resources:
    """Make accounts, each below a parent."""
    for name, parent in pairs:
        world.run(world.house.resources.create(name, parent))
    return world.house.resources


def test_a_family_is_the_account_and_all_below_it(world: World) -> None:
    """Level by level, and after a restart too; no account's family holds what is above it or beside it."""
    made = (("shop", ""), ("b", "shop"), ("a", "shop"), ("a1", "a"), ("other", ""), ("o1", "other"))
    family(world, *made)
    for _ in range(2):
        resources = world.house.resources
        assert resources.family("shop") == ("shop", "a", "b", "a1")
        assert resources.family("A") == ("a", "a1")
        assert resources.family("other") == ("other", "o1")
        assert resources.family("a1") == ("a1",)
        assert resources.family("trunkline") == ("trunkline",)
        world.restart()
    with pytest.raises(NotFoundError):
        world.house.resources.family("nobody")


def test_a_parent_is_kept_unless_the_account_is_moved(world: World) -> None:
    """Making it again with the same parent, or with none named, gives it back."""
    resources = family(world, ("shop", ""), ("other", ""), ("a", "Shop"))
    assert world.run(resources.create("a")).parent == "shop"
    assert world.run(resources.create("a", "SHOP")).parent == "shop"
    for parent in ("other", ""):
        with pytest.raises(ConflictError, match="has the parent 'shop'"):
            world.run(resources.create("a", parent))
    with pytest.raises(ConflictError, match="has no parent"):
        world.run(resources.create("shop", "other"))
    assert world.run(resources.move("a", "other")).parent == "other"
    assert (resources.family("shop"), resources.family("other")) == (("shop",), ("other", "a"))
    assert world.run(resources.move("a", "")).parent == ""
    assert resources.family("other") == ("other",)


def test_a_parent_must_be_there(world: World) -> None:
    """And nothing is made without it."""
    resources = world.house.resources
    with pytest.raises(NotFoundError, match="'nobody' to be a parent"):
        world.run(resources.create("shop", "nobody"))
    with pytest.raises(NotFoundError, match="'shop' to be a parent"):
        world.run(resources.create("shop", "shop"))
    assert resources.find("shop") is None


def test_no_account_stands_below_itself(world: World) -> None:
    """Nor below what is below it; nor the default one below any."""
    resources = family(world, ("a", ""), ("b", "a"), ("c", "b"))
    for parent in ("a", "b", "c", "C"):
        with pytest.raises(ConflictError, match="stands below it"):
            world.run(resources.move("a", parent))
    with pytest.raises(ConflictError, match="above all others"):
        world.run(resources.move("trunkline", "a"))
    assert resources.family("a") == ("a", "b", "c")


def test_accounts_stand_five_levels_deep_and_no_deeper(world: World) -> None:
    """Made there or moved there, with all that is below."""
    names = [f"level{number}" for number in range(1, MOST_LEVELS + 1)]
    resources = family(world, *zip(names, ["", *names[:-1]], strict=True))
    assert resources.family(names[0]) == tuple(names)
    with pytest.raises(ConflictError, match="levels deep"):
        world.run(resources.create("deeper", names[-1]))
    family(world, ("x", ""), ("y", "x"))
    with pytest.raises(ConflictError, match="levels deep"):
        world.run(resources.move("x", names[-2]))
    world.run(resources.move("x", names[-3]))
    assert resources.family("x") == ("x", "y")


def test_two_moves_at_once_make_no_ring(world: World) -> None:
    """One of them is refused."""
    resources = family(world, ("a", ""), ("b", ""))

    async def rush() -> list[object]:
        return await asyncio.gather(resources.move("a", "b"), resources.move("b", "a"), return_exceptions=True)

    assert sum(isinstance(one, ConflictError) for one in world.run(rush())) == 1
