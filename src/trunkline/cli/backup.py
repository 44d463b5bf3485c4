"""`trunkline backup`: a copy of the data folder of a running server."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Annotated

import typer

from trunkline.cli import options, printout, remote
from trunkline.durable import put_in_place
from trunkline.errors import ConfigurationError, UnavailableError

PATIENCE_S = 24 * 3600.0


def backup(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; else it stays in `backups` of the data folder.", show_default=False)
    ] = None,
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Back up a running server: all that was acknowledged by now, as a data folder that `serve --data` takes.

    A server elsewhere (--url) keeps the copy in its own data folder.
    """
    if folder is not None:
        folder = folder.absolute()
        if url:
            raise ConfigurationError("A server elsewhere keeps its backup in its own folder: leave the folder out.")
        if folder.exists():
            raise ConfigurationError(f"{folder} is there already: name a folder that is not.")
        if not folder.parent.is_dir():
            raise ConfigurationError(f"There is no folder {folder.parent}: make it first.")
    server = remote.found(data, url, api_key)
    server.patience_s = PATIENCE_S
    made = server.call("POST", remote.at("backups"))
    if folder is not None:
        move(Path(made["folder"]), folder)
        made |= {"folder": str(folder), "name": folder.name}
    if as_json:
        printout.as_json(made)
        return
    typer.echo(f"{made['folder']}  {made['bytes'] / 2**20:.1f} MiB")
    if not url:
        typer.echo(f"Start it with: {printout.command()} serve --data {made['folder']}", err=True)


def move(made: Path, folder: Path) -> None:
    """Move a whole folder to where nothing is, also to another disk; it is whole there or not there."""
    try:
        try:
            put_in_place(made, folder)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            unfinished = folder.with_name(f".{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(made, unfinished)
            put_in_place(unfinished, folder)
            shutil.rmtree(made)
    except OSError as error:
        raise UnavailableError(
            f"The backup cannot be brought to {folder} ({error.strerror}); it is whole, in {made}."
        ) from error
