"""Who reads whose data: every operation that reads, asked by each account about each other one.

A parent sees what is below it; nobody sees what is beside or above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.insight.scene import answer, begin, look
from tests.support.asgi import Answer
from tests.support.webhook import Heard, Webhook, webhook
from tests.support.world import World
from trunkline.catalogue.load import load
from trunkline.connection import Place
from trunkline.delivery import queue

PARENTS = {"holding": "", "child": "holding", "sibling": "holding", "stranger": ""}
PAIRS = [(caller, owner) for caller in PARENTS for owner in PARENTS]
MOBILE = "+14255550123"


def sees(caller: str, owner: str) -> bool:
    """Tell whether one account is another, or above it."""
    return caller in {owner, PARENTS[owner]}


@dataclass(frozen=True)
class Probe:
    """How something of an account is asked for, and by what it is known in an answer.

    In all three `{of}` stands for the account's name, `{file}` for the id of its file, `{incident}` for its incident's.
    """

    path: str
    sign: str = "secret-of-{of}"
    body: Any = None


BY_ACCOUNT = "account={of}"
PROBES: dict[str, list[Probe]] = {
    "GetServiceHealth": [Probe("/health?", '"account":"{of}"')],
    "ListIncidents": [Probe("/incidents?", '"account":"{of}"')],
    "GetIncident": [Probe("/incidents/{incident}?", '"account":"{of}"')],
    "ListAlerts": [Probe("/alerts?"), Probe("/alerts?account={of}")],
    "GetAlert": [Probe("/alerts/mine?account={of}")],
    "GetConnection": [Probe("/connection?account={of}", '"account":"{of}"')],
    "ListAccounts": [Probe("/accounts?", '"name":"{of}"')],
    "ListKeys": [Probe("/keys?"), Probe("/keys?account={of}")],
    "Ask": [
        Probe("/ask?", body={"measures": ["calls.count"], "by": ["resource", "recipient"], "since": "2h"}),
        Probe("/ask?", body={"measures": ["messages.count"], "by": ["tag"], "since": "2h"}),
        Probe("/ask?", "caller-of-{of}", {"measures": ["requests.count"], "by": ["caller"], "since": "2h"}),
        Probe(
            "/ask?",
            '"secret-of-{of}"',
            {
                "measures": ["calls.count"],
                "by": ["recipient"],
                "since": "2h",
                "where": [{"column": "resource", "values": ["{of}"]}],
            },
        ),
    ],
    "ListFacts": [
        *(
            Probe("/facts?", body={"fact": fact, "since": "2h"})
            for fact in ("calls", "samples", "call_events", "messages", "log_lines", "feedback")
        ),
        Probe("/facts?", body={"fact": "requests", "since": "2h", "where": [{"column": "service", "values": ["sms"]}]}),
        Probe("/facts?", body={"fact": "attempts", "since": "2h"}),
        Probe("/facts?", body={"fact": "calls", "id": "leg-of-{of}", "since": "2h"}),
        Probe("/facts?", body={"fact": "calls", "id": "shared", "since": "2h"}),
    ],
    "Search": [
        *(Probe(f"/search?q={kind}-of-{{of}}") for kind in ("leg", "message", "caller")),
        Probe("/search?q=shared"),
        Probe("/search?q=shared&account={of}"),
    ],
    "GetBundle": [Probe("/bundle?q=leg-of-{of}", "call_id=leg-of-{of}")],
    "ListLogRows": [
        Probe("/logs/tables/ACSSMSIncomingOperations?since=2h"),
        Probe("/logs/tables/ACSSMSIncomingOperations?since=2h&account={of}"),
        Probe("/logs/tables/ACSCallSummary?since=2h"),
        Probe("/logs/tables/ACSCallSurvey?since=2h"),
    ],
    "ListSupportFiles": [Probe("/support-files?"), Probe("/support-files?account={of}")],
    "GetSupportFile": [Probe("/support-files/{file}?")],
    "GetSupportFileContent": [Probe("/support-files/{file}/content?")],
    "ListSubscriptions": [Probe("/subscriptions?account={of}")],
    "GetSubscription": [Probe("/subscriptions/secret-of-{of}?account={of}", '"account":"{of}"')],
    "ListInbox": [Probe("/inbox?account={of}")],
    "ListDeadLetters": [Probe("/dead-letters?account={of}")],
    "ListNumbers": [Probe("/numbers?account={of}")],
}
OWN: dict[str, Probe] = {"GetImport": Probe("/imports/{chunks}?fact=calls", '"chunks":1')}
"""What each account has for itself; a parent asks with the child's key."""
NOBODYS = {"GetCatalogue", "Explain", "ListLogTables", "ListNotices"}
"""What is no account's."""
UNCONFINED = {"ListTeamsUsers": "/teams-users?"}
"""What is the server's: whoever is confined to an account is refused."""


@dataclass(frozen=True)
class Town:
    """Accounts with one of everything each."""

    world: World
    keys: dict[str, str]
    files: dict[str, str]
    incidents: dict[str, str]

    def ask(self, caller: str, path: str, body: Any = None) -> Answer:
        """Put a question with an account's key; with a body it is posted."""
        target, token = f"/api/v1{path}", self.keys[caller]
        if body is None:
            return self.world.call("GET", target, token=token)
        return self.world.call("POST", target, json=body, token=token)

    def filled(self, text: Any, owner: str) -> Any:
        """Fill in whose it is."""
        if text is None:
            return None
        if isinstance(text, dict):
            return {name: self.filled(value, owner) for name, value in text.items()}
        if isinstance(text, list):
            return [self.filled(one, owner) for one in text]
        names = {"of": owner, "file": self.files[owner], "incident": self.incidents[owner], "chunks": _chunks(owner)}
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def _chunks(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Make the accounts, and give each one of everything."""
    world = World(tmp_path_factory.mktemp("pairwise") / "world")
    world.house.place = Place(http="http://localhost:8080", https="https://localhost:8443")
    try:
        for name, parent in PARENTS.items():
            world.run(world.house.resources.create(name, parent))
        keys = {name: world.house.resources.get(name).api_key for name in PARENTS}
        incidents = _break(world)
        with webhook() as hook:
            files = {name: _fill(world, name, keys[name], hook) for name in PARENTS}
            _sour(hook)
            for name in PARENTS:
                _put(world, "POST", f"/subscriptions/secret-of-{name}/test?", keys[name], {})
            world.until(lambda: world.house.database.read_now(queue.counts)["dead"] == len(PARENTS))
        world.advance(world.settings.dead_letter_delay_s + 1)
        yield Town(world, keys, files, incidents)
    finally:
        world.close()


def _put(world: World, method: str, path: str, key: str, body: Any, **given: Any) -> Any:
    content = {"body": body} if isinstance(body, bytes) else {"json": body}
    answered = world.call(method, f"/api/v1{path}", token=key, **content, **given)
    assert answered.status in {200, 201, 202}, (path, answered.body)
    return answered.json


def _break(world: World) -> dict[str, str]:
    """Let everybody's chat fail, until there is an incident of each."""
    begin(world)
    for _ in range(6):
        for name in PARENTS:
            answer(world, 2, resource=name)
            answer(world, 8, 500, resource=name, service="chat")
        world.clock.advance(60)
        look(world)
    seen = world.run(world.house.incidents.since(world.house.resources.get("holding").created_at, list(PARENTS)))
    return {one.resource: one.id for one in seen if one.resource}


def _fill(world: World, name: str, key: str, hook: Webhook) -> str:
    """Give an account one of everything; returns the id of its support file."""
    secret, at = f"secret-of-{name}", world.clock.now().isoformat()
    call = {"leg_id": f"leg-of-{name}", "call_id": f"leg-of-{name}", "happened_at": at, "ended_at": at}
    call |= {"recipient": secret, "foreign_ids": {"theirs": "shared"}, "direction": "outbound", "sip_code": 486}
    message = {"message_id": f"message-of-{name}", "recipient": MOBILE, "channel": "sms", "tag": secret}
    request = {"service": "sms", "operation": "SMSMessageSent", "status": 202, "caller": f"caller-of-{name}"}
    request |= {"extra": {"phone_number": secret}, "client_request_id": secret}
    facts: dict[str, dict[str, Any]] = {
        "calls": call,
        "samples": {"call_id": f"leg-of-{name}", "edge": "sdk", "mos": 4.0, "codec": secret},
        "call-events": {"call_id": f"leg-of-{name}", "name": "ringing", "text": secret},
        "messages": message,
        "requests": request,
        "logs": {"text": secret, "call_id": f"leg-of-{name}"},
        "feedback": {"call_id": f"leg-of-{name}", "text": secret, "survey_id": secret, "overall_score": 2},
    }
    for what, row in facts.items():
        assert not _put(world, "POST", f"/{what}?", key, [{"happened_at": at, **row}])["rejected_total"]
    chunk = {"headers": {"Trunkline-Chunk": f"{_chunks(name)}/1"}}
    _put(world, "POST", "/calls?", key, b'{"leg_id":"of a file","happened_at":"%s"}\n' % at.encode(), **chunk)
    rule = {"criteria": [{"measure": "requests.failed", "when": "above", "value": 3}], "description": secret}
    _put(world, "PUT", "/alerts/mine?", key, rule)
    _put(world, "POST", "/keys?", key, {"name": secret, "role": "read"})
    _put(world, "PUT", f"/numbers/%2B1800555019{list(PARENTS).index(name)}?brief_id={secret}", key, {})
    asked = {"name": secret, "url": f"{hook.base}/{secret}", "types": ["ChatThreadDeleted"]}
    _put(world, "POST", "/subscriptions?", key, asked)
    sent = {"from": f"+1800555019{list(PARENTS).index(name)}", "smsRecipients": [{"to": MOBILE}], "message": secret}
    assert world.call("POST", "/sms", json=sent, key=world.house.resources.get(name).key1).status == 202
    path = f"/support-files?call_id=leg-of-{name}&name={secret}"
    return str(_put(world, "POST", path, key, secret.encode())["id"])


def _sour(hook: Webhook) -> None:
    """Let a webhook refuse every notification for good."""
    before = hook.hear

    def hear(one: Heard) -> tuple[int, dict[str, str], Any]:
        return (400, {}, None) if one.kind == "Notification" else before(one)

    hook.hear = hear  # type: ignore[method-assign]


CASES = [(name, probe) for name, probes in PROBES.items() for probe in probes]


@pytest.mark.parametrize(("name", "probe"), CASES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CASES)])
def test_an_account_reads_its_own_and_what_is_below_it(town: Town, name: str, probe: Probe) -> None:
    """Of every pair: what may be seen is there, what may not is refused or left out, whoever's key it is."""
    assert name in load().services["api"].operations
    for caller, owner in PAIRS:
        answered = town.ask(caller, town.filled(probe.path, owner), town.filled(probe.body, owner))
        sign = town.filled(probe.sign, owner).encode()
        text = answered.body if name != "GetBundle" else (sign if answered.status == 200 else b"")
        assert (sign in text) is sees(caller, owner), (caller, owner, answered.status, text[:500])
        assert answered.status in ({200} if sees(caller, owner) else {200, 403, 404})
        for other in PARENTS:
            if not sees(caller, other):
                assert f"secret-of-{other}".encode() not in answered.body, (caller, owner, other)


@pytest.mark.parametrize("name", OWN)
def test_what_is_each_ones_own_is_told_to_nobody_else(town: Town, name: str) -> None:
    """How far an import came, say: it goes on with the same key."""
    for caller, owner in PAIRS:
        probe = OWN[name]
        found = town.ask(caller, town.filled(probe.path, owner)).body
        assert (probe.sign.encode() in found) is (caller == owner), (caller, owner, found)


@pytest.mark.parametrize("name", UNCONFINED)
def test_what_is_the_server_s_is_refused_to_every_account(town: Town, name: str) -> None:
    """But to the default one."""
    for caller in PARENTS:
        assert town.ask(caller, UNCONFINED[name]).status == 403


def test_what_is_open_names_no_account(town: Town) -> None:
    """Probes, the server's own state, the status page and the description of the API."""
    operations = [*load().services["api"].operations.values(), *load().services["page"].operations.values()]
    opened = [one for one in operations if one.auth == "open"]
    assert len(opened) == 7
    for one in opened:
        text = town.world.call("GET", f"{one.path}?").body.decode()
        assert not [name for name in PARENTS if f"secret-of-{name}" in text or f'"{name}"' in text], one.name


def test_every_operation_that_reads_is_asked_here() -> None:
    """A new one has a row of its own, or is said to be nobody's."""
    rows = load().services["api"].operations.values()
    reading = {one.name for one in rows if one.auth != "open" and (one.method == "GET" or one.needs == "read")}
    assert reading == {*PROBES, *OWN, *NOBODYS, *UNCONFINED}
