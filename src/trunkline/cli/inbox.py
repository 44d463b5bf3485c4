"""`trunkline inbox`: what was sent to whom, and waiting until it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import typer

from trunkline.cli import options, printout, remote

COLUMNS = ("sent_at", "channel", "from", "to", "status", "text")


def inbox(
    *,
    to: Annotated[str, typer.Option("--to", help="Whom it was sent to: a user's id, a phone number.")] = "",
    sender: Annotated[str, typer.Option("--from", help="Who sent it.")] = "",
    channel: Annotated[str, typer.Option(help="chat, sms …")] = "",
    text: Annotated[str, typer.Option(help="What stands in it, in any case of letters.")] = "",
    thread: Annotated[str, typer.Option(help="The chat thread.")] = "",
    tag: Annotated[str, typer.Option(help="The tag it was sent with.")] = "",
    status: Annotated[str, typer.Option(help="sent, delivered, failed, edited, deleted …")] = "",
    since: Annotated[str, typer.Option(help="The earliest moment, or how long ago: 30s, 5m, 2h.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Seconds to wait until there are as many as --count.")] = 0,
    count: Annotated[int | None, typer.Option(min=0, max=1000, help="How many there must be; 1 with --wait.")] = None,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List what was sent to whom, newest first; ends with 1 when there are fewer than --count."""
    least = count if count is not None else int(wait > 0)
    limit = max(limit, least)
    conditions = {"to": to, "from": sender, "channel": channel, "text": text, "thread": thread, "tag": tag}
    conditions |= {"status": status, "since": since, "account": account, "limit": str(limit)}
    if wait:
        conditions |= {"wait_s": f"{wait:f}", "count": str(least)}
    found = list(_found(remote.found(data, url, api_key), conditions, limit))
    if as_json:
        printout.as_json(found)
    elif found:
        printout.table("What was sent, newest first", COLUMNS, found)
    if len(found) < least:
        typer.echo(f"There are {len(found)} such messages, not {least}.", err=True)
        raise typer.Exit(1)
    if not found and not as_json:
        typer.echo("There are no such messages.", err=True)


def _found(server: remote.Remote, conditions: dict[str, str], limit: int) -> Iterator[dict[str, Any]]:
    """Give the messages of as many pages as it takes."""
    left = limit
    while left > 0 and conditions:
        answer = server.call("GET", remote.at("inbox"), **conditions)
        yield from answer["messages"][:left]
        left -= len(answer["messages"])
        conditions = dict(parse_qsl(urlsplit(answer.get("nextLink", "")).query))
