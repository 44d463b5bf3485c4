"""API keys: shown once, kept as a digest, of no use once they are revoked or have ended."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.world import World
from trunkline.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from trunkline.services import keys as module
from trunkline.services.keys import ApiKey, ApiKeys


@pytest.fixture
def keys(world: World) -> ApiKeys:
    """Give the keys of a house."""
    return world.house.api_keys


def anyone(_key: ApiKey) -> bool:
    """Say that each key is the caller's business."""
    return True


def test_a_key_opens_and_only_its_digest_is_kept(world: World, keys: ApiKeys) -> None:
    """Neither memory nor file holds the secret, and after a restart the key opens as before."""
    made, text = world.run(keys.make(" ci ", "read", resource="trunkline"))
    assert re.fullmatch(f"tl_{made.id}_[A-Za-z0-9_-]{{43}}", text)
    assert made.name == "ci"
    secret = text.removeprefix(f"tl_{made.id}_")
    assert secret not in repr(keys.all())
    principal = world.run(keys.principal(text))
    assert (principal.name, principal.role, principal.resource) == (f"api key {made.id}", "reader", "trunkline")
    world.restart()
    assert world.run(world.house.api_keys.principal(text)) == principal
    files = [file.read_bytes() for file in world.folder.iterdir() if file.is_file()]
    assert any(made.digest.encode() in file for file in files)
    assert not any(secret.encode() in file for file in files)


def test_whatever_differs_from_a_key_opens_nothing(world: World, keys: ApiKeys) -> None:
    """Another secret, another id, a part, something around it; each is told the same."""
    made, text = world.run(keys.make("ci", "admin"))
    other, other_text = world.run(keys.make("ci", "admin"))
    secret, other_secret = text[20:], other_text[20:]
    flipped = ("B" if secret[0] == "A" else "A") + secret[1:]
    wrong = [
        *(f"tl_{made.id}_{flipped}", f"tl_{made.id}_{other_secret}", f"tl_{other.id}_{secret}"),
        *(f"tl_{'0' * 16}_{secret}", f"tl_{made.id}_", f"tl_{made.id}", "tl_", text[:-1], f"{text}A", f"{text}\n"),
        *(text.upper(), f"tl_{made.id}_{made.digest}", f"tl_{made.id}_é{secret[1:]}"),
    ]
    told = set()
    for one in wrong:
        with pytest.raises(UnauthenticatedError) as refused:
            world.run(keys.principal(one))
        told.add(refused.value.message)
    assert len(told) == 1


def test_a_revoked_key_opens_nothing_from_that_moment_on(world: World, keys: ApiKeys) -> None:
    """Nor after a restart; revoking it again finds nothing."""
    made, text = world.run(keys.make("ci", "admin"))
    world.run(keys.principal(text))
    world.run(keys.revoke(made.id, by=anyone))
    for _ in range(2):
        with pytest.raises(UnauthenticatedError, match="revoked"):
            world.run(world.house.api_keys.principal(text))
        with pytest.raises(NotFoundError):
            world.run(world.house.api_keys.revoke(made.id, by=anyone))
        assert world.house.api_keys.all() == []
        world.restart()


def test_a_key_revoked_while_it_is_shown_lets_nobody_in(world: World, keys: ApiKeys) -> None:
    """Its last use is still being written then."""
    made, text = world.run(keys.make("ci", "admin"))

    async def rush() -> Any:
        shown = asyncio.ensure_future(keys.principal(text))
        await asyncio.sleep(0)  # the minute is on its way to the writer
        await keys.revoke(made.id, by=anyone)
        return await asyncio.gather(shown, return_exceptions=True)

    (outcome,) = world.run(rush())
    assert isinstance(outcome, UnauthenticatedError) or keys.all() == []
    with pytest.raises(UnauthenticatedError):
        world.run(keys.principal(text))


def test_nobody_revokes_what_is_none_of_their_business(world: World, keys: ApiKeys) -> None:
    """They are told the same as of a key that there is not."""
    made, text = world.run(keys.make("ci", "read"))
    with pytest.raises(NotFoundError, match=f"no API key '{made.id}'"):
        world.run(keys.revoke(made.id, by=lambda key: key.resource == "shop"))
    assert world.run(keys.principal(text)).role == "reader"


def test_a_key_ends_when_it_says(world: World, keys: ApiKeys) -> None:
    """At that very second; who does not have its secret is not told that it was one."""
    made, text = world.run(keys.make("ci", "write", ends_at=world.clock.now() + timedelta(days=1)))
    world.advance(86_399)
    assert world.run(keys.principal(text)).role == "writer"
    world.advance(1)
    with pytest.raises(UnauthenticatedError, match="expired"):
        world.run(keys.principal(text))
    with pytest.raises(UnauthenticatedError, match="no such API key"):
        world.run(keys.principal(f"tl_{made.id}_{'A' * 43}"))


def test_the_minute_of_the_last_use_is_kept(world: World, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written once a minute at most."""
    _, text = world.run(keys.make("ci", "read"))
    assert keys.all()[0].used_at is None
    world.run(keys.principal(text))
    with monkeypatch.context() as patch:
        patch.setattr(keys, "_database", None)  # there is nothing to write
        for _ in range(5):
            world.run(keys.principal(text))
    world.advance(3600)
    world.run(keys.principal(text))
    minute = world.clock.now().replace(second=0, microsecond=0)
    assert keys.all()[0].used_at == minute
    world.restart()
    assert world.house.api_keys.all()[0].used_at == minute


@pytest.mark.parametrize(
    "given",
    [
        {"role": "king"},
        {"role": "reader"},
        {"role": ""},
        {"name": " "},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"days": 0},
        {"days": -1},
        {"days": 3661},
    ],
)
def test_what_cannot_be_a_key_is_refused(world: World, keys: ApiKeys, given: dict[str, Any]) -> None:
    """And none is made."""
    days = given.get("days")
    ends_at = None if days is None else world.clock.now() + timedelta(days=days)
    with pytest.raises(InvalidError):
        world.run(keys.make(given.get("name", "ci"), given.get("role", "read"), ends_at=ends_at))
    assert keys.all() == []


def test_there_are_so_many_keys_and_no_more(world: World, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when they are made at once."""
    monkeypatch.setattr(module, "MOST_KEYS", 3)

    async def rush() -> list[Any]:
        return await asyncio.gather(*(keys.make("ci", "read") for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(one, ConflictError) for one in world.run(rush())) == 2
    assert len(keys.all()) == 3
