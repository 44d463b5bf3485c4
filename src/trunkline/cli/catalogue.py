"""`trunkline catalogue`: what there is, as tables; no server is needed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from trunkline.catalogue.load import load
from trunkline.catalogue.search import tables
from trunkline.cli import options, printout

Row = dict[str, Any]
_OTHERS = (
    ("other_metrics", "Other metrics", ("name", "brief")),
    ("measures", "Measures (POST /api/v1/ask)", ("name", "unit", "brief")),
    ("words", "Vendors' words for measures and columns", ("name", "is", "brief")),
    ("event_types", "Event types", ("name", "on", "brief")),
    ("untold_event_types", "Event types not told yet", ("name", "brief")),
    ("happenings", "Happenings", ("name", "brief")),
    ("delivery_outcomes", "What becomes of messages", ("code", "name", "text", "advice")),
    ("simulated_numbers", "Numbers of the simulated carrier", ("name", "outcome", "brief")),
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
        printout.as_json(found)
        return
    if not any(found.values()):
        typer.echo(f"Nothing in the catalogue is called {name!r}; `trunkline catalogue` shows everything.", err=True)
        raise typer.Exit(1)
    for title, columns, rows in _tables(found):
        printout.table(title, columns, rows)


def _tables(found: dict[str, list[Row]]) -> list[tuple[str, tuple[str, ...], list[Row]]]:
    shown: list[tuple[str, tuple[str, ...], list[Row]]] = []
    for service in found["services"]:
        metric = f", counted by {service['metric']['name']}" if service["metric"] else ""
        rows = [{**row, "route": row["route"] or f"counted on: {row['counted_on']}"} for row in service["operations"]]
        shown.append((f"{service['title']}{metric}", ("name", "route", "served", "brief"), rows))
    shown += [(title, columns, found[key]) for key, title, columns in _OTHERS if found[key]]
    return shown
