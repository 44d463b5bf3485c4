"""`trunkline ask`: a question over what was measured."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import msgspec
import typer

from trunkline.cli import options, printout, remote
from trunkline.errors import InvalidError


def ask(
    measures: Annotated[list[str], typer.Argument(help="Measures of one fact: calls.attempted calls.answer_rate …")],
    *,
    by: Annotated[list[str] | None, typer.Option(help="A column to split by; may be given several times.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition: column=value, or column!=value; several must all hold.")
    ] = None,
    since: Annotated[str, typer.Option(help="RFC 3339, or 15m, 2h, 7d, today, yesterday.")] = "1h",
    until: Annotated[str, typer.Option(help="The same; now unless given.")] = "",
    step: Annotated[str, typer.Option(help="minute, hour, day, week, month …; one step for all without it.")] = "",
    zone: Annotated[str, typer.Option(help="Where days begin, as in Europe/Zagreb.")] = "UTC",
    top: Annotated[int, typer.Option(help="Only the so many with most of the first measure; the rest together.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show how it would be answered.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Ask for measures, split by columns, over time."""
    body: dict[str, Any] = {"measures": measures, "by": by or [], "since": since, "zone": zone, "explain": explain}
    body["where"] = [_condition(text) for text in where or []]
    body |= {"until": until} if until else {}
    body |= {"step": step} if step else {}
    body |= {"top": {"most": top}} if top else {}
    answer = remote.found(data, url, api_key, account).call("POST", remote.at("ask"), body)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    elif explain:
        typer.echo(answer["sql"])
    else:
        _print(answer, is_stepped=bool(step), as_csv=as_csv)


def _condition(text: str) -> dict[str, Any]:
    column, sign, value = text.partition("=")
    if not sign:
        raise InvalidError(f"{text!r} is no condition: write column=value.")
    if column.endswith("!"):
        return {"column": column[:-1], "values": [value], "op": "is not"}
    return {"column": column, "values": [value]}


def _print(answer: dict[str, Any], *, is_stepped: bool, as_csv: bool) -> None:
    columns = [*(["at"] if is_stepped else []), *answer["by"], *answer["measures"]]
    rows = []
    for point in answer["points"]:
        split = ["(others)"] * len(point["split"]) if point.get("others") else point["split"]
        rows.append([*([point["at"]] if is_stepped else []), *split, *map(_number, point["values"])])
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        return
    printout.table(
        f"{answer['start']} to {answer['end']}", columns, [dict(zip(columns, row, strict=True)) for row in rows]
    )
    if answer.get("cut"):
        typer.echo("There is more; ask for longer steps, fewer splits, or the top.", err=True)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
