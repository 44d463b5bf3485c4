"""Certificates of webhooks: verified, against the system's roots and those of a setting."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.delivery.rig import receiving, rigged
from trunkline.certificates import ensure
from trunkline.errors import ConfigurationError


def test_a_webhooks_certificate_must_chain_to_a_known_root(tmp_path: Path) -> None:
    """A certificate of an unknown authority is not trusted; named by the setting, it is."""
    made = ensure(tmp_path / "certificates", ["localhost"], datetime.now(UTC))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.leaf.chain_file, made.leaf.key_file)

    async def run() -> None:
        async with receiving(tls) as receiver:
            async with rigged(tmp_path / "a") as rig:
                answer = await rig.courier.send(receiver.url)
                assert (answer.outcome, answer.status, receiver.heard) == ("untrusted", 0, [])
            async with rigged(tmp_path / "b", webhook_ca_file=str(made.ca_file)) as rig:
                assert (await rig.courier.send(receiver.url)).status == 200

    asyncio.run(run())


def test_a_ca_file_that_cannot_be_read_is_named_at_the_start(tmp_path: Path) -> None:
    """The server does not start with a setting it cannot follow."""

    async def run() -> None:
        async with rigged(tmp_path / "a", webhook_ca_file=str(tmp_path / "missing.pem")):
            pytest.fail("started")

    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        asyncio.run(run())
