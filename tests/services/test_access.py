"""Access: which tokens say that this server signed them, and which say that they have ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from tests.support.customer import UNSIGNED
from tests.support.world import World
from trunkline.errors import UnauthenticatedError
from trunkline.services.access import check_end

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "a secret of somebody else, who is not asked here"


def foreign(claims: dict[str, Any], **headers: str) -> str:
    """Return a token that somebody else signed."""
    return jwt.encode(claims, SECRET, algorithm="HS256", headers=headers)


def test_a_token_is_owned_by_the_key_that_it_names(shared_world: World) -> None:
    """A minted one and a user's; no foreign one, no stand-in, nothing that is no token."""
    keyring = shared_world.house.keyring
    minted, _ = keyring.mint("reader")
    assert keyring.owns(minted)
    assert keyring.owns(shared_world.user().token)
    for other in (foreign({}), foreign({}, kid="someone's"), UNSIGNED, "opaque", "a.b.c", ""):
        assert not keyring.owns(other)


def test_owning_is_not_trusting(shared_world: World) -> None:
    """A token that only names the key is owned, and then refused for its signature."""
    keyring = shared_world.house.keyring
    minted, _ = keyring.mint("owner")
    forged = foreign({"iss": "trunkline", "roles": ["owner"]}, kid=jwt.get_unverified_header(minted)["kid"])
    assert keyring.owns(forged)
    with pytest.raises(UnauthenticatedError):
        keyring.principal(forged)


@pytest.mark.parametrize("ends", [0, NOW.timestamp() - 1, NOW.timestamp(), 1.5])
def test_a_token_that_says_it_has_ended_is_refused(ends: float) -> None:
    """From the very second on that it names."""
    with pytest.raises(UnauthenticatedError, match="expired"):
        check_end(foreign({"exp": ends}), NOW)


@pytest.mark.parametrize(
    "token",
    [
        foreign({"exp": NOW.timestamp() + 0.5}),
        foreign({}),
        foreign({"exp": True}),
        UNSIGNED,
        "opaque",
    ],
)
def test_a_token_that_says_nothing_of_an_end_passes(token: str) -> None:
    """A later end, none, none that is a number; a stand-in that is no token at all."""
    check_end(token, NOW)
