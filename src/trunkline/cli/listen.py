"""`trunkline listen`: prints events as they happen, and passes them on to a local address."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from contextlib import suppress
from typing import Annotated

import typer

from trunkline.cli import options, remote
from trunkline.cli.events import Schema, Subject, Types, explain, request
from trunkline.cli.receiver import Receiver
from trunkline.errors import TrunklineError

LIFE_MINUTES = 30
RENEWAL_S = 600.0


def listen(
    *,
    wanted: Types = None,
    subject: Subject = "",
    schema: Schema = "",
    forward: Annotated[str, typer.Option(help="A local address that gets every delivery too.")] = "",
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1; 0 picks a free port.")] = 0,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """Subscribe to events, print them as they happen, and unsubscribe at the end (Ctrl-C)."""
    server = remote.found(data, url, api_key)
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    # whoever does not know the path cannot make events up
    path = f"/{secrets.token_urlsafe(16)}"
    receiver = Receiver(path, port, forward=forward, as_json=as_json, out=sys.stdout)
    name = f"listen-{secrets.token_hex(4)}"
    # it ends by itself if this process is killed
    body = {**request(name, receiver.url, wanted or [], subject, schema), "minutes": LIFE_MINUTES}
    receiver.start()
    try:
        explain(server.call("POST", remote.at("subscriptions"), body, account=account))
        typer.echo("Listening; Ctrl-C ends it.", err=True)
        while not end.wait(RENEWAL_S):
            server.call("POST", remote.at("subscriptions"), body, account=account)
    finally:
        with suppress(TrunklineError):  # a server that has gone has nothing to unsubscribe from
            server.call("DELETE", remote.at("subscriptions", name), account=account)
        receiver.stop()
