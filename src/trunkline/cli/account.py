"""`trunkline account`: resources with keys of their own."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from trunkline.cli import options, printout, remote
from trunkline.connection import Connection

app = typer.Typer(no_args_is_help=True, help="Accounts: resources with keys of their own.")
Name = Annotated[str, typer.Argument(help="The account's name.")]


@app.command("list")
def list_accounts(*, data: options.Data = None, url: options.Url = "", api_key: options.ApiKey = "") -> None:
    """List the accounts."""
    for one in remote.found(data, url, api_key).call("GET", remote.at("accounts"))["accounts"]:
        typer.echo(f"{one['name']}{'  (default)' if one['default'] else ''}")


@app.command()
def create(
    name: Name,
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Make an account, or show the one of that name."""
    _show(remote.found(data, url, api_key).call("PUT", remote.at("accounts", name)), as_json=as_json)


@app.command("regenerate-key")
def regenerate_key(
    name: Name,
    key: Annotated[str, typer.Argument(help="key1 or key2.")],
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Replace one of an account's two access keys; the other one goes on, so that clients can change over."""
    server = remote.found(data, url, api_key)
    _show(server.call("POST", remote.at("accounts", name, "keys", key, "regenerate")), as_json=as_json)


def _show(answer: object, *, as_json: bool) -> None:
    found = msgspec.convert(answer, Connection)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    typer.echo("\n".join(printout.credentials(found)))
