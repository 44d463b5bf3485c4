"""`trunkline key`: API keys with roles, for programs that need less than everything."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli import options, printout, remote

app = typer.Typer(no_args_is_help=True, help="API keys of Trunkline's own API, with roles.")
_COLUMNS = ("id", "name", "role", "account", "created", "expires", "last used")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, in your words.")],
    *,
    role: Annotated[str, typer.Option(help="write (posts facts, no more), read (asks and lists), or admin.")],
    account: Annotated[str, typer.Option(help="The account it is for, with those below it; all unless named.")] = "",
    expires: Annotated[str, typer.Option(help="How long it lives (30d, 12h), or until when; else for ever.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Make a key and print it, this once."""
    body = {"name": name, "role": role, "account": account, "expires": expires}
    made = remote.found(data, url, api_key).call("POST", remote.at("keys"), body)
    if as_json:
        printout.as_json(made)
        return
    typer.echo(made["key"])
    typer.echo(
        f"It is shown this once: keep it. Role {made['role']}, account {made['account'] or '(all)'}, expires "
        f"{made['expires_at'] or 'never'}; `trunkline key revoke {made['id']}` ends it. "
        f"For SDKs that take a key's SID and secret: {made['sid']} and {made['secret']}",
        err=True,
    )


@app.command("list")
def list_keys(
    *,
    account: Annotated[str, typer.Option(help="Only those of this account.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the keys, without their secrets."""
    found = remote.found(data, url, api_key).call("GET", remote.at("keys"), account=account)["keys"]
    if as_json:
        printout.as_json(found)
        return
    rows = [
        {
            **{name: one[name] for name in ("id", "name", "role")},
            "account": one["account"] or "(all)",
            "created": one["created_at"],
            "expires": "expired" if one["expired"] else one["expires_at"] or "never",
            "last used": one["last_used_at"] or "never",
        }
        for one in found
    ]
    printout.table("API keys", _COLUMNS, rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `trunkline key list` shows it.")],
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Let a key open nothing from now on."""
    remote.found(data, url, api_key).call("DELETE", remote.at("keys", key_id))
    typer.echo(f"{key_id} is revoked.")
