"""`trunkline logs`: the log tables, read or written to a folder."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from trunkline.catalogue.log_tables import MOST_ROWS, LogTable, read
from trunkline.cli import options, printout, remote
from trunkline.errors import InvalidError
from trunkline.insight.logs.records import file_of, folder, line
from trunkline.insight.logs.values import check_names

EXPORT = "export"


def logs(
    table: Annotated[
        str, typer.Argument(metavar="[TABLE]", help="A table or its category; `export` with --to writes all of them.")
    ] = "",
    *,
    since: Annotated[str, typer.Option(help="RFC 3339, or 15m, 2h, 7d, today, yesterday.")] = "1h",
    until: Annotated[str, typer.Option(help="The same; now unless given.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="Column=value; several must all hold; Column= is what is not known.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many rows; 0 is all of them.", min=0)] = 100,
    to: Annotated[Path | None, typer.Option(help="Write records to files in this folder instead, all of them.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the log tables, or read one: JSON lines unless --csv is given."""
    if not table:
        _list(as_json=as_json)
        return
    if table.lower() == EXPORT and to is None:
        raise InvalidError("Say into which folder: trunkline logs export --to FOLDER.")
    wanted = list(read().tables.values()) if table.lower() == EXPORT else [read().named(table)]
    conditions = _conditions(where or [])
    for one in wanted:  # a word that names no column would be taken for something else of the question
        conditions = check_names(one, conditions)
    query = {"since": since, "until": until, "account": account, **conditions}
    server = remote.found(data, url, api_key, account)
    if to is not None:
        for one in wanted:
            written = _export(one, _rows(server, one, query, 0), to)
            typer.echo(f"{one.name}\t{written}")
        return
    rows = _rows(server, wanted[0], query, limit)
    if as_csv:
        out = csv.DictWriter(sys.stdout, list(wanted[0].columns), lineterminator="\n")
        out.writeheader()
        out.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    elif as_json:
        printout.as_json(list(rows))
    else:
        for row in rows:
            typer.echo(msgspec.json.encode(row).decode())


def _list(*, as_json: bool) -> None:
    found = [
        {"table": one.name, "category": one.category, "columns": len(one.columns), "what": one.brief}
        for one in read().tables.values()
    ]
    if as_json:
        printout.as_json(found)
    else:
        printout.table("Log tables", ("table", "category", "what"), found)


def _cell(value: Any) -> Any:
    """Return what stands in a cell: what is no text and no number as JSON writes it."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list | dict) else value


def _conditions(where: list[str]) -> dict[str, str]:
    found = {}
    for one in where:
        name, sign, value = one.partition("=")
        if not sign or not name.strip():
            raise InvalidError(f"{one!r} is no condition: write --where Column=value.", target="where")
        found[name.strip()] = value
    return found


def _rows(server: remote.Remote, table: LogTable, query: dict[str, str], limit: int) -> Iterator[dict[str, Any]]:
    """Yield rows page by page, the oldest first."""
    left, after = limit, ""
    while True:
        size = min(left, MOST_ROWS) if limit else MOST_ROWS
        asked = {**query, "limit": str(size), "next": after}
        page = server.call("GET", remote.at("logs", "tables", table.name), **asked)
        yield from page["rows"]
        left -= len(page["rows"])
        after = page.get("next", "")
        if not after or (limit and left <= 0):
            return


def _export(table: LogTable, rows: Iterator[dict[str, Any]], to: Path) -> int:
    """Write rows to the files of their hours, which are made anew; returns how many there were."""
    begun: set[Path] = set()
    written = 0
    try:
        for row in rows:
            file = to / folder(table) / file_of(row)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab" if file in begun else "wb") as out:
                out.write(line(table, row))
            begun.add(file)
            written += 1
    except OSError as error:
        raise InvalidError(f"{to} cannot be written: {error.strerror}.") from error
    return written
