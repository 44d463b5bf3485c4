"""Forged, expired and moved credentials: refused by every operation, while an honest repetition never is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import msgspec
import pytest
from azure.communication.identity import CommunicationIdentityClient
from azure.communication.identity._shared import policy
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.hostile.examples import BODIES, body_of, query_of
from tests.hostile.scene import LARGEST_BODY, OPERATIONS, Scene, unpadded
from tests.hostile.strategies import effort, render
from tests.support.signing import body_hash, signed
from tests.support.world import HOST, World
from trunkline.catalogue.rows import Operation
from trunkline.library.served import Server

CLOSED = [operation for operation in OPERATIONS if operation.auth != "open"]
SIGNED = [operation for operation in OPERATIONS if operation.auth == "resource"]
OTHERS_KEY = rsa.generate_private_key(65537, 2048)
NAMED = "trunkline.communication.localhost"
Log = list[Any]


@pytest.fixture
def strict(make_world: Callable[..., World], log: Log) -> Iterator[Scene]:
    """Give a house that takes no bearer which it cannot verify."""
    made = Scene(make_world(max_body_bytes=LARGEST_BODY, private_webhooks="allow", auth_mode="strict"), log)
    yield made
    made.check_that_it_stands()


def forged(token: str) -> dict[str, str]:
    """Make tokens of a good one, as anyone could who has seen it."""
    head, body, signature = token.split(".")
    header, claims = (msgspec.json.decode(base64.urlsafe_b64decode(part + "==")) for part in (head, body))

    def part(value: Any) -> str:
        return unpadded(msgspec.json.encode(value))

    return {
        "alg none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "alg none, still signed": f"{part({**header, 'alg': 'none'})}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "truncated": token[:-20],
        "one sign less": token[:-1],
        "of two parts": f"{head}.{body}",
        "of four parts": f"{token}.{signature}",
        "more claims": f"{head}.{part({**claims, 'acsScope': 'chat,voip', 'roles': ['owner']})}.{signature}",
        "a later end": f"{head}.{part({**claims, 'exp': 2**40})}.{signature}",
        "another key": jwt.encode(claims, OTHERS_KEY, "RS256", headers={"kid": header["kid"]}),
        "another key and its own name": jwt.encode(claims, OTHERS_KEY, "RS256", headers={"kid": "0" * 40}),
        "a secret as key": jwt.encode(claims, "k" * 32, "HS256", headers={"kid": header["kid"]}),
        "a header that is a list": f"{part([header])}.{body}.{signature}",
        "claims that are a list": f"{head}.{part([claims])}.{signature}",
        "critical extensions": f"{part({**header, 'crit': ['x'], 'x': 1})}.{body}.{signature}",
        "a detached payload": f"{part({**header, 'b64': False, 'crit': ['b64']})}.{body}.{signature}",
        "an odd algorithm": f"{part({**header, 'alg': ['RS256']})}.{body}.{signature}",
        "no algorithm": f"{part({'kid': header['kid']})}.{body}.{signature}",
        "a number without end": f"{head}.{unpadded(b'{' + b'%cexp%c:1e999}' % (34, 34))}.{signature}",
        "digits without end": f"{head}.{unpadded(b'{' + b'%cexp%c:' % (34, 34) + b'9' * 9_000 + b'}')}.{signature}",
        "no JSON": f"{unpadded(b'{{')}.{unpadded(b'}}')}.{signature}",
        "no base64": f"{head}!.{body}?.{signature}*",
        "not UTF-8": f"{unpadded(bytes([255, 254]))}.{body}.{signature}",
        "not ASCII": "\xe4.\xf6.\xfc",
        "endless": "a" * 50_000,
        "empty": "",
    }


def refused_everywhere(scene: Scene, credentials: dict[str, str], statuses: set[int], why: str) -> None:
    """Check that no operation lets these credentials in."""
    for operation in CLOSED:
        body = scene.fill(render(body_of(operation))) if operation.name in BODIES else b""
        query = urlencode(query_of(operation))
        answer = scene.put(operation, scene.path(operation), query, body, credentials=credentials)
        assert answer.status in statuses, (why, operation.name, answer)


def test_a_forged_token_opens_no_operation(strict: Scene) -> None:
    """Neither one made of a user's token nor one made of an owner's bearer; nor none at all."""
    nothing = ["", "Bearer", "Basic YTpi", "Digest username=a", "Negotiate \xff", "HMAC-SHA256"]
    tokens = [*forged(strict.things.token).values(), *forged(strict.bearer).values()]
    headers = [*nothing, *(f"Bearer {token}" for token in tokens)]
    # each operation meets some of them, and each of them a good many operations
    for number, operation in enumerate(CLOSED):
        body = strict.fill(render(body_of(operation))) if operation.name in BODIES else b""
        for header in headers[number % 5 :: 5]:
            credentials = {"authorization": header} if header else {}
            answer = strict.put(operation, strict.path(operation), "api-version=1", body, credentials=credentials)
            assert answer.status == 401, (header, operation.name, answer)


def test_what_has_ended_opens_no_operation(strict: Scene) -> None:
    """Revoked, of a deleted identity, of another resource, of a resource's former key, expired."""
    world, host = strict.world, {"host": NAMED}
    revoked, deleted = world.user(), world.user()
    assert world.call("POST", f"/identities/{revoked.path}/:revokeAccessTokens", key=True).status == 204
    assert world.call("DELETE", f"/identities/{deleted.path}", key=True).status == 204
    other = world.run(strict.house.resources.create("other"))
    theirs = world.user(key=other.key1)
    bearer, _ = strict.house.keyring.mint("owner", resource="other")
    for name, token in (("revoked", revoked.token), ("deleted", deleted.token)):
        refused_everywhere(strict, {"authorization": f"Bearer {token}"}, {401}, name)
    refused_everywhere(strict, {"authorization": f"Bearer {theirs.token}", **host}, {401}, "of another resource")
    refused_everywhere(
        strict, {"authorization": f"Bearer {bearer}", **host}, {401, 403, 404, 501}, "for another resource"
    )
    refused_everywhere(strict, {"x-api-key": other.api_key, **host}, {401, 403}, "another resource's API key")
    short, _ = strict.house.keyring.mint("owner", life=timedelta(hours=1))
    user = world.user()
    world.advance(24 * 3600)
    for name, token in (("user", user.token), ("bearer", short)):
        refused_everywhere(strict, {"authorization": f"Bearer {token}"}, {401}, f"an expired {name}")
    strict.bearer = strict.house.keyring.mint("owner")[0]
    strict.make()


def moved(scene: Scene, operation: Operation) -> tuple[str, str, bytes]:
    """Return what a client signs: method, target and body of an operation's good request."""
    target = f"{scene.path(operation)}?api-version=1&a=b"
    return operation.method, target, scene.fill(render(body_of(operation))) if operation.name in BODIES else b""


def test_a_signature_fits_no_other_request(scene: Scene) -> None:
    """Moved to another operation, verb, path, query, host or body, with or without the body's new hash."""

    @effort(400)
    @given(
        st.sampled_from(SIGNED),
        st.sampled_from(SIGNED),
        st.sampled_from(["operation", "verb", "path", "query", "host", "body", "hash", "date"]),
    )
    def each(operation: Operation, other: Operation, what: str) -> None:
        method, target, body = moved(scene, operation)
        headers = signed(method, target, HOST, body, scene.world.key, scene.world.clock.now())
        if what == "operation":
            assume(other != operation)
            operation, (method, target, body) = other, moved(scene, other)
        elif what == "verb":
            method = "DELETE" if method != "DELETE" else "POST"
        elif what == "path":
            target = target.replace("?", "x?")
        elif what == "query":
            target += "&a=b"
        elif what == "host":
            headers["host"] = "127.0.0.1:8443"
        elif what == "date":
            headers["x-ms-date"] = headers["x-ms-date"].replace(":00 GMT", ":01 GMT")
        else:
            body += b" "
            if what == "hash":
                headers["x-ms-content-sha256"] = body_hash(body)
        path, _, query = target.partition("?")
        answer = scene.put(operation, path, query, body, method=method, credentials=headers)
        # where no operation is, that is the answer to anybody
        assert answer.status == 401 or (what in {"verb", "path"} and answer.status in {404, 405}), (what, answer)
        if answer.status == 401:
            assert answer.code == "Denied"

    each()


def test_a_signature_is_good_for_five_minutes_either_way(scene: Scene) -> None:
    """To the second, for every operation."""

    @effort(150)
    @given(st.sampled_from(SIGNED), st.integers(-330, 330) | st.integers(-(10**9), 10**9))
    def each(operation: Operation, seconds: int) -> None:
        method, target, body = moved(scene, operation)
        at = scene.world.clock.now() + timedelta(seconds=seconds)
        headers = signed(method, target, HOST, body, scene.world.key, at)
        path, _, query = target.partition("?")
        answer = scene.put(operation, path, query, body, credentials=headers)
        assert (answer.code == "Denied") == (abs(seconds) > 300), (seconds, answer)

    each()


def test_an_authorization_with_a_letter_changed_is_refused(scene: Scene) -> None:
    """One sign put in, taken out or changed anywhere; only the case of the words is no matter."""
    alphabet = st.characters(min_codepoint=32, max_codepoint=255)

    @effort(300)
    @given(st.data(), st.sampled_from(["put in", "taken out", "changed"]))
    def each(data: st.DataObject, what: str) -> None:
        operation = next(row for row in SIGNED if row.name == "CreateIdentity")
        method, target, body = moved(scene, operation)
        headers = signed(method, target, HOST, body, scene.world.key, scene.world.clock.now())
        good = headers["authorization"]
        at = data.draw(st.integers(0, len(good) - 1))
        new = "" if what == "taken out" else data.draw(alphabet)
        wrong = good[:at] + new + good[at if what == "put in" else at + 1 :]
        assume(_read(wrong) != _read(good))
        path, _, query = target.partition("?")
        answer = scene.put(operation, path, query, body, credentials={**headers, "authorization": wrong})
        # what does not even begin as a signature may be a bearer that stands in for one
        assert answer.status == 401, (wrong, answer)

    each()


def _read(authorization: str) -> tuple[str, bytes]:
    words, _, signature = authorization.strip().partition("Signature=")
    try:
        return words.lower(), base64.b64decode(signature, validate=True)
    except ValueError:
        return authorization, b""


def test_an_honest_repetition_is_no_replay(scene: Scene) -> None:
    """The very same bytes twice: whatever the operation answers, never that the signature was seen before."""
    for operation in SIGNED:
        method, target, body = moved(scene, operation)
        headers = signed(method, target, HOST, body, scene.world.key, scene.world.clock.now())
        path, _, query = target.partition("?")
        for _ in range(3):
            answer = scene.put(operation, path, query, body, credentials=headers)
            assert answer.code not in {"Denied", "Unauthorized"}, (operation.name, answer)


def test_two_equal_calls_of_an_sdk_in_one_second_are_both_taken(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Microsoft's own client signs them alike, to the last letter."""
    date = policy.get_current_utc_time()
    monkeypatch.setattr(policy, "get_current_utc_time", lambda: date)
    sent: list[str] = []
    client = CommunicationIdentityClient.from_connection_string(
        served.connection.connection_string, connection_verify=served.connection.ca_file, retry_total=0
    )
    with client._identity_service_client:
        users = [
            client.create_user(raw_response_hook=lambda done: sent.append(done.http_request.headers["Authorization"]))
            for _ in range(2)
        ]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert users[0].properties["id"] != users[1].properties["id"]
