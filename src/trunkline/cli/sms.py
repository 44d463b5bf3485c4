"""`trunkline sms`: text messages that come in."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli import options, remote

app = typer.Typer(no_args_is_help=True, help="Text messages: let one come in.")


@app.callback()
def _family() -> None:
    """Text messages: let one come in."""


@app.command()
def receive(
    text: Annotated[str, typer.Argument(help="What it says; STOP and START opt out and in.")],
    *,
    sender: Annotated[str, typer.Option("--from", help="Who sends it, in E.164.")],
    to: Annotated[str, typer.Option(help="The account's number that it is sent to.")],
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Bring a text message to one of the account's numbers, and print its id."""
    body = {"from": sender, "to": to, "text": text}
    answer = remote.found(data, url, api_key).call("POST", remote.at("inbox", "sms"), body, account=account)
    typer.echo(answer["id"])
