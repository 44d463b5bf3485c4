"""Access keys: every form that an SDK really signs is accepted, and nothing that was changed on the way."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from azure.communication.identity._shared import policy
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from yarl import URL

from tests.support.asgi import Answer
from tests.support.signing import body_hash, signed
from tests.support.world import HOST, World

BODY = msgspec.json.encode({"scopes": ["chat"]})
QUERY = "api-version=2023-10-01"


@pytest.fixture(scope="module")
def world(shared_world: World) -> World:
    """Share one world: these tests leave it as it was."""
    return shared_world


@pytest.fixture
def target(world: World) -> str:
    """Give the path of a user's tokens, percent-encoded as SDKs encode it."""
    return f"/identities/{quote(world.user().id, safe='')}/:issueAccessToken"


def sign_as_sdk(world: World, target: str, host: str, *, decode: bool = False, asynchronous: bool = False) -> Any:
    """Return the headers that Microsoft's own policy puts on a request for a target."""
    transport = AioHttpTransport() if asynchronous else RequestsTransport()
    http = SimpleNamespace(method="POST", url=f"https://{HOST}{target}", body=BODY.decode(), headers={})
    request = SimpleNamespace(http_request=http, context=SimpleNamespace(transport=transport))
    signer: Any = policy.HMACCredentialsPolicy(f"https://{host}", world.key, decode_url=decode)
    signer._sign_request(request)
    return http.headers


@pytest.fixture(autouse=True)
def _sdk_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    date = signed("GET", "/", HOST, b"", world.key, world.clock.now())["x-ms-date"]
    monkeypatch.setattr(policy, "get_current_utc_time", lambda: date)


def post(world: World, target: str, headers: dict[str, str], **given: Any) -> Answer:
    """Send what was signed."""
    return world.call("POST", target, body=BODY, headers=headers, **given)


@pytest.mark.parametrize("host", [HOST, f"{HOST}/"], ids=["as given", "with a slash at its end"])
def test_the_synchronous_python_sdk_signs_the_encoded_path(world: World, target: str, host: str) -> None:
    """Identity, SMS, job router, …: the path as on the wire, the host as the user wrote it."""
    target = f"{target}?{QUERY}"
    assert post(world, target, sign_as_sdk(world, target, host)).status == 200


def test_the_asynchronous_python_sdk_signs_what_aiohttp_sends(world: World, target: str) -> None:
    """The policy normalises the path as aiohttp will."""
    target = f"{target}?{QUERY}"
    sent = str(URL(target))
    assert "8:acs" in sent
    assert post(world, sent, sign_as_sdk(world, target, HOST, asynchronous=True)).status == 200


@pytest.mark.parametrize("asynchronous", [False, True])
def test_some_python_sdks_sign_the_decoded_path(world: World, target: str, asynchronous: bool) -> None:
    """Rooms, and most asynchronous clients (decode_url)."""
    target = f"{target}?{QUERY}"
    headers = sign_as_sdk(world, target, HOST, decode=True, asynchronous=asynchronous)
    assert post(world, str(URL(target)) if asynchronous else target, headers).status == 200


def test_asynchronous_call_automation_signs_another_path_than_it_sends(world: World, target: str) -> None:
    """It signs the encoded path, and aiohttp sends the normalised one: neither raw nor decoded fits."""
    target = f"{target}?{QUERY}"
    headers = sign_as_sdk(world, target, HOST)
    sent = str(URL(target))
    assert sent != target
    assert post(world, sent, headers).status == 200


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("startTime=2026-01-01T00:00:00.000Z", "startTime=2026-01-01T00%3A00%3A00.000Z"),
        ("note=a%20b", "note=a+b"),
        ("note=a*b~c", "note=a*b%7Ec"),
        ("note", "note="),
        ("note=%C3%A9%40", "note=%C3%A9%40"),
    ],
)
def test_javascript_signs_the_query_as_a_form(world: World, target: str, sent: str, meant: str) -> None:
    """URLSearchParams writes the query anew: space as +, colon and tilde escaped, star not."""
    headers = signed("POST", f"{target}?{QUERY}&{meant}", HOST, BODY, world.key, world.clock.now())
    assert post(world, f"{target}?{QUERY}&{sent}", headers).status == 200


def test_dotnet_signs_path_and_authority(world: World, target: str) -> None:
    """Uri.PathAndQuery and Uri.Authority; it sends Date too."""
    target = f"{target}?{QUERY}"
    headers = signed("POST", target, HOST, BODY, world.key, world.clock.now())
    assert post(world, target, {**headers, "date": headers["x-ms-date"]}).status == 200


def test_java_signs_the_host_without_its_port(world: World, target: str) -> None:
    """URL.getHost(); it also sends the whole string that it signed."""
    target = f"{target}?{QUERY}"
    headers = signed("POST", target, "localhost", BODY, world.key, world.clock.now())
    assert post(world, target, {**headers, "x-ms-hmac-string-to-sign-base64": "eA=="}).status == 200


def test_a_client_signs_the_usual_port_and_does_not_send_it(world: World, target: str) -> None:
    """An endpoint with :443 written out: HTTP libraries drop it from the Host header."""
    target = f"{target}?{QUERY}"
    headers = signed("POST", target, "localhost:443", BODY, world.key, world.clock.now())
    assert post(world, target, headers, host="localhost").status == 200


def test_a_proxy_may_have_changed_the_host(make_world: Callable[..., World]) -> None:
    """The public address is what the client signed, whatever Host the proxy sends on."""
    world = make_world(public_url="https://chat.example.com")
    headers = signed("POST", f"/identities?{QUERY}", "chat.example.com", b"", world.key, world.clock.now())
    assert world.call("POST", f"/identities?{QUERY}", headers=headers).status == 201


# --- what is refused ---


def test_two_equal_requests_in_one_second_are_both_served(world: World) -> None:
    """They carry one and the same signature; a replay within the window is not an attack that it stops."""
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, world.clock.now())
    first, second = (world.call("POST", f"/identities?{QUERY}", headers=headers) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["identity"]["id"] != second.json["identity"]["id"]


@pytest.mark.parametrize(("turned", "status"), [(-300, 201), (300, 201), (-301, 401), (301, 401)])
def test_the_date_may_be_five_minutes_off(world: World, turned: int, status: int) -> None:
    """Outside the window, before or after, the request is refused."""
    signed_at = world.clock.now() + timedelta(seconds=turned)
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, signed_at)
    assert world.call("POST", f"/identities?{QUERY}", headers=headers).status == status


def test_the_window_is_a_setting(make_world: Callable[..., World]) -> None:
    """clock_skew_s widens or narrows it."""
    world = make_world(clock_skew_s=10)
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, world.clock.now())
    world.advance(11)
    assert world.call("POST", f"/identities?{QUERY}", headers=headers).status == 401


def test_the_window_is_that_of_the_signed_date(world: World) -> None:
    """A fresh x-ms-date beside a stale signed Date does not make an old request young."""
    target, date = f"/identities?{QUERY}", "Sat, 21 Nov 2026 11:00:00 GMT"
    headers = signed("POST", target, HOST, b"", world.key, world.clock.now().replace(hour=11))
    assert headers["x-ms-date"] == date
    headers["authorization"] = headers["authorization"].replace("x-ms-date", "date")
    fresh = signed("POST", target, HOST, b"", world.key, world.clock.now())["x-ms-date"]
    assert world.call("POST", target, headers={**headers, "date": date, "x-ms-date": fresh}).status == 401
    assert world.call("POST", target, headers={**headers, "date": fresh}).status == 401


@pytest.mark.parametrize(
    ("method", "path", "host", "body"),
    [
        ("PUT", "{target}", HOST, BODY),
        ("POST", "{revoke}", HOST, BODY),
        ("POST", "{target}", "trunkline.communication.localhost", BODY),
        ("POST", "{target}", HOST, b'{"scopes":["voip"]}'),
        ("POST", "{target}&more=1", HOST, BODY),
    ],
    ids=["method", "path", "host", "body", "query"],
)
def test_a_signature_does_not_fit_another_request(
    world: World, target: str, method: str, path: str, host: str, body: bytes
) -> None:
    """Moved to another method, path, host, body or query it is worth nothing."""
    signed_target = f"{target}?{QUERY}"
    headers = signed("POST", signed_target, HOST, BODY, world.key, world.clock.now())
    sent = path.format(target=signed_target, revoke=signed_target.replace("issueAccessToken", "revokeAccessTokens"))
    answer = world.call(method, sent, body=body, headers=headers, host=host)
    assert (answer.status, answer.code) in {(401, "Denied"), (405, "MethodNotAllowed")}
    assert (method == "PUT") == (answer.status == 405)


def test_the_body_must_have_the_hash_that_was_signed(world: World) -> None:
    """The error is the original's."""
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, world.clock.now())
    answer = world.call("POST", f"/identities?{QUERY}", body=b"{}", headers=headers)
    assert (answer.status, answer.code) == (401, "Denied")
    assert answer.json["error"]["message"] == "Request 'x-ms-content-sha256' differs from generated content hash."
    # with the hash put right, the signature no longer fits
    again = world.call(
        "POST", f"/identities?{QUERY}", body=b"{}", headers={**headers, "x-ms-content-sha256": body_hash(b"{}")}
    )
    assert (again.status, again.code) == (401, "Denied")


@pytest.mark.parametrize(
    "authorization",
    [
        "HMAC-SHA256 ",
        "HMAC-SHA256 Signature=YQ==",
        "HMAC-SHA256 SignedHeaders=host&Signature=YQ==",
        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=",
        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=a",
        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=YQ==",
        "Basic YTpi",
        "",
    ],
)
def test_a_header_that_is_no_signature_is_refused(world: World, authorization: str) -> None:
    """Whatever it lacks, the answer is 401 and says what would be right."""
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, world.clock.now())
    answer = world.call("POST", f"/identities?{QUERY}", headers={**headers, "authorization": authorization})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "HMAC-SHA256, Bearer"


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Sat, 21 Nov 2026 12:00:00 +99999999999999999999", "Sat, 99 Nov 99999 12:00:00 GMT", " "]
)
def test_a_date_that_is_none_is_refused(world: World, date: str) -> None:
    """Also one that would overflow a calendar."""
    headers = signed("POST", f"/identities?{QUERY}", HOST, b"", world.key, world.clock.now())
    assert world.call("POST", f"/identities?{QUERY}", headers={**headers, "x-ms-date": date}).code == "Denied"


# --- keys ---


def test_either_key_is_valid_and_one_is_replaced_without_downtime(make_world: Callable[..., World]) -> None:
    """The other stays valid; the old one ends at once, also after a restart."""
    world = make_world()
    old1, old2 = world.house.resources.get("trunkline").keys
    assert [world.call("POST", "/identities", key=key).status for key in (old1, old2)] == [201, 201]
    new1 = world.run(world.house.resources.regenerate("trunkline", "key1")).key1
    for _ in range(2):
        answers = [world.call("POST", "/identities", key=key) for key in (old1, old2, new1)]
        assert [answer.status for answer in answers] == [401, 201, 201]
        world.restart()


def test_a_key_opens_its_own_resource_only(world: World) -> None:
    """The Host names the resource; without one the key does."""
    other = world.run(world.house.resources.create("other"))
    here, there = "trunkline.communication.localhost", "other.communication.localhost"
    assert world.call("POST", "/identities", key=other.key1, host=here).status == 401
    assert world.call("POST", "/identities", key=world.key, host=there).status == 401
    for host in (there, HOST):
        made = world.call("POST", "/identities", key=other.key1, host=host).json["identity"]["id"]
        assert made.startswith(f"8:acs:{other.immutable_id}_")


def test_lenient_mode_accepts_and_counts_what_does_not_fit(make_world: Callable[..., World]) -> None:
    """Never silently: each mismatch is counted; a request without any signature is still refused."""
    world = make_world(hmac_mode="lenient")
    callers = world.house.application._doors[0].callers  # type: ignore[attr-defined]
    assert world.call("POST", "/identities", key=True).status == 201
    assert callers.mismatches == 0
    wrong = base64.b64encode(bytes(64)).decode()
    assert world.call("POST", "/identities", key=wrong).status == 201
    assert callers.mismatches == 1
    assert world.call("POST", "/identities").status == 401


def test_a_foreign_host_is_refused_even_when_signed(world: World) -> None:
    """No page of another name can reach the server."""
    answer = world.call("POST", "/identities", key=True, host="evil.example.com")
    assert (answer.status, answer.code) == (421, "MisdirectedRequest")


@pytest.mark.parametrize("path", ["/access/entra/:exchangeAccessToken", "/access/teamsExtension/:exchangeAccessToken"])
def test_the_exchanges_of_entra_users_are_not_served_yet(world: World, path: str) -> None:
    """They answer 501 in the vendor's body, to callers only, with the reason."""
    assert world.call("POST", path, json={}).status == 401
    answer = world.call("POST", path, json={}, key=True)
    assert (answer.status, answer.code) == (501, "NotImplemented")
    assert "Entra" in answer.json["error"]["message"]


def test_a_wrong_signature_holds_nobody_up(world: World, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many accounts there are with whose keys it has to be tried: others get their turns meanwhile."""
    resources = world.house.resources
    wrong = base64.b64encode(b"wrong" * 10).decode()

    async def turns() -> int:
        asking = asyncio.ensure_future(world.request("POST", f"{target}?{QUERY}", body=BODY, key=wrong))
        count = 0
        while not asking.done():
            await asyncio.sleep(0)
            count += 1
        assert (await asking).status == 401
        return count

    few, many = resources.all(), resources.all() * 200
    alone = world.run(turns())
    monkeypatch.setattr(resources, "all", lambda: many)
    assert world.run(turns()) > alone + len(many) // len(few) // 20
