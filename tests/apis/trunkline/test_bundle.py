"""The support bundle: everything about an id, and nothing that is secret."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.apis.trunkline.conftest import PLACE
from tests.support.world import World
from trunkline.apis.trunkline import bundle as bundles
from trunkline.apis.trunkline.bundle import MOST_AT_ONCE
from trunkline.config import Settings
from trunkline.events.subscription import Header, Spec
from trunkline.events.subscriptions import Subscription
from trunkline.insight.known_secrets import known_secrets

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in an address": lambda text: quote(text, safe=""),
    "in JSON": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "as .NET writes it": lambda text: json.dumps(text)[1:-1].replace("+", r"\u002B"),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
}
SMTP = "smtp://robot:pa%2Fss%20word-7@mail.example:587"
AUTHORIZATIONS = (
    "Authorization: Bearer opaque-Zx81-spectrum",
    '"Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host&Signature=Zx81-spectrum"',
    r"{\"authorization\":\"App Zx81-spectrum\"}",
    "proxy-authorization: Basic Zx81-spectrum",
    "token=Zx81-spectrum",
    "endpoint=https://other.example/;accesskey=Zx81-spectrum",
)
NUMBER, MOBILE = "+18005550199", "+14255550123"


def post(world: World, path: str, rows: list[dict[str, Any]], key: str = "") -> None:
    """Post facts, as the default account unless a key is given."""
    token = key or world.house.resources.get("trunkline").api_key
    answer = world.call("POST", f"/api/v1/{path}?", json=rows, token=token)
    assert answer.json["rejected_total"] == 0, answer.body


def add(world: World, name: str, content: bytes, call_id: str = "c1") -> None:
    """Hand a support file over."""
    target = f"/api/v1/support-files?call_id={call_id}&name={quote(name, safe='')}"
    assert world.call("POST", target, body=content, token=world.house.resources.get("trunkline").api_key).status == 201


def bundle(world: World, wanted: str, key: str = "", **given: str) -> dict[str, bytes]:
    """Fetch a bundle, and open it."""
    query = "".join(f"&{name}={quote(value, safe='')}" for name, value in given.items())
    token = key or world.house.resources.get("trunkline").api_key
    answer = world.call("GET", f"/api/v1/bundle?q={quote(wanted, safe='')}{query}", token=token)
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as made:
        assert made.testzip() is None
        return {"": answer.body, **{name: made.read(name) for name in made.namelist()}}


def test_a_bundle_has_what_support_asks_for(world: World) -> None:
    """The ids, the use case and its times, story, facts, what clients handed over, versions, health, settings."""
    post(world, "calls", [{"leg_id": "l1", "call_id": "c1", "recipient": MOBILE, "sip_code": 486}])
    post(world, "samples", [{"call_id": "c1", "edge": "sdk", "mos": 4.2}])
    request = {
        "service": "chat",
        "operation": "SendChatMessage",
        "status": 500,
        "ms_cv": "cv.0",
        "correlation_id": "c1",
    }
    post(world, "requests", [request])
    post(world, "logs", [{"call_id": "c1", "text": "ICE failed", "logger": "azure:ACS", "ms_cv": "cv.0"}])
    post(world, "feedback", [{"call_id": "c1", "overall_score": 1, "text": "Silence."}])
    add(world, "client.log", b"12:00 ICE failed\n")
    for wanted in ("c1", "l1", "cv.0"):
        found = bundle(world, wanted, use_case="Calling a customer")
        ids = json.loads(found["ids.json"])
        assert (ids["ms_cv"], ids["call_id"], ids["leg_id"], ids["correlation_id"]) == (
            ["cv.0"],
            ["c1"],
            ["l1"],
            ["c1"],
        )
        (account,) = ids["accounts"]
        assert account["immutable_resource_id"] == world.house.resources.get("trunkline").immutable_id
        case = json.loads(found["use-case.json"])
        assert case["said"] == "Calling a customer"
        assert [one["what"] for one in case["failures"]] == ["chat SendChatMessage"]
        assert case["from"] <= case["requests"][0]["happened_at"] <= case["to"]
        assert b"ICE failed" in found["story.txt"]
        assert json.loads(found["facts/calls.ndjson"])["leg_id"] == "l1"
        assert json.loads(found["facts/samples.ndjson"])["mos"] == 4.2
        assert json.loads(found["client-logs.ndjson"])["text"] == "ICE failed"
        assert json.loads(found["facts/feedback.ndjson"])["text"] == "Silence."
        (name,) = (name for name in found if name.startswith("support-files/"))
        assert (name.endswith("-client.log"), found[name]) == (True, b"12:00 ICE failed\n")
        assert json.loads(found["versions.json"])["trunkline"]
        services = {one["service"]: one for one in json.loads(found["health.json"])["services"]}
        assert services["chat"]["requests.failure_rate"] == 1.0
        settings = json.loads(found["settings.json"])
        assert (settings["https_port"], settings["smtp_url"]) == (8443, "")
        listed = [one["name"] for one in json.loads(found["manifest.json"])["files"]]
        assert sorted([*listed, "manifest.json", ""]) == sorted(found)


def test_nothing_secret_stands_in_any_byte_of_it(make_world: Callable[..., World]) -> None:
    """Though clients wrote every secret of the configuration into whatever they could, in every form."""
    access = base64.b64encode(bytes(range(7, 71))).decode()
    mail = {"smtp_url": SMTP, "alert_mail_from": "a@mail.example", "alert_mail_to": ("b@mail.example",)}
    world = make_world(access_keys=(access,), api_key="an operator's own +/= key", **mail)
    world.run(world.house.resources.create("other"))
    house = world.house
    secrets = {*known_secrets(house.settings, house.resources, house.subscriptions)} - {""}
    assert {SMTP, "pa/ss word-7", access, "an operator's own +/= key", house.resources.get("other").key2} <= secrets
    assert len(secrets) >= 15
    key = house.resources.get("trunkline").api_key
    minted = world.call("POST", "/api/v1/tokens?", json={"role": "reader"}, token=key)
    made = world.call("POST", "/api/v1/keys?", json={"name": "x", "role": "read"}, token=key)
    secrets |= {minted.json["token"], made.json["key"]}
    written = {form(secret) for secret in secrets for form in FORMS.values()}
    poison = [*written, *AUTHORIZATIONS]
    post(world, "logs", [{"call_id": "c1", "text": f"x {one} y", "body": json.dumps({"a": one})} for one in poison])
    post(world, "call-events", [{"call_id": "c1", "name": one[:150], "text": one} for one in poison])
    post(world, "feedback", [{"call_id": "c1", "text": one, "audio_issues": one} for one in poison])
    extra = [{"leg_id": f"l{at}", "call_id": "c1", "extra": {"note": one}} for at, one in enumerate(poison)]
    post(world, "calls", extra)
    text = "\n".join(poison)
    add(world, "plain.log", text.encode())
    add(world, "windows.log", text.encode("utf-16"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made_zip:
        made_zip.writestr("packed.log", text)
    add(world, "logs.zip", packed.getvalue())
    add(world, "core.bin", b"\0\xff" + text.encode())
    add(world, f"{access[:40].replace('/', '')} of {house.resources.get('other').auth_token}.txt", b"x")
    found = bundle(world, "c1", use_case=" ".join(poison)[:1900])
    whole = b"\n".join([*found.values(), *(name.encode() for name in found)])
    for one in written:
        assert one.encode() not in whole, one
        assert one.encode("utf-16-le") not in whole, one
    assert b"Zx81-spectrum" not in whole
    assert json.loads(found["settings.json"])["smtp_url"] == "[removed]"
    assert {one["name"].rpartition("-")[2] for one in json.loads(found["manifest.json"])["left_out"]} == {"core.bin"}
    assert found["client-logs.ndjson"].count(b"\n") == len(poison)
    assert sum(name.endswith("packed.log") for name in found) == 1


def test_every_secret_of_settings_accounts_and_subscriptions_is_known(world: World) -> None:
    """Passwords within addresses, and what a webhook is called with."""
    settings = Settings(
        database="postgresql+psycopg://me:pg%40word@host/name", facts="clickhouse://me:chword@host:1/x", smtp_url=SMTP
    )
    spec = Spec(
        url="https://hook.example/in?code=of-the-hook&x=of-x",
        headers=(Header(name="X-Key", value="of-the-header", secret=True), Header(name="X-Shown", value="shown")),
    )
    at = world.clock.now()
    hook = Subscription(
        id="i", resource="trunkline", name="n", spec=spec, state="active", created_at=at, changed_at=at, code="by-hand"
    )
    known = {*known_secrets(settings, world.house.resources, _Told([hook]))}  # type: ignore[arg-type]  # all that is asked
    assert {"pg@word", "chword", "pa/ss word-7", "of-the-hook", "of-the-header", "by-hand"} <= known
    assert "shown" not in known
    one = world.house.resources.get("trunkline")
    assert {one.key1, one.key2, one.api_key, one.auth_token, one.app_key} <= known


class _Told:
    """Subscriptions that are there."""

    def __init__(self, those: list[Subscription]) -> None:
        self._those = those

    def all(self) -> list[Subscription]:
        """List them."""
        return self._those


def test_texts_and_numbers_are_removed_by_choice(world: World) -> None:
    """Everywhere: in facts, ids, bodies of log lines, support files and their names."""
    ann, bob = world.user(), world.user()
    path = world.thread(ann, bob)
    text = "The harbour at nine, and bring the boat"
    answer = world.call("POST", f"{path}/messages", json={"content": text}, token=ann.token)
    vector = answer.headers["ms-cv"]
    line = {"ms_cv": vector, "call_id": f"call-{MOBILE}", "text": f"sent '{text}' to {MOBILE}"}
    post(world, "logs", [{**line, "body": json.dumps({"content": "other words", "to": "425-555-0123"})}])
    call = {"leg_id": f"leg {MOBILE}", "call_id": f"call-{MOBILE}", "recipient": MOBILE, "sender": NUMBER}
    post(world, "calls", [call])
    post(world, "feedback", [{"call_id": f"call-{MOBILE}", "text": "Ann told me so", "user_id": f"4:{MOBILE}"}])
    add(world, f"{MOBILE}.log", f"{MOBILE} {text} ann@example.com".encode(), quote(f"call-{MOBILE}", safe=""))
    whole = bundle(world, vector)
    assert text.encode() in b"".join(whole.values())
    assert MOBILE.encode() in whole["facts/calls.ndjson"]
    kept = bundle(world, vector, without="texts")
    everything = b"".join([*kept.values(), *map(str.encode, kept)])
    for gone in (text, "harbour", "other words", "Ann told me so"):
        assert gone.encode() not in everything, gone
    assert MOBILE.encode() in everything
    kept = bundle(world, vector, without="texts,numbers")
    everything = b"".join([*kept.values(), *map(str.encode, kept)])
    for gone in (text, "harbour", MOBILE[1:], NUMBER[1:], "425-555-0123", "ann@example.com"):
        assert gone.encode() not in everything, gone
    call = json.loads(kept["facts/calls.ndjson"])
    assert call["recipient"] in call["leg_id"]
    assert call["recipient"] in kept["client-logs.ndjson"].decode()


def test_no_more_are_made_at_once_than_there_is_room_for(
    own: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with when to come back; what was read to its end, or could not be made (404, 400), makes room."""
    post(world, "calls", [{"leg_id": "l1"}])
    for _ in range(MOST_AT_ONCE + 1):
        assert own("GET", "/bundle?q=nobody-knows-me").status == 404
        assert own("GET", "/bundle?q=l1").status == 200
    for query, target in (("", "q"), (f"q={'x' * 2001}", "q"), ("q=c1&without=all", "without")):
        refused = own("GET", f"/bundle?{query}")
        assert (refused.status, refused.json["target"]) == (400, target)
    monkeypatch.setattr(bundles, "MOST_AT_ONCE", 0)
    refused = own("GET", "/bundle?q=l1")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")


def test_nobody_gets_anothers_bundle(own: Any, world: World) -> None:
    """Pairwise: a parent gets the child's, and none gets a sibling's or the settings."""
    world.house.place = PLACE
    accounts = {"north": "", "south": "", "below": "north"}
    keys = {}
    for name, parent in accounts.items():
        assert own("PUT", f"/accounts/{name}", json={"parent": parent}).status == 201
        keys[name] = world.house.resources.get(name).api_key
        post(world, "calls", [{"leg_id": f"leg-of-{name}", "call_id": "shared"}], keys[name])
        post(world, "logs", [{"call_id": "shared", "text": f"line of {name}"}], keys[name])
    for name, key in keys.items():
        seen = {other for other, parent in accounts.items() if name in {other, parent}}
        found = bundle(world, "shared", key)
        everything = b"".join(found.values())
        for other in accounts:
            assert (f"leg-of-{other}".encode() in everything) is (other in seen), (name, other)
            assert (f"line of {other}".encode() in everything) is (other in seen), (name, other)
            status = own("GET", f"/bundle?q=leg-of-{other}", headers={"x-api-key": key}).status
            assert status == (200 if other in seen else 404)
        assert json.loads(found["settings.json"]) == {}
        assert {one["name"] for one in json.loads(found["ids.json"])["accounts"]} == seen


def test_a_bundle_is_for_who_may_read(own: Any, world: World) -> None:
    """A key that only posts facts gets none."""
    post(world, "calls", [{"leg_id": "l1"}])
    for role, status in (("read", 200), ("write", 403), ("admin", 200)):
        key = own("POST", "/keys", json={"name": "x", "role": role}).json["key"]
        assert own("GET", "/bundle?q=l1", headers={"x-api-key": key}).status == status
