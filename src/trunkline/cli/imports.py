"""`trunkline import`: files of facts, brought to the running server; whoever calls it again goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trunkline.catalogue.facts import KINDS, Attempt
from trunkline.cli import options, remote
from trunkline.clock import monotonic

FAILED = 1
STOPPED = 130
SAY_EACH_S = 10.0
_FACTS = ", ".join(kind.table for kind in KINDS if kind is not Attempt)


def import_(
    files: Annotated[list[Path], typer.Argument(help="NDJSON or CSV (also .gz, .zst), Parquet, Arrow.")],
    *,
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
    from trunkline.sources.files import FactFile  # noqa: PLC0415 - see above

    found = [FactFile(file, fact, ignore_unknown=ignore_unknown) for file in files]
    for file in found:
        if file.known_by:
            typer.echo(f"{file.path}: {file.kind.table}, by {file.known_by}.", err=True)
        if file.ignored:
            typer.echo(f"{file.path}: left out: {', '.join(file.ignored)}.", err=True)

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


def _said() -> Callable[[str], None]:
    """Return what tells why it takes longer, now and then."""
    told_at = monotonic() - SAY_EACH_S

    def say(why: str) -> None:
        nonlocal told_at
        if monotonic() - told_at >= SAY_EACH_S:
            told_at = monotonic()
            typer.echo(f"Waiting: {why}", err=True)

    return say
