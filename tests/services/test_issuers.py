"""Issuers: what role a verified bearer has."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.support.issuer import issuing
from trunkline.clock import TurnedClock
from trunkline.errors import UnauthenticatedError
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


def test_an_issuer_that_is_slow_holds_up_nobody_whose_key_is_known() -> None:
    """Whoever shows a key that it has to be asked for waits alone."""
    clock, free = TurnedClock(), threading.Event()
    ends = clock.now().timestamp() + 3600

    async def work() -> None:
        await issuers.verify(known)
        answer, asked = issuer.document, asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly(path: str) -> Any:
            loop.call_soon_threadsafe(asked.set)
            free.wait(10)
            return answer(path)

        issuer.document = slowly  # type: ignore[method-assign]
        clock.advance(60)
        stranger = asyncio.ensure_future(issuers.verify(issuer.token(key_id="unknown", exp=ends)))
        try:
            await asked.wait()
            async with asyncio.timeout(3):
                await issuers.verify(known)
        finally:
            free.set()
            with pytest.raises(UnauthenticatedError):
                await stranger

    with issuing() as issuer:
        issuers, known = Issuers([issuer.address], [], clock), issuer.token(exp=ends)
        asyncio.run(work())
