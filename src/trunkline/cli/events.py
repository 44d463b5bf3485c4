"""`trunkline events`: subscriptions by hand, what management clients do by code."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import msgspec
import typer

from trunkline.catalogue.load import load
from trunkline.cli import options, printout, remote
from trunkline.errors import UnavailableError

app = typer.Typer(no_args_is_help=True, help="Events: types, subscriptions, dead letters.")
Name = Annotated[str, typer.Argument(help="The subscription's name.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="An event type, in full or its last part; repeatable; all if none.")
]
Subject = Annotated[str, typer.Option("--subject", help="What the subject must begin with.")]
Schema = Annotated[str, typer.Option("--schema", help="cloudevents, or the vendor's own schema if not given.")]
AWAITING = "awaiting"
FAILED = "failed"


@app.command()
def types() -> None:
    """List the event types: name, what it is told on, what it says."""
    for name, row in load().event_types.items():
        former = "  (preview name)" if row.preview_of else ""
        typer.echo(f"{name}\t{row.on}\t{row.brief}{former}")
    for name, brief in load().untold_event_types.items():
        typer.echo(f"{name}\t-\t{brief}  (not told yet)")


@app.command()
def subscribe(
    address: Annotated[str, typer.Argument(metavar="URL", help="The webhook's address.")],
    *,
    wanted: Types = None,
    subject: Subject = "",
    subject_ends: Annotated[str, typer.Option(help="What the subject must end with.")] = "",
    schema: Schema = "",
    name: Annotated[str, typer.Option(help="The subscription's name; made up unless given.")] = "",
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Subscribe a webhook; it is asked first whether it wants events."""
    body = request(name or f"hook-{secrets.token_hex(4)}", address, wanted or [], subject, schema)
    body["subject_ends"] = subject_ends
    server = remote.found(data, url, api_key)
    answer = server.call("POST", remote.at("subscriptions"), body, account=account)
    if answer["state"] == FAILED and not name:
        # nobody knows the name that was made up: what failed does not stay behind
        server.call("DELETE", remote.at("subscriptions", answer["name"]), account=account)
        raise UnavailableError(answer["problem"])
    typer.echo(f"{answer['name']}: {answer['state']}")
    explain(answer)


@app.command("list")
def list_subscriptions(
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
    as_json: options.Json = False,
) -> None:
    """List the subscriptions."""
    found = remote.found(data, url, api_key).call("GET", remote.at("subscriptions"), account=account)["subscriptions"]
    if as_json:
        printout.as_json(found)
        return
    for one in found:
        wanted = ", ".join(name.rpartition(".")[2] for name in one["types"]) or "every type"
        typer.echo(f"{one['name']}\t{one['state']}\t{one['url']}\t{wanted}\t{one['problem']}".rstrip())
    if not found:
        typer.echo("There are no subscriptions; `trunkline events subscribe URL` makes one.", err=True)


@app.command("test")
def send_test(
    name: Name,
    *,
    event_type: Annotated[str, typer.Option("--type", help="The type; the first one it asks for if not given.")] = "",
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Send an example event to one subscription, past its filter."""
    server = remote.found(data, url, api_key)
    answer = server.call("POST", remote.at("subscriptions", name, "test"), {"type": event_type}, account=account)
    typer.echo(f"An example of {answer['type']} is on its way to {name}.")


@app.command()
def unsubscribe(
    name: Name,
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Delete a subscription."""
    remote.found(data, url, api_key).call("DELETE", remote.at("subscriptions", name), account=account)
    typer.echo(f"{name} is gone.")


@app.command("dead-letters")
def dead_letters(
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """List the events that could not be delivered, newest first, one JSON object a line."""
    found = remote.found(data, url, api_key).call("GET", remote.at("dead-letters"), account=account)
    for letter in found["dead_letters"]:
        typer.echo(msgspec.json.encode(letter).decode())


@app.command("resend")
def resend_dead_letters(
    name: Name,
    *,
    account: options.Account = "",
    data: options.Data = None,
    url: options.Url = "",
    api_key: options.ApiKey = "",
) -> None:
    """Send what could not be delivered to one subscription again."""
    server = remote.found(data, url, api_key)
    answer = server.call("POST", remote.at("subscriptions", name, "resend"), account=account)
    typer.echo(f"{answer['events']} events are on their way to {name} again.")


def request(name: str, address: str, wanted: list[str], subject: str, schema: str) -> dict[str, Any]:
    """Return the body that asks for a subscription."""
    body: dict[str, Any] = {"name": name, "url": address, "types": wanted, "subject_begins": subject}
    return {**body, "schema": schema} if schema else body


def explain(subscription: dict[str, Any]) -> None:
    """Say what to do about a webhook that has not agreed; raises UnavailableError when it never will."""
    if subscription["state"] == FAILED:
        remedy = f"`trunkline events unsubscribe {subscription['name']}` removes the subscription."
        raise UnavailableError(f"{subscription['problem']} {remedy}")
    if subscription["state"] == AWAITING:
        typer.echo(
            'The webhook answered 200, but not {"validationResponse": "<the data.validationCode it was sent>"}. '
            "Let it, and subscribe again; or open the data.validationUrl it was sent within 10 minutes."
        )
