"""What `trunkline ask` does: it puts the question, and shows or writes the answer."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import typer

from trunkline.apis.trunkline.asked import Form as Written
from trunkline.cli import plot, printout
from trunkline.cli.ask import Form
from trunkline.cli.remote import Remote
from trunkline.errors import ConfigurationError, InvalidError
from trunkline.library.answer import Answer
from trunkline.library.connected import Connected
from trunkline.library.line import Asking

_SUFFIXES: dict[str, Form] = {f".{form}": form for form in ("json", "csv", "arrow", "parquet")}
_BINARY = {"arrow", "parquet"}


def explained(server: Remote, measures: list[str], asked: Asking, form: Form) -> None:
    """Show how a question would be answered."""
    plan = Connected(server).explain(measures, **asked)
    if form == "json":
        printout.as_json(plan)
        return
    for word, meaning in plan.get("meant", {}).items():
        typer.echo(f"-- {word} is {meaning}")
    typer.echo(plan["sql"])


def shown(server: Remote, measures: list[str], asked: Asking, *, as_plot: bool) -> None:
    """Show the answer as a table, or drawn."""
    answer = Connected(server).ask(measures, **asked)
    if as_plot:
        _plot(answer, measures, asked["zone"])
    else:
        _print(answer, measures)
    if answer.is_cut:
        typer.echo("There is more; ask for longer steps, fewer splits, or the top.", err=True)


def written(server: Remote, measures: list[str], asked: Asking, form: Written, output: Path | None) -> None:
    """Write the answer to a file, or as it is."""
    content = Connected(server).written(form, measures, **asked)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidError(f"{output} cannot be written: {error.strerror}.") from error


def form_of(form: Form, output: Path | None) -> Form:
    """Return the form of the answer; raises ConfigurationError for what cannot be printed, or written to a file."""
    if output is not None:
        form = form or _SUFFIXES.get(output.suffix.lower(), "")
        if form in {"", "table"}:
            raise ConfigurationError(f"Say in which form {output} is written: --format csv, json, arrow or parquet.")
    elif form in _BINARY and sys.stdout.isatty():
        raise ConfigurationError(f"{form} is not for a terminal: name a file with --output.")
    return form or "table"


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
