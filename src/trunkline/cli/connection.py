"""`trunkline connection`: what a client needs to use the running server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from trunkline.cli import options, printout, remote
from trunkline.clock import monotonic
from trunkline.connection import Connection
from trunkline.demo import NAME
from trunkline.errors import UnavailableError

_BETWEEN_TRIES_S = 0.1


def connection(
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    account: options.Account = "",
    wait: Annotated[float, typer.Option(help="Wait up to so many seconds for the server to be ready.")] = 0.0,
    as_json: options.Json = False,
) -> None:
    """Print what a client needs: addresses, connection string, CA file, variables; with --json for programs."""
    found = _patiently(wait, lambda: remote.connected(data, url, api_key, account))
    if as_json:
        printout.as_json(found)
        return
    lines = [*printout.places(found), *printout.credentials(found), "", *printout.variables(found)]
    if account == NAME:
        lines += ["", printout.metric_line(found, _bearer(data, url, api_key, account))]
    typer.echo("\n".join(lines))


def _patiently(wait_s: float, ask: Callable[[], Connection]) -> Connection:
    """Ask until a server answers or the time is over; raises what the last try raised."""
    until = monotonic() + wait_s
    while True:
        try:
            return ask()
        except UnavailableError:
            if monotonic() >= until:
                raise
            time.sleep(_BETWEEN_TRIES_S)


def _bearer(data: options.Data, url: str, api_key: str, account: str) -> str:
    if not url:
        return printout.token_command(remote.folder_of(data), account)
    body = {"role": "reader", "account": account}
    return str(remote.found(data, url, api_key).call("POST", remote.at("tokens"), body)["token"])
