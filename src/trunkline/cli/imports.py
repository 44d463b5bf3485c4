"""`trunkline import`: files of facts, brought to the running server; whoever calls it again goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from trunkline.catalogue.facts import KINDS, Attempt
from trunkline.cli import options, remote
from trunkline.clock import monotonic
from trunkline.errors import InvalidError

if TYPE_CHECKING:
    from trunkline.sources.files import SourceFile

FAILED = 1
STOPPED = 130
SAY_EACH_S = 10.0
_FACTS = ", ".join(kind.table for kind in KINDS if kind is not Attempt)


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="NDJSON or CSV (also .gz, .zst), Parquet, Arrow; or exports of log tables, JSON or CSV."),
    ],
    *,
    table: Annotated[
        str, typer.Option(help="The log table that the files are exports of; known by their rows if left out.")
    ] = "",
    fact: Annotated[str, typer.Option(help=f"{_FACTS}; guessed if left out.")] = "",
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Leave out columns that the fact has not.")
    ] = False,
    rejects: Annotated[Path | None, typer.Option(help="Write every rejected row here, one JSON object a line.")] = None,
    patience: Annotated[float, typer.Option(help="How many seconds to wait for a server that is away.", min=0)] = 600,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Import facts from files: each row once, however often this is called.

    It ends with 1 when a row was rejected or a file could not be read to its end.
    """
    from trunkline.cli.importing import Importer  # noqa: PLC0415 - only this command loads Arrow
    from trunkline.cli.sending import Server  # noqa: PLC0415 - see above

    found = [part for file in files for part in _parts(file, fact, table, ignore_unknown=ignore_unknown)]

    def find() -> remote.Remote:
        if url and account:
            api = remote.connected(None, url, api_key, account).api_key
            return remote.Remote(url, api)
        return remote.found(data, url, api_key, account)

    is_sound = True
    try:
        with Importer(Server(find, patience_s=patience, say=_said()), rejects) as importer:
            for file in found:
                outcome = importer.bring(file)
                is_sound &= outcome.is_sound
                typer.echo(msgspec.json.encode(outcome).decode() if as_json else outcome.told())
    except KeyboardInterrupt:
        typer.echo("Stopped; the same command goes on from here.", err=True)
        raise typer.Exit(STOPPED) from None
    if not is_sound:
        raise typer.Exit(FAILED)


def _parts(path: Path, fact: str, table: str, *, ignore_unknown: bool) -> Sequence[SourceFile]:
    """Return a file of facts, or an export of log tables once for each kind of fact that its rows become.

    Tells what it holds where that was not said.
    """
    from trunkline.sources import exports, files  # noqa: PLC0415 - only this command loads Arrow

    if fact and table:
        raise InvalidError(
            "A file holds facts, or is an export of a log table: give --fact or --table.", target="table"
        )
    export = None if fact else exports.opened(path, table)
    if export is None:
        file = files.FactFile(path, fact, ignore_unknown=ignore_unknown)
        if file.known_by:
            typer.echo(f"{path}: {file.kind.table}, by {file.known_by}.", err=True)
        if file.ignored:
            typer.echo(f"{path}: left out: {', '.join(file.ignored)}.", err=True)
        return [file]
    told = ", ".join(f"{count} rows of {name}" for name, count in export.counts.items()) or "no row that can be read"
    typer.echo(f"{path}: an export of log tables: {told}.", err=True)
    return export.parts()


def _said() -> Callable[[str], None]:
    """Return what tells why it takes longer, now and then."""
    told_at = monotonic() - SAY_EACH_S

    def say(why: str) -> None:
        nonlocal told_at
        if monotonic() - told_at >= SAY_EACH_S:
            told_at = monotonic()
            typer.echo(f"Waiting: {why}", err=True)

    return say
