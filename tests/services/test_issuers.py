"""Issuers: what role a verified bearer has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trunkline.clock import TurnedClock
from trunkline.services.issuers import Issuers


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, "reader"),
        ({"roles": ["Contributor"]}, "contributor"),
        ({"roles": ["reader", "OWNER"]}, "owner"),
        ({"roles": "contributor"}, "contributor"),
        ({"roles": []}, "reader"),
        ({"roles": ["Something.Else"]}, "reader"),
        ({"roles": [1, None]}, "reader"),
        ({"oid": "Boss"}, "owner"),
        ({"azp": "boss", "roles": ["reader"]}, "owner"),
        ({"sub": "boss's cat"}, "reader"),
    ],
)
def test_a_bearer_is_a_readers_unless_it_is_named_or_names_a_role(claims: dict[str, Any], role: str) -> None:
    """The operator's word comes first, then the roles claim; whoever has neither only reads."""
    issuers = Issuers(["https://issuer.example"], [], TurnedClock(), ["boss"])

    async def verified(_token: str) -> dict[str, Any]:
        return claims

    issuers.verify = verified  # type: ignore[method-assign]
    assert asyncio.run(issuers.principal("any")).role == role
