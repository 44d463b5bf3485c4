"""`trunkline alert`: rules on any measure, told of like outages."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from trunkline.cli import options, printout, remote
from trunkline.errors import InvalidError

app = typer.Typer(no_args_is_help=True, help="Alert rules: on any measure of `trunkline catalogue`.")
Name = Annotated[str, typer.Argument(help="The rule's name.")]
_COLUMNS = ("name", "account", "meaning", "every", "severity", "enabled")
_LENGTH = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
_WHEN = ("above", "at least", "below", "at most", "equal")


@app.command()
def add(
    name: Name,
    *,
    measure: Annotated[str, typer.Option(help="What is measured, such as requests.failed.")],
    of: Annotated[str, typer.Option(help="The measure of which it is to be a share, from 0 to 1.")] = "",
    above: Annotated[float | None, typer.Option(help="Met when it is more than this.")] = None,
    at_least: Annotated[float | None, typer.Option(help="Met when it is this or more.")] = None,
    below: Annotated[float | None, typer.Option(help="Met when it is less than this.")] = None,
    at_most: Annotated[float | None, typer.Option(help="Met when it is this or less.")] = None,
    equal: Annotated[float | None, typer.Option(help="Met when it is this.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="Met when nothing is measured at all.")] = False,
    where: Annotated[list[str] | None, typer.Option(help="Only where a column is this: operation=SendSMS.")] = None,
    window: Annotated[str, typer.Option(help="Over how long it is measured: 5m, 1h, 1d.")] = "5m",
    every: Annotated[str, typer.Option(help="How often it is asked for: 1m to 1h.")] = "1m",
    severity: Annotated[int, typer.Option(min=0, max=4, help="0 (critical) to 4 (verbose).")] = 3,
    description: Annotated[str, typer.Option(help="What it is about, in your words.")] = "",
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Of all accounts together.")] = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it, and do not follow it.")] = False,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Make a rule, or replace the one of that name."""
    said = zip(_WHEN, (above, at_least, below, at_most, equal), strict=True)
    given = {when: value for when, value in said if value is not None}
    if len(given) + absent != 1:
        raise InvalidError("Give one of --above, --at-least, --below, --at-most, --equal and --absent.")
    when, value = next(iter(given.items()), ("absent", 0.0))
    conditions = [_condition(one) for one in where or ()]
    body = {
        "criteria": [{"measure": measure, "of": of, "when": when, "value": value, "where": conditions}],
        "window_minutes": _minutes(window),
        "every_minutes": _minutes(every),
        "severity": severity,
        "description": description,
        "everywhere": everywhere,
        "enabled": not disabled,
    }
    made = remote.found(data, url, api_key).call("PUT", remote.at("alerts", name), body, account=account)
    typer.echo(f"{made['name']} of {made['account']}: {made['meaning']}.")


@app.command("list")
def list_alerts(
    *,
    account: Annotated[str, typer.Option(help="Only those of this account.")] = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the rules."""
    found = remote.found(data, url, api_key).call("GET", remote.at("alerts"), account=account)["alerts"]
    if as_json:
        printout.as_json(found)
        return
    rows = [{**one, "every": f"{one['every_minutes']} min"} for one in found]
    printout.table("Alert rules", _COLUMNS, rows)


@app.command()
def remove(
    name: Name,
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Remove a rule; its incident is over with it."""
    remote.found(data, url, api_key).call("DELETE", remote.at("alerts", name), account=account)
    typer.echo(f"{name} is gone.")


def _condition(text: str) -> dict[str, Any]:
    column, sign, value = text.partition("=")
    if not sign or not column:
        raise InvalidError(f"--where {text} is not COLUMN=VALUE.")
    return {"column": column.strip(), "values": [value.strip()]}


def _minutes(text: str) -> int:
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise InvalidError(f"{text!r} is no length of time such as 5m, 1h or 1d.")
    return int(found[1]) * _MINUTES[found[2]]
