"""`trunkline search`: what an id is, and its story."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline.cli import options, printout, remote

_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


def search(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A correlation vector, a call, a message, a user …")],
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Tell what an id is, and what happened: requests, messages, calls, events, deliveries."""
    found = remote.found(data, url, api_key).call("GET", remote.at("search"), q=wanted, account=account)
    if as_json:
        printout.as_json(found)
        return
    for meaning in found["found"]:
        whose = f" (account {meaning['account']})" if meaning["account"] else ""
        typer.echo(printout.plain(f"{wanted} is {meaning['text']}{whose}."))
    if not found["found"]:
        typer.echo(f"Nothing here bears {printout.plain(wanted)}. Such ids are found:", err=True)
        for form in found["may_be"]:
            typer.echo(f"  {form['what']}: {form['where']}", err=True)
        raise typer.Exit(1)
    if not sys.stdout.isatty():
        for line in _lines(found["story"]):
            typer.echo(line)
    elif found["story"]:
        Console(soft_wrap=True).print(_table(found["story"]))
    if found.get("cut"):
        typer.echo("There is more; `trunkline ask` and POST /api/v1/facts give all of it.", err=True)


def _lines(story: list[dict[str, Any]]) -> Iterator[str]:
    """Return a line for each that happened, for programs: an id that is cut in two is found by none."""
    for entry in story:
        yield f"{entry['at']}\t{printout.plain(entry['text'])}"
        if "advice" in entry:
            yield f"\t{printout.plain(entry['advice'])}"


def _table(story: list[dict[str, Any]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for entry in story:
        table.add_row(entry["at"], Text(printout.plain(entry["text"]), style=_STYLES[entry["level"]]))
        if "advice" in entry:
            table.add_row("", Text(printout.plain(entry["advice"]), style="dim"))
    return table
