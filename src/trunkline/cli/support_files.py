"""`trunkline support-files`: what clients handed over about calls."""

from __future__ import annotations

import mimetypes
import stat
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import msgspec
import typer

from trunkline.cli import options, printout, remote
from trunkline.errors import InvalidError

app = typer.Typer(no_args_is_help=True, help="Support files: log files and the like, kept by their call.")
FileId = Annotated[str, typer.Argument(metavar="ID", help="The file's id, as `list` prints it.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The file.")],
    *,
    call_id: Annotated[str, typer.Option(help="The call that it is about, by any of its ids.")],
    user_id: Annotated[str, typer.Option(help="Whose client it comes from.")] = "",
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Keep a file about a call; prints its id."""
    try:
        about, body = file.stat(), file.open("rb")
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}.") from error
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {"Content-Type": kind}
    if stat.S_ISREG(about.st_mode):  # of a pipe nobody knows how much will come
        headers["Content-Length"] = str(about.st_size)
    query = {"call_id": call_id, "user_id": user_id, "name": file.name, "account": account}
    with body:
        answer = remote.found(data, url, api_key).send(
            f"{remote.at('support-files')}?{urlencode({name: value for name, value in query.items() if value})}",
            body,
            headers,
        )
    typer.echo(msgspec.json.decode(answer)["id"])


@app.command("list")
def list_files(
    *,
    call_id: Annotated[str, typer.Option(help="Only those of this call.")] = "",
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the files, the newest first."""
    path = remote.at("support-files")
    found = remote.found(data, url, api_key).call("GET", path, call_id=call_id, account=account)["support_files"]
    if as_json:
        printout.as_json(found)
        return
    for one in found:
        call = printout.plain(one["call_id"])
        typer.echo(f"{one['id']}\t{one['kept_at']}\t{call}\t{one['size']}\t{one['name']}")
    if not found:
        typer.echo("There are no support files; `trunkline support-files add FILE --call-id ID` adds one.", err=True)


@app.command()
def get(
    file_id: FileId,
    *,
    out: Annotated[Path | None, typer.Option(help="Where to write it, if not here under its name.")] = None,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Write a file's bytes to a file, which must not be there yet; prints where."""
    server = remote.found(data, url, api_key)
    about = server.call("GET", remote.at("support-files", file_id))
    place = out or Path(about["name"])
    try:
        with place.open("xb") as target:
            try:
                for piece in server.pieces(remote.at("support-files", file_id, "content")):
                    target.write(piece)
            except BaseException:
                place.unlink()  # what did not come to its end is not taken for the file
                raise
    except OSError as error:
        raise InvalidError(f"{place} cannot be written: {error.strerror}.") from error
    typer.echo(str(place))


@app.command()
def delete(
    file_id: FileId,
    *,
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Delete a file."""
    remote.found(data, url, api_key).call("DELETE", remote.at("support-files", file_id))
    typer.echo(f"{file_id} is gone.")
