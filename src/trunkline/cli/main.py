"""The command `trunkline`: every family of commands, and how it ends when something goes wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from trunkline import __version__
from trunkline.cli import (
    account,
    alert,
    ask,
    backup,
    bundle,
    catalogue,
    connection,
    demo,
    events,
    explain,
    health,
    imports,
    inbox,
    key,
    listen,
    logs,
    numbers,
    search,
    serve,
    sms,
    support_files,
    teams_user,
    token,
)
from trunkline.errors import ConfigurationError, TrunklineError

WRONG_SETTINGS = 2
FAILED = 1

app = typer.Typer(
    name="trunkline",
    help="Self-hosted communication services with observability built in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(connection.connection)
app.command()(token.token)
app.command()(catalogue.catalogue)
app.command()(explain.explain)
app.command()(listen.listen)
app.command()(inbox.inbox)
app.command()(ask.ask)
app.command()(search.search)
app.command()(bundle.bundle)
app.command()(logs.logs)
app.command("import")(imports.import_)
app.command()(backup.backup)
app.command()(demo.demo)
app.add_typer(events.app, name="events")
app.add_typer(alert.app, name="alert")
app.add_typer(health.app, name="health")
app.add_typer(account.app, name="account")
app.add_typer(key.app, name="key")
app.add_typer(numbers.app, name="numbers")
app.add_typer(sms.app, name="sms")
app.add_typer(support_files.app, name="support-files")
app.add_typer(teams_user.app, name="teams-user")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """Self-hosted communication services with observability built in."""


def main() -> None:
    """Run the command; an error of ours is one sentence on stderr, never a traceback."""
    if sys.stdout is None:  # closed by whoever started it: what is printed goes nowhere
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
    try:
        app()
    except ConfigurationError as error:
        typer.echo(f"trunkline: {error.message}", err=True)
        sys.exit(WRONG_SETTINGS)
    except TrunklineError as error:
        typer.echo(f"trunkline: {error.message}", err=True)
        sys.exit(FAILED)
    except UnicodeEncodeError as error:
        signs = ascii(error.object[error.start : error.end][:20])
        typer.echo(f"trunkline: {signs} cannot be written as {error.encoding}: it is no text there.", err=True)
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: nothing is left to say
        sys.exit(FAILED)
    except OSError as error:
        typer.echo(f"trunkline: {error.strerror or error}: it went no further.", err=True)
        sys.stderr.close()  # that what was printed cannot be written is said once
        sys.exit(FAILED)
