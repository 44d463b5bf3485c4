"""`trunkline account`: resources with keys of their own, below a parent if they have one."""

from __future__ import annotations

from typing import Annotated, Any

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
        mark = "  (default)" if one["default"] else f"  (below {one['parent']})" if one["parent"] else ""
        typer.echo(f"{one['name']}{mark}")


@app.command()
def create(
    name: Name,
    *,
    parent: Annotated[str, typer.Option(help="The account that it stands below, and that sees what it does.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Make an account, or show the one of that name."""
    body: dict[str, Any] = {"parent": parent} if parent else {}
    _show(remote.found(data, url, api_key).call("PUT", remote.at("accounts", name), body), as_json=as_json)


@app.command()
def show(
    name: Name,
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Show an account and what opens it."""
    _show(remote.found(data, url, api_key).call("GET", remote.at("connection"), account=name), as_json=as_json)


@app.command()
def move(
    name: Name,
    *,
    parent: Annotated[str, typer.Option(help='The account that it is to stand below; "" for none.')],
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Give an account another parent: from now on that one sees all it ever did, and the former one nothing."""
    body = {"parent": parent, "move": True}
    _show(remote.found(data, url, api_key).call("PUT", remote.at("accounts", name), body), as_json=as_json)


@app.command("regenerate-key")
def regenerate_key(
    name: Name,
    key: Annotated[str, typer.Argument(help="key1, key2, api_key, auth_token or app_key.")],
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Replace one credential of an account; the others go on, so that clients can change over."""
    server = remote.found(data, url, api_key)
    _show(server.call("POST", remote.at("accounts", name, "keys", key, "regenerate")), as_json=as_json)


def _show(answer: object, *, as_json: bool) -> None:
    found = msgspec.convert(answer, Connection)
    if as_json:
        printout.as_json(found)
        return
    lines = [printout.line("account", found.account)]
    lines += [printout.line("parent", found.parent)] if found.parent else []
    typer.echo("\n".join([*lines, *printout.credentials(found)]))
