"""`trunkline teams-user`: which Teams users there are, and which service plans they have."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli import options, printout, remote

app = typer.Typer(no_args_is_help=True, help="Teams users: who may exchange a Teams token, by their licences.")
User = Annotated[str, typer.Argument(help="The object id (a GUID), or the user principal name.")]


@app.command("list")
def list_users(
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the Teams users."""
    found = remote.found(data, url, api_key).call("GET", remote.at("teams-users"))["teams_users"]
    if as_json:
        printout.as_json(found)
        return
    for one in found:
        eligible = "eligible" if one["eligible"] else "not eligible"
        typer.echo(f"{one['user']}\t{one['tenant']}\t{','.join(one['plans']) or '-'}\t{eligible}")
    if not found:
        typer.echo(
            "There are no Teams users; `trunkline teams-user add megan@contoso.com --plan TEAMS1` adds one.", err=True
        )


@app.command()
def add(
    user: User,
    *,
    plan: Annotated[
        list[str] | None, typer.Option(help="A service plan such as TEAMS1; may be given several times.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="The id of the tenant; the server's own unless named.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Register a Teams user with service plans, or give one other plans than before."""
    body = {"plans": plan or [], "tenant": tenant}
    made = remote.found(data, url, api_key).call("PUT", remote.at("teams-users", user), body)
    eligible = "is eligible" if made["eligible"] else "is not eligible: no plan lets a Teams user communicate here"
    typer.echo(f"{made['user']} has {', '.join(made['plans']) or 'no plan'} and {eligible}.")


@app.command()
def remove(
    user: User,
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Take a Teams user out."""
    remote.found(data, url, api_key).call("DELETE", remote.at("teams-users", user))
    typer.echo(f"{user} is gone.")
