"""`trunkline ask`: a question over what was measured."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trunkline.cli import options, plot, printout, remote
from trunkline.errors import ConfigurationError, InvalidError
from trunkline.library.answer import Answer
from trunkline.library.connected import Connected
from trunkline.library.line import Asking

Form = Literal["", "table", "json", "csv", "arrow", "parquet"]
_SUFFIXES: dict[str, Form] = {f".{form}": form for form in ("json", "csv", "arrow", "parquet")}
_BINARY = {"arrow", "parquet"}


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
    form = _form("json" if as_json else form, output)
    asking = Asking(by=by or [], where=where or [], since=since, until=until, step=step, zone=zone, top=top)
    line = Connected(remote.found(data, url, api_key, account))
    if explain:
        plan = line.explain(measures, **asking)
        _explain(plan, as_json=form == "json")
    elif form == "table" or as_plot:
        answer = line.ask(measures, **asking)
        if as_plot:
            _plot(answer, measures, zone)
        else:
            _print(answer, measures)
        if answer.is_cut:
            typer.echo("There is more; ask for longer steps, fewer splits, or the top.", err=True)
    else:
        _write(line.written(form, measures, **asking), output)


def _form(form: Form, output: Path | None) -> Form:
    """Return the form of the answer; raises ConfigurationError for what cannot be printed, or written to a file."""
    if output is not None:
        form = form or _SUFFIXES.get(output.suffix.lower(), "")
        if form in {"", "table"}:
            raise ConfigurationError(f"Say in which form {output} is written: --format csv, json, arrow or parquet.")
    elif form in _BINARY and sys.stdout.isatty():
        raise ConfigurationError(f"{form} is not for a terminal: name a file with --output.")
    return form or "table"


def _explain(plan: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        printout.as_json(plan)
        return
    for word, meaning in plan.get("meant", {}).items():
        typer.echo(f"-- {word} is {meaning}")
    typer.echo(plan["sql"])


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidError(f"{output} cannot be written: {error.strerror}.") from error


def _plot(answer: Answer, measures: list[str], zone: str) -> None:
    by = [name for name in answer.columns if name not in {answer.at, *measures}]
    width = shutil.get_terminal_size().columns
    typer.echo(_title(answer))
    drawn = (
        plot.lines(answer, by, measures, plot.steps(answer.step, zone), width)
        if answer.at
        else plot.bars(answer, by, measures, width)
    )
    for line in drawn:
        typer.echo(line)


def _print(answer: Answer, measures: list[str]) -> None:
    rows = [
        {
            name: plot.number(value) if name in measures else plot.OTHERS if value is None else _text(value)
            for name, value in row.items()
        }
        for row in answer
    ]
    printout.table(_title(answer), answer.columns, rows)


def _text(value: object) -> str:
    return value if isinstance(value, str) else f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _title(answer: Answer) -> str:
    return f"{answer.start:%Y-%m-%dT%H:%M:%SZ} to {answer.end:%Y-%m-%dT%H:%M:%SZ}"
