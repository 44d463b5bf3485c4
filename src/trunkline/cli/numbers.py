"""`trunkline numbers`: which numbers an account owns."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli import options, printout, remote

app = typer.Typer(no_args_is_help=True, help="Numbers: what an account sends text messages from, and gets them at.")
Number = Annotated[str, typer.Argument(help="E.164 like +18005550199, a short code, or a sender name.")]


@app.command("list")
def list_numbers(
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the numbers."""
    found = remote.found(data, url, api_key).call("GET", remote.at("numbers"), account=account)["numbers"]
    if as_json:
        printout.as_json(found)
        return
    for one in found:
        where = "  (setting)" if one["from_settings"] else ""
        brief = f"  brief {one['brief_id']}" if "brief_id" in one else ""
        typer.echo(f"{one['number']}\t{one['kind']}\t{one['country']}{brief}{where}")
    if not found:
        typer.echo("There are no numbers; `trunkline numbers add +18005550199` adds one.", err=True)


@app.command()
def add(
    number: Number,
    *,
    brief_id: Annotated[
        str, typer.Option(help="The short code program brief or toll-free campaign brief that it was granted under.")
    ] = "",
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Let the account own a number; nobody is asked, and nothing is bought."""
    server = remote.found(data, url, api_key)
    answer = server.call("PUT", remote.at("numbers", number), account=account, brief_id=brief_id)
    typer.echo(f"{answer['account']} owns {answer['number']} ({answer['kind']}).")


@app.command()
def remove(
    number: Number,
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Let the account own a number no more."""
    remote.found(data, url, api_key).call("DELETE", remote.at("numbers", number), account=account)
    typer.echo(f"{number} is gone.")
