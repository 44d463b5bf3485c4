"""What is printed for people: how to connect on one screen, every line ready to paste; tables."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline.catalogue.azure.links import metric_url
from trunkline.catalogue.infobip.links import QUERY_PATH, RESULT_PATH, query
from trunkline.catalogue.twilio.links import metrics_url
from trunkline.config import Settings
from trunkline.connection import Connection

METRIC = "APIRequestChat"
_WIDTH = 14


def command() -> str:
    """Return how this very program is called from anywhere."""
    called = Path(sys.argv[0])
    if called.name == "trunkline" and (found := shutil.which(str(called))):
        return shlex.quote(str(Path(found).absolute()))
    return f"{shlex.quote(sys.executable)} -m trunkline"


def places(connection: Connection) -> list[str]:
    """Say where the server is."""
    lines = [line("page", connection.page_url), line("plain HTTP", connection.http)]
    return [*lines, line("CA file", connection.ca_file)] if connection.ca_file else lines


def credentials(connection: Connection) -> list[str]:
    """Say how an account is called, and what opens it."""
    return [
        line("connection", connection.connection_string),
        *(line(f"key{number}", key) for number, key in enumerate(connection.access_keys, 1)),
        line("API key", connection.api_key),
        line("account SID", connection.account_sid),
        line("auth token", connection.auth_token),
        line("app key", connection.app_key),
        line("resource id", connection.resource_id),
        line("immutable id", connection.immutable_resource_id),
        line("tenant id", connection.tenant_id),
        line("app id", connection.application_id),
        line("user id", connection.user_object_id),
    ]


def variables(connection: Connection) -> list[str]:
    """Give the variables that clients need, ready to paste."""
    lines = [f"export CONNECTION_STRING={shlex.quote(connection.connection_string)}"]
    if connection.env:
        lines.append("export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in connection.env.items()))
    return lines


def metric_line(connection: Connection, bearer: str) -> str:
    """Give the curl line that asks for a metric; `bearer` is a token, or a command in $(…) that prints one."""
    roots = f"--cacert {shlex.quote(connection.ca_file)} " if connection.ca_file else ""
    url = shlex.quote(metric_url(connection.https, connection.resource_id, METRIC))
    return f'curl -sS {roots}-H "Authorization: Bearer {bearer}" {url}'


def page_line(connection: Connection, leg_id: str) -> str:
    """Give the curl line that asks for the media of a call."""
    login = shlex.quote(f"{connection.account_sid}:{connection.auth_token}")
    return f"curl -sS -u {login} {shlex.quote(metrics_url(connection.http, leg_id))}"


def query_line(connection: Connection, now: datetime) -> str:
    """Give the line that asks for calls by day, and gets the result."""
    head = f"-H {shlex.quote(f'Authorization: App {connection.app_key}')}"
    ask = f"curl -sS {head} {connection.http}{QUERY_PATH} -d {shlex.quote(query(now))}"
    asked = f"$({ask} | cut -d'\"' -f4)"
    return f'curl -sS {head} "{connection.http}{RESULT_PATH.format(id=asked)}"'


def token_command(data: Path, account: str) -> str:
    """Give the command that prints a bearer, for use within a line of the shell."""
    return f"$({command()} token --role reader --account {account} --data {shlex.quote(str(data))})"


def security(settings: Settings) -> str:
    """Say in words who is let in."""
    words = "strict; access keys and user tokens are verified, foreign bearers "
    if settings.development:
        words = "development mode; access keys and user tokens are verified, foreign bearers accepted unverified"
    elif settings.issuers:
        words += "by their issuers' keys"
    else:
        words += "refused (no issuer is configured)"
    if settings.hmac_mode == "lenient":
        words += "; LENIENT: wrong access-key signatures are accepted and counted"
    return line("authentication", words)


def as_json(value: Any) -> None:
    """Print a value as JSON that people can read."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def plain(text: str) -> str:
    """Return a text as it can be shown in one line of a terminal, whatever its sender meant to do there."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def line(label: str, value: str) -> str:
    """Return a labelled line."""
    return f"{label:<{_WIDTH}} {value}"


def table(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a table: fitted to a terminal, or one row a line with tabs between for programs."""
    cells = [[plain(str(row[column])) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        typer.echo(f"# {title}")
        for row in cells:
            typer.echo("\t".join(row))
        return
    drawn = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(drawn)
