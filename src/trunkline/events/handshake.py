"""The handshake: a webhook has to say that it wants events before it gets any.

Source: the documentation's pages on endpoint validation, one for each schema.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec

from trunkline.clock import Clock
from trunkline.delivery.parcel import Answer, Outcome
from trunkline.events import envelopes
from trunkline.events.dead_letters import phrase_of
from trunkline.ids import Ids

WINDOW = timedelta(minutes=10)
"""How long a webhook may be confirmed by hand."""

AFTER_A_TIMEOUT_S = 5.0


class Posts(Protocol):
    """Whoever makes one request and tells what came of it."""

    async def send(self, url: str, body: bytes = b"", headers: Any = None, method: str = "POST") -> Answer:
        """Make one request; nothing is raised."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is asked: for which subscription of which topic, with which code and confirmation address."""

    name: str
    topic: str
    url: str
    schema: str
    code: str
    callback: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: accepted, to be confirmed by hand (`waits`), or neither, with the problem in a sentence."""

    accepted: bool = False
    waits: bool = False
    problem: str = ""


def callback_url(base: str, resource: str, name: str, code: str) -> str:
    """Return the address at which a webhook can be confirmed by hand."""
    return f"{base.rstrip('/')}/eventsubscriptions/{quote(name)}/validate?" + urlencode(
        {"id": code, "resource": resource}
    )


async def shake(invitation: Invitation, posts: Posts, clock: Clock, ids: Ids) -> Verdict:
    """Ask a webhook whether it wants events; once more, a little later, when it does not answer in time."""
    answer = await _ask(invitation, posts, clock, ids)
    if answer.outcome is Outcome.TIMED_OUT:
        await clock.sleep(AFTER_A_TIMEOUT_S)
        answer = await _ask(invitation, posts, clock, ids)
    if answer.status != 200:
        return Verdict(problem=_problem(invitation, answer, clock.now(), ids))
    if invitation.schema == envelopes.CLOUDEVENTS:
        accepted = envelopes.allows_origin(answer.headers)
    else:
        accepted = compare_digest(_response_in(answer.body).encode(), invitation.code.encode())
    return Verdict(accepted=accepted, waits=not accepted)


async def _ask(invitation: Invitation, posts: Posts, clock: Clock, ids: Ids) -> Answer:
    if invitation.schema == envelopes.CLOUDEVENTS:
        headers = envelopes.origin_headers(invitation.callback)
        return await posts.send(invitation.url, b"", headers, "OPTIONS")
    body = envelopes.validation(ids.guid(), invitation.topic, clock.now(), invitation.code, invitation.callback)
    headers = envelopes.headers_of(invitation.name, invitation.schema, batched=False, kind="SubscriptionValidation")
    # the answer has to be read, so it should come as it is
    return await posts.send(invitation.url, body, {**headers, "Accept-Encoding": "identity"})


def _response_in(body: bytes) -> str:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    response = answer.get("validationResponse") if isinstance(answer, dict) else None
    return response if isinstance(response, str) else ""


def _problem(invitation: Invitation, answer: Answer, now: datetime, ids: Ids) -> str:
    """Say what went wrong in the form that the tools know; the address is told without its query."""
    shown = urlunsplit(urlsplit(invitation.url)._replace(query="", fragment=""))
    method = "OPTIONS" if invitation.schema == envelopes.CLOUDEVENTS else "POST"
    why = "" if answer.status else f" The attempt was {answer.outcome.value}."
    hour = now.hour % 12 or 12
    stamp = f"{now.month}/{now.day}/{now.year} {hour}:{now:%M:%S} {'AM' if now.hour < 12 else 'PM'} (UTC)"
    return (
        f"Webhook validation handshake failed for {shown}. Http {method} request failed with response code "
        f"{phrase_of(answer.status)}.{why} For troublehooting, visit https://aka.ms/esvalidation. "
        f"Activity id:{ids.guid()}, timestamp: {stamp}."
    )
