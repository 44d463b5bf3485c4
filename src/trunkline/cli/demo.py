"""`trunkline demo`: believable traffic and calls against a running server."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from trunkline.cli import options, remote
from trunkline.clock import RealClock, parse_rfc3339
from trunkline.connection import Connection
from trunkline.demo import CALLS, NAME


def demo(
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    requests: Annotated[int, typer.Option(help="End after so many; 0 goes on until Ctrl-C.")] = 0,
    seed: Annotated[str, typer.Option(help="The same seed makes the same requests.")] = "",
) -> None:
    """Send support chats, reminders, and what a wrongly configured client asks; tell of thirty days of calls.

    Both have accounts of their own. The calls go on beside the requests; they are the same for the same seed.
    """
    server = remote.found(data, url, api_key)
    names = (NAME, CALLS)
    account, caller = (msgspec.convert(server.call("PUT", remote.at("accounts", name)), Connection) for name in names)
    typer.echo(f"Sending to {server.url} as the accounts {' and '.join(names)}; Ctrl-C stops it.", err=True)
    try:
        asyncio.run(_drive(server, account, caller, requests, seed))
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)


async def _drive(server: remote.Remote, account: Connection, caller: Connection, requests: int, seed: str) -> None:
    """Send a burst and go on; tells at the end how many answers of which status came."""
    from trunkline.demo.client import Client  # noqa: PLC0415 - only this command loads the HTTP client
    from trunkline.demo.ledger import Ledger  # noqa: PLC0415 - see above
    from trunkline.demo.reminders import NUMBER  # noqa: PLC0415 - see above
    from trunkline.demo.traffic import HOST, Traffic  # noqa: PLC0415 - see above

    server.call("PUT", remote.at("numbers", NUMBER), account=NAME)
    near = urlsplit(server.url).hostname in {"localhost", "127.0.0.1", "::1"}
    clock = RealClock()
    host, key = HOST if near else "", account.access_keys[0]
    async with (
        Client(server.url, host, key, clock, api_key=account.api_key) as client,
        Client(server.url, "", caller.access_keys[0], clock, api_key=caller.api_key) as teller,
    ):
        traffic = Traffic(client, clock, random.Random(seed or NAME))
        ledger = Ledger(teller, clock, _begun(server), seed or CALLS)
        try:
            await ledger.bring()
            if requests:
                while client.statuses.total() < requests:
                    await traffic.step()
            else:
                await traffic.burst()
                await asyncio.gather(traffic.run(), ledger.run())
        finally:
            told = ", ".join(f"{count} times {status}" for status, count in sorted(client.statuses.items()))
            typer.echo(f"Answers: {told or 'none'}.", err=True)


def _begun(server: remote.Remote) -> datetime:
    """Return when the account of the calls was made: they are told relative to that."""
    accounts = server.call("GET", remote.at("accounts"))["accounts"]
    return parse_rfc3339(next(account["created_at"] for account in accounts if account["name"] == CALLS))
