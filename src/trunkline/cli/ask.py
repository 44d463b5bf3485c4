"""`trunkline ask`: a question over what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trunkline.cli import options, remote

Form = Literal["", "table", "json", "csv", "arrow", "parquet"]


def ask(
    measures: Annotated[list[str], typer.Argument(help="Measures of one fact: calls.attempted calls.answer_rate …")],
    *,
    by: Annotated[list[str] | None, typer.Option(help="A column to split by; may be given several times.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="column=value, column!=value, column>=number, column<number; several must all hold."),
    ] = None,
    since: Annotated[str, typer.Option(help="RFC 3339, or 15m, 2h, 7d, today, yesterday.")] = "1h",
    until: Annotated[str, typer.Option(help="The same; now unless given.")] = "",
    step: Annotated[str, typer.Option(help="minute, hour, day, week, month …; one step for all without it.")] = "",
    zone: Annotated[str, typer.Option(help="Where days begin, as in Europe/Zagreb.")] = "UTC",
    top: Annotated[int, typer.Option(help="Only the so many with most of the first measure; the rest together.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="table unless the file's name says otherwise.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the answer to a file.")] = None,
    as_plot: Annotated[bool, typer.Option("--plot", help="Draw it: over time with --step, else as bars.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show how it would be answered.")] = False,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Ask for measures, split by columns, over time."""
    from trunkline.cli import asking  # noqa: PLC0415 - half a second, for what no other command needs

    form = asking.form_of("json" if as_json else form, output)
    asked: Any = {"by": by or [], "where": where or [], "since": since, "until": until}
    asked |= {"step": step, "zone": zone, "top": top}
    server = remote.found(data, url, api_key, account)
    if explain:
        asking.explained(server, measures, asked, form)
    elif form == "table" or as_plot:
        asking.shown(server, measures, asked, as_plot=as_plot)
    else:
        asking.written(server, measures, asked, form, output)
