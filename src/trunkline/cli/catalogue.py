"""`trunkline catalogue`: what there is, as tables; no server is needed."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline.catalogue.load import load
from trunkline.catalogue.search import tables
from trunkline.cli import options

Row = dict[str, Any]
_OTHERS = (
    ("other_metrics", "Other metrics", ("name", "brief")),
    ("measures", "Measures (POST /api/v1/ask)", ("name", "unit", "brief")),
    ("event_types", "Event types", ("name", "on", "brief")),
    ("untold_event_types", "Event types not told yet", ("name", "brief")),
    ("happenings", "Happenings", ("name", "brief")),
)


def catalogue(
    name: Annotated[
        str, typer.Argument(help="A service, operation, metric, event type or measure, or any words to search for.")
    ] = "",
    *,
    as_json: options.Json = False,
) -> None:
    """Show the catalogue's tables, or those rows in which every word stands."""
    found = tables(load(), name)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    if not any(found.values()):
        typer.echo(f"Nothing in the catalogue is called {name!r}; `trunkline catalogue` shows everything.", err=True)
        raise typer.Exit(1)
    for title, columns, rows in _tables(found):
        _print(title, columns, rows)


def _tables(found: dict[str, list[Row]]) -> list[tuple[str, tuple[str, ...], list[Row]]]:
    shown: list[tuple[str, tuple[str, ...], list[Row]]] = []
    for service in found["services"]:
        metric = f", counted by {service['metric']['name']}" if service["metric"] else ""
        rows = [{**row, "route": row["route"] or f"counted on: {row['counted_on']}"} for row in service["operations"]]
        shown.append((f"{service['title']}{metric}", ("name", "route", "served", "brief"), rows))
    shown += [(title, columns, found[key]) for key, title, columns in _OTHERS if found[key]]
    return shown


def _print(title: str, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Print a table: fitted to a terminal, or one row a line with tabs between for programs."""
    if not sys.stdout.isatty():
        typer.echo(f"# {title}")
        for row in rows:
            typer.echo("\t".join(str(row[column]) for column in columns))
        return
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[column])) for column in columns))
    Console(highlight=False).print(table)
