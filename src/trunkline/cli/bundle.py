"""`trunkline bundle`: everything about an id that whoever helps would ask for, in one archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from trunkline.cli import options, remote
from trunkline.errors import InvalidError

NAME = Path("trunkline-bundle.zip")


def bundle(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A correlation vector, a call, a message, a user …")],
    *,
    out: Annotated[Path, typer.Option(help="Where to write it; nothing is overwritten.")] = NAME,
    use_case: Annotated[str, typer.Option(help="What was being done when it failed.")] = "",
    without_texts: Annotated[bool, typer.Option("--without-texts", help="Remove texts of messages.")] = False,
    without_numbers: Annotated[
        bool, typer.Option("--without-numbers", help="Remove phone numbers and e-mail addresses.")
    ] = False,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Make an archive of the story of an id, its facts, logs and files, and how the server was; without secrets."""
    parts = [name for name, removed in (("texts", without_texts), ("numbers", without_numbers)) if removed]
    query = {"q": wanted, "without": ",".join(parts), "use_case": use_case, "account": account}
    target = f"{remote.at('bundle')}?{urlencode({name: value for name, value in query.items() if value})}"
    server = remote.found(data, url, api_key)
    if out.exists():
        raise InvalidError(f"{out} is there already: name another file with --out.")
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            for piece in server.pieces(target):
                file.write(piece)
        unfinished.replace(out)
    except OSError as error:
        raise InvalidError(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    typer.echo(str(out))
