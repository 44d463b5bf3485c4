"""`trunkline token`: a bearer for curl and dashboards."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli import options, remote


def token(
    *,
    role: Annotated[str, typer.Option(help="reader, contributor or owner.")] = "reader",
    hours: Annotated[float, typer.Option(help="How long it lives; at most 8760.")] = 12,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Print a bearer that the management APIs accept in every mode, and nothing else."""
    body = {"role": role, "hours": hours, "account": account}
    answer = remote.found(data, url, api_key).call("POST", remote.at("tokens"), body)
    typer.echo(answer["token"])
