"""`trunkline health`: how each service is, what was wrong, and what is announced."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from trunkline.cli import options, printout, remote

app = typer.Typer(help="How each service is; what was wrong, and what is announced.")
notice = typer.Typer(no_args_is_help=True, help="Planned maintenance and advisories.")
app.add_typer(notice, name="notice")
Days = Annotated[int, typer.Option(min=1, help="How many days back.")]
_STANDING = ("service", "account", "state", "requests", "failures", "share")
_INCIDENT = ("id", "state", "title", "account", "from", "to", "value", "peak", "requests", "failures")
_NOTICE = ("id", "kind", "service", "state", "from", "until", "text")


@app.callback(invoke_without_command=True)
def health(
    context: typer.Context,
    *,
    account: Annotated[str, typer.Option(help="Only this account, and the whole server.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Tell how each service is now, with what is wrong and announced; exit 1 when one is out of order."""
    if context.invoked_subcommand is not None:
        return
    found = remote.found(data, url, api_key).call("GET", remote.at("health"), account=account)
    if as_json:
        _as_json(found)
    else:
        rows = [{"account": "(all)", **one} for one in found["services"]] + found["accounts"]
        printout.table("Services", _STANDING, [{**one, "share": _percent(one["share"])} for one in rows])
        if found["incidents"]:
            printout.table("Incidents", _INCIDENT, map(_incident, found["incidents"]))
        if found["notices"]:
            printout.table("Announced", _NOTICE, map(_notice, found["notices"]))
    if any(one["state"] == "unavailable" for one in (*found["services"], *found["accounts"])):
        raise typer.Exit(1)


@app.command()
def incidents(
    *,
    days: Days = 90,
    account: Annotated[str, typer.Option(help="Only this account, and the whole server.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List what was wrong, the newest first."""
    server = remote.found(data, url, api_key)
    found = server.call("GET", remote.at("incidents"), account=account, days=str(days))["incidents"]
    if as_json:
        _as_json(found)
        return
    printout.table("Incidents", _INCIDENT, map(_incident, found))


@app.command()
def incident(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")],
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Show one incident as JSON, with the requests that made it and its question."""
    _as_json(remote.found(data, url, api_key).call("GET", remote.at("incidents", incident_id)))


@notice.command("add")
def add_notice(
    text: Annotated[str, typer.Argument(help="What everybody is to know.")],
    *,
    kind: Annotated[str, typer.Option(help="maintenance or advisory.")] = "advisory",
    begins: Annotated[str, typer.Option("--from", help="From when (RFC 3339); now unless given.")] = "",
    until: Annotated[str, typer.Option(help="Until when (RFC 3339); until further notice unless given.")] = "",
    service: Annotated[str, typer.Option(help="Which service it is about; all unless given.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Announce something."""
    body = {"kind": kind, "text": text, "service": service, "from": begins, "until": until}
    made = remote.found(data, url, api_key).call("POST", remote.at("notices"), body)
    typer.echo(f"{made['id']} is {made['state']}; `trunkline health notice end {made['id']}` ends it.")


@notice.command("list")
def list_notices(
    *,
    days: Days = 90,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List what is announced, and what was."""
    found = remote.found(data, url, api_key).call("GET", remote.at("notices"), days=str(days))["notices"]
    if as_json:
        _as_json(found)
        return
    printout.table("Notices", _NOTICE, map(_notice, found))


@notice.command("end")
def end_notice(
    notice_id: Annotated[str, typer.Argument(metavar="ID", help="The notice's id.")],
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Declare a notice over, or take back one that is still to come; it stays in the history."""
    ended = remote.found(data, url, api_key).call("DELETE", remote.at("notices", notice_id))
    typer.echo(f"{ended['id']} is over.")


def _as_json(found: Any) -> None:
    printout.as_json(found)


def _incident(one: dict[str, Any]) -> dict[str, Any]:
    is_outage = one["kind"] == "outage"
    return {
        **one,
        "account": one["account"] or "(all)",
        "from": one["began_at"],
        "to": one["last_at"] if one["closed_at"] else "",
        "value": _percent(one["value"]) if is_outage else one["value"],
        "peak": _percent(one["peak"]) if is_outage else one["peak"],
    }


def _notice(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "service": one["service"] or "(all)", "until": one["ended_at"] or one["until"] or "further notice"}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
