"""A whole server for a test: its clock, inbox and connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.communication.identity import CommunicationIdentityClient
from azure.communication.sms import SmsClient

import trunkline
from trunkline.clock import TurnedClock
from trunkline.errors import ConfigurationError, InvalidError, NotFoundError
from trunkline.library import served
from trunkline.services import sent

OFFICE, FRIEND = "+18005550199", "+385911234567"


@pytest.fixture(scope="module")
def server() -> Iterator[trunkline.Server]:
    """Run one in a temporary folder."""
    with trunkline.serve() as running:
        yield running


def test_the_inbox_holds_what_was_sent(server: trunkline.Server) -> None:
    """It is waited for; what does not come is a TimeoutError."""
    connection = server.connection
    sms = SmsClient.from_connection_string(connection.connection_string, connection_verify=connection.ca_file)
    with closing(sms._sms_service_client):
        sms.send(from_=OFFICE, to=[FRIEND], message="Your code is 1234")
    (one,) = server.inbox.wait(to=FRIEND, text="code")
    assert (one.channel, one.sender, one.text) == ("sms", OFFICE, "Your code is 1234")
    assert [found.id for found in server.inbox.sent(channel="sms")] == [one.id]
    assert server.inbox.sent(to="+385910000000") == []
    with pytest.raises(TimeoutError, match="not 2"):
        server.inbox.wait(2, seconds=0.1, to=FRIEND)
    with pytest.raises(InvalidError):
        server.inbox.sent(channel="pigeon")


def test_the_inbox_is_gone_through_to_its_end(server: trunkline.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was sent since to others; a thousand messages are listed at most."""
    monkeypatch.setattr(sent, "MOST_EXAMINED", 3)
    connection = server.account("busy")
    server.run(server.house.numbers.add("busy", OFFICE))
    sms = SmsClient.from_connection_string(connection.connection_string, connection_verify=connection.ca_file)
    with closing(sms._sms_service_client):
        for text in ("the first", *("another",) * 7):
            sms.send(from_=OFFICE, to=[FRIEND], message=text)
    assert [one.text for one in server.inbox.sent(account="busy", text="first")] == ["the first"]
    assert len(server.inbox.sent(account="busy", sender=OFFICE)) == 8
    monkeypatch.setattr(served, "MOST", 5)
    assert len(server.inbox.sent(account="busy")) == 5


def test_the_clock_is_turned_and_shuts_nobody_out(server: trunkline.Server) -> None:
    """A token ends; whoever signs by the machine's clock goes on."""
    connection = server.account("clock")
    client = CommunicationIdentityClient.from_connection_string(
        connection.connection_string, connection_verify=connection.ca_file, retry_total=0
    )
    with closing(client._identity_service_client):
        client.create_user()
        server.clock.advance(2 * 86_400)
        assert (server.clock.now() - datetime.now(UTC)).days in {1, 2}
        client.create_user()
    assert server.ask("requests.count", where={"resource": "clock"}, since="1d").rows == [{"requests.count": 1}]


def test_who_sleeps_until_a_moment_now_past_wakes(server: trunkline.Server) -> None:
    """And nobody else."""
    clock = server.house.clock

    async def both() -> tuple[bool, bool]:
        tasks = [asyncio.ensure_future(clock.sleep(seconds)) for seconds in (1000, 100_000, 0)]
        await asyncio.sleep(0.01)
        assert [task.done() for task in tasks] == [False, False, True]
        clock.advance(2000)  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        done = tasks[0].done(), tasks[1].done()
        tasks[1].cancel()
        return done

    assert server.run(both()) == (True, False)


def test_an_account_has_a_connection(server: trunkline.Server) -> None:
    """Made when it is asked for, and found by others in the folder."""
    shop = server.account("shop")
    assert server.account("shop") == shop
    assert shop.api_key != server.api_key
    with trunkline.connect(data=server.house.folder.path, account="shop") as line:
        line.record({"leg_id": "a"}, fact="calls")
        assert line.ask("calls.count").rows == [{"calls.count": 1}]
    with pytest.raises(NotFoundError):
        trunkline.connect(data=server.house.folder.path, account="nobody")


def test_a_temporary_server_leaves_nothing() -> None:
    """Its folder goes with it, its ports are free; a second close does nothing."""
    server = trunkline.serve(clock=TurnedClock())
    folder = server.house.folder.path
    assert folder.exists()
    assert server.clock.now().year == 2026
    server.close()
    server.close()
    assert not folder.exists()
    with pytest.raises(RuntimeError):
        server.ask("requests.count")


def test_settings_are_given_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment do not count; a port that is taken is named."""
    monkeypatch.setenv("TRUNKLINE_RESOURCE", "elsewhere")
    with trunkline.serve(tmp_path, resource="mine") as server:
        assert server.connection.resource_id.endswith("/mine")
    with pytest.raises(ConfigurationError, match="log_format"):
        trunkline.serve(log_format="xml")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="is taken"):
        trunkline.serve(http_port=taken.getsockname()[1])
