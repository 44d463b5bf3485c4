"""The inbox for tests: what was sent by chat, to whom, and waiting for it."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
import pytest

from tests.support.asgi import Answer
from tests.support.patience import until
from tests.support.world import User, World
from trunkline.services import sent
from trunkline.services.chat import sent as chat_sent
from trunkline.state.writer import nothing

Entries = list[dict[str, Any]]


def inbox(own: Any, **query: Any) -> Entries:
    """Return the inbox's messages under these conditions; `from_` is `from`."""
    words = {name.rstrip("_"): str(value) for name, value in query.items()}
    answer = own("GET", f"/inbox?{urlencode(words)}")
    assert answer.status == 200, answer.body
    found: Entries = answer.json["messages"]
    return found


def say(world: World, thread: str, sender: User, text: str, **more: Any) -> str:
    """Send a message a second later; returns its id."""
    world.clock.advance(1)
    answer = world.call("POST", f"{thread}/messages", json={"content": text, **more}, token=sender.token)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def add(world: World, thread: str, by: User, whom: User, since: str = "") -> None:
    """Let someone join, a second later."""
    world.clock.advance(1)
    form = {"communicationIdentifier": whom.model, **({"shareHistoryTime": since} if since else {})}
    answer = world.call("POST", f"{thread}/participants/:add", json={"participants": [form]}, token=by.token)
    assert answer.status == 201, answer.body


def remove(world: World, thread: str, by: User, whom: User) -> None:
    """Let someone leave, a second later."""
    world.clock.advance(1)
    answer = world.call("POST", f"{thread}/participants/:remove", json=whom.model, token=by.token)
    assert answer.status == 204, answer.body


def pairs(entries: Entries) -> list[tuple[str, str]]:
    """Return text and recipient of each entry."""
    return [(one["text"], one["to"]) for one in entries]


# --- what is listed ---


def test_a_message_is_listed_for_everyone_but_its_sender(own: Any, world: World) -> None:
    """Newest first, with who sent it, where and when; the other way round for the answer."""
    ann, bob, cleo = world.user(), world.user(), world.user()
    thread = world.thread(ann, bob, cleo)
    asked = say(world, thread, ann, "Where is it?", senderDisplayName="Ann", metadata={"k": "v"})
    say(world, thread, bob, "<b>Here</b>", type="html")
    found = inbox(own)
    assert sorted(pairs(found)[:2]) == sorted([("<b>Here</b>", ann.id), ("<b>Here</b>", cleo.id)])
    assert sorted(pairs(found)[2:]) == sorted([("Where is it?", bob.id), ("Where is it?", cleo.id)])
    assert next(one for one in found if one["to"] == bob.id) == {
        "channel": "chat",
        "id": asked,
        "account": "trunkline",
        "from": ann.id,
        "to": bob.id,
        "text": "Where is it?",
        "sent_at": "2026-11-21T12:00:01.000Z",
        "status": "sent",
        "details": {
            "thread_id": thread.rpartition("/")[2].replace("%3A", ":").replace("%40", "@"),
            "type": "text",
            "sender_display_name": "Ann",
            "metadata": {"k": "v"},
        },
    }


def test_an_edited_and_a_deleted_message_say_so(own: Any, world: World) -> None:
    """The one with its new text, the other without any; and when."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    edited, deleted = say(world, thread, ann, "one"), say(world, thread, ann, "two")
    world.clock.advance(1)
    patch = {"json": {"content": "uno"}, "headers": {"content-type": "application/merge-patch+json"}}
    assert world.call("PATCH", f"{thread}/messages/{edited}", token=ann.token, **patch).status == 204
    assert world.call("DELETE", f"{thread}/messages/{deleted}", token=ann.token).status == 204
    second, first = inbox(own, to=bob.id)
    assert (first["text"], first["status"]) == ("uno", "edited")
    assert first["details"]["edited_at"] == "2026-11-21T12:00:03.000Z"
    assert (second["text"], second["status"]) == ("", "deleted")
    assert second["details"]["deleted_at"] == "2026-11-21T12:00:03.000Z"
    assert [one["id"] for one in inbox(own, status="deleted")] == [deleted]


def test_what_was_sent_stays_listed_when_its_thread_is_gone(own: Any, world: World) -> None:
    """A test may clear up before it looks."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    say(world, thread, ann, "bye")
    assert world.call("DELETE", thread, token=ann.token).status == 204
    assert pairs(inbox(own)) == [("bye", bob.id)]


def test_who_joins_later_was_sent_nothing_before(own: Any, world: World) -> None:
    """Although the shared history shows it; and who has left keeps what they were sent."""
    ann, bob, cleo = world.user(), world.user(), world.user()
    thread = world.thread(ann, bob)
    say(world, thread, ann, "early")
    add(world, thread, ann, cleo, since="1970-01-01T00:00:00Z")
    remove(world, thread, ann, bob)
    say(world, thread, ann, "late")
    assert pairs(inbox(own)) == [("late", cleo.id), ("early", bob.id)]


@pytest.mark.parametrize("most_threads", [0, 50], ids=["among all", "thread by thread"])
@pytest.mark.parametrize("seed", range(4))
def test_the_recipients_are_those_who_were_told(
    own: Any, world: World, monkeypatch: pytest.MonkeyPatch, seed: int, most_threads: int
) -> None:
    """People come, go and come back while messages fly: every entry is a recipient of the event, and each is one."""
    monkeypatch.setattr(chat_sent, "MOST_THREADS", most_threads)
    monkeypatch.setattr(chat_sent, "BATCH", 3)
    chance = random.Random(seed)
    host, *guests = (world.user() for _ in range(4))
    threads = [world.thread(host), world.thread(host, *guests)]
    inside = {threads[0]: set[User](), threads[1]: set(guests)}
    for number in range(40):
        thread, guest = chance.choice(threads), chance.choice(guests)
        match chance.randrange(4):
            case 0 if guest in inside[thread]:
                remove(world, thread, host, guest)
                inside[thread].remove(guest)
            case 1 if guest not in inside[thread]:
                add(world, thread, host, guest)
                inside[thread].add(guest)
            case _:
                say(world, thread, chance.choice([host, *inside[thread]]), str(number))
    told = [event.facts for event in world.happenings() if event.name == "chat.message.sent"]
    expected = {(fact["message_id"], one) for fact in told for one in fact["recipients"]}
    assert len(expected) > 20
    found = inbox(own, limit=1000)
    assert [one["sent_at"] for one in found] == sorted((one["sent_at"] for one in found), reverse=True)
    assert len(found) == len(expected)
    assert {(one["id"], one["to"]) for one in found} == expected
    for person in (host, *guests):
        theirs = {(message, one) for message, one in expected if one == person.id}
        assert {(one["id"], one["to"]) for one in inbox(own, to=person.id, limit=1000)} == theirs
        senders = {fact["message_id"] for fact in told if fact["sender_id"] == person.id and fact["recipients"]}
        assert {one["id"] for one in inbox(own, from_=person.id, limit=1000)} == senders


# --- conditions ---


def test_every_filter_narrows(own: Any, world: World) -> None:
    """Each alone, and several together; what matches nothing is an empty list."""
    ann, bob, cleo = world.user(), world.user(), world.user()
    first, second = world.thread(ann, bob), world.thread(bob, cleo)
    lunch = say(world, first, ann, "Lunch at noon?")
    say(world, second, bob, "No, dinner")
    name = quote(first.rpartition("/")[2], safe="%")
    found = lambda query: pairs(own("GET", f"/inbox?{query}").json["messages"])  # noqa: E731 - the tests read best so
    for_bob, for_cleo = [("Lunch at noon?", bob.id)], [("No, dinner", cleo.id)]
    assert found(f"to={bob.path}") == for_bob
    assert found(f"from={bob.path}") == for_cleo
    assert found("text=LUNCH%20at") == for_bob
    assert found(f"thread={name}") == for_bob
    assert found(f"id={lunch}") == for_bob
    assert found("channel=Chat") == for_cleo + for_bob
    assert found("status=sent") == for_cleo + for_bob
    assert found("since=1s") == for_cleo + for_bob
    assert found("since=2026-11-21T12:00:02Z") == for_cleo
    assert found("since=2026-11-21T14:00:02%2B02:00") == for_cleo
    assert found("since=2026-11-21T14:00:02+02:00") == for_cleo  # the sign was not escaped
    world.advance(60)
    assert found("since=1m") == for_cleo
    assert found(f"to={bob.path}&from={bob.path}") == []
    for none in ("tag=x", "id=12", "id=x", "id=" + "9" * 30, "thread=t", "to=nobody", "status=failed", "text=%00"):
        assert found(none) == []


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("form=x", "form"),
        ("since=yesterday", "since"),
        ("since=999999999d", "since"),
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("count=-1", "count"),
        ("count=5&limit=4", "count"),
        ("count=1001", "count"),
        ("wait_s=61", "wait_s"),
        ("wait_s=-1", "wait_s"),
        ("wait_s=soon", "wait_s"),
        ("wait_s=nan", "wait_s"),
        ("channel=fax", "channel"),
        ("channel=fax&wait_s=5", "channel"),
        ("after=%21", "after"),
        ("after=bm90IGpzb24=", "after"),
        ("after=é", "after"),
    ],
)
def test_what_cannot_be_meant_is_a_problem(own: Any, query: str, target: str) -> None:
    """400, naming the parameter: a condition misspelt must not let everything through."""
    answer = own("GET", f"/inbox?{quote(query, safe='=&%')}")
    assert (answer.status, answer.json["target"]) == (400, target)


def test_a_position_from_before_time_is_an_empty_page(own: Any, world: World) -> None:
    """Not a mistake of the server."""
    ann, bob = world.user(), world.user()
    say(world, world.thread(ann, bob), ann, "hi")
    for channel in ("a", "chat", "z"):
        state = msgspec.json.encode(["0001-01-01T00:00:00Z", channel, ""])
        answer = own("GET", f"/inbox?after={quote(base64.urlsafe_b64encode(state))}")
        assert (answer.status, answer.json["messages"]) == (200, [])


def test_a_plus_sign_that_was_not_escaped_is_put_back(own: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`to=+15550001111` reads as a space otherwise, and would find nothing."""
    seen: list[sent.Wanted] = []
    look = world.house.sentbox.look

    def watched(wanted: sent.Wanted, **given: Any) -> Any:
        seen.append(wanted)
        return look(wanted, **given)

    monkeypatch.setattr(world.house.sentbox, "look", watched)
    own("GET", "/inbox?to=+15550001111&from=4:+15550002222")
    own("GET", "/inbox?to=%2B15550001111&from=Contoso%20Inc")
    assert [(one.recipient, one.sender) for one in seen] == [
        ("+15550001111", "4:+15550002222"),
        ("+15550001111", "Contoso Inc"),
    ]


# --- pages ---


@pytest.mark.parametrize("condition", ["", "to", "thread", "since"])
def test_next_links_lead_through_everything_once(own: Any, world: World, condition: str) -> None:
    """Also where a page ends within a message of several recipients, and messages come in the same millisecond."""
    ann, bob, cleo = world.user(), world.user(), world.user()
    threads = [world.thread(ann, bob, cleo), world.thread(bob, ann, cleo), world.thread(ann, cleo)]
    for number in range(4):
        for thread in threads:
            answer = world.call("POST", f"{thread}/messages", json={"content": f"{number}"}, token=ann.token)
            assert answer.status == 201
        world.clock.advance(1)
    conditions = {"": {}, "to": {"to": cleo.id}, "thread": {"thread": "19:no"}, "since": {"since": "3s"}}[condition]
    if condition == "thread":
        conditions = {"thread": inbox(own)[0]["details"]["thread_id"]}
    whole = inbox(own, **conditions)
    assert len(whole) == {"": 20, "to": 12, "since": 15, "thread": len(whole)}[condition]
    for size in (1, 3, 4, 20):
        paged: Entries = []
        path = f"/inbox?{urlencode({**conditions, 'limit': size})}"
        while path:
            answer = own("GET", path).json
            assert len(answer["messages"]) <= size
            paged += answer["messages"]
            assert len(paged) <= len(whole)
            link = urlsplit(answer.get("nextLink", ""))
            path = f"/inbox?{link.query}" if link.query else ""
            assert not path or link.path == "/api/v1/inbox"
        assert paged == whole


def test_a_next_link_keeps_the_conditions_and_the_moment(own: Any, world: World) -> None:
    """An age is fixed to the moment it meant; what was waited for is not waited for again."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)
    for number in range(3):
        say(world, thread, ann, f"hi {number}")
    answer = own("GET", "/inbox?since=10s&limit=1&text=HI&wait_s=5&count=1").json
    query = dict(parse_qsl(urlsplit(answer["nextLink"]).query))
    assert set(query) == {"since", "limit", "text", "after"}
    assert (query["since"], query["text"]) == ("2026-11-21T11:59:53.000000Z", "HI")


# --- who may ---


def test_an_account_s_messages_are_its_own(own: Any, world: World) -> None:
    """A key for one account sees nothing of another; the default account's names any."""
    own("PUT", "/accounts/shop")
    shop = world.house.resources.get("shop")
    ann, bob = world.user(), world.user()
    cleo, dan = (world.user(key=shop.key1, host="shop.communication.localhost") for _ in range(2))
    say(world, world.thread(ann, bob), ann, "ours")
    say(world, world.thread(cleo, dan), cleo, "theirs")
    assert pairs(inbox(own)) == [("ours", bob.id)]
    assert pairs(inbox(own, account="shop")) == [("theirs", dan.id)]
    assert inbox(own, to=dan.id) == []
    thread = inbox(own, account="shop")[0]["details"]["thread_id"]
    assert inbox(own, thread=thread) == []
    theirs = own("GET", "/inbox", token=shop.api_key)
    assert [one["account"] for one in theirs.json["messages"]] == ["shop"]
    assert own("GET", "/inbox?account=trunkline", token=shop.api_key).status == 403
    assert own("GET", "/inbox?account=nobody").status == 404
    reader = own("POST", "/tokens", json={"role": "reader"}).json["token"]
    assert own("GET", "/inbox", token=reader).status == 200
    assert own("GET", "/inbox", token="wrong").status == 401
    assert own("DELETE", "/inbox").status == 405


# --- waiting ---


class Waiter:
    """Requests that wait, within a world's loop."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._key = world.house.resources.get("trunkline").api_key

    def begin(self, query: str) -> asyncio.Task[Answer]:
        """Put a request."""
        return asyncio.ensure_future(self.world.request("GET", f"/api/v1/inbox?{query}", token=self._key))

    async def end(self, task: asyncio.Task[Answer], patience_s: float = 20) -> Any:
        """Return the answer's body, or None when there is no answer in so much real time."""
        await asyncio.wait({task}, timeout=patience_s)
        if not task.done():
            return None
        assert task.result().status == 200, task.result().body
        return task.result().json


@pytest.fixture
def waiter(world: World) -> Waiter:
    """Give requests that wait in the test's world."""
    return Waiter(world)


def test_a_wait_ends_when_there_are_enough(world: World, waiter: Waiter) -> None:
    """No clock is turned: each message is heard of as it is written."""
    ann, bob = world.user(), world.user()
    thread = world.thread(ann, bob)

    async def scene() -> Any:
        task = waiter.begin(f"to={bob.path}&wait_s=30&count=2")
        assert await waiter.end(task, 0.2) is None
        for text in ("one", "two"):
            assert await waiter.end(task, 0.2) is None
            await world.request("POST", f"{thread}/messages", json={"content": text}, token=ann.token)
        return await waiter.end(task)

    answer = world.run(scene())
    assert (pairs(answer["messages"]), answer["complete"]) == ([("two", bob.id), ("one", bob.id)], True)


def test_a_wait_in_vain_answers_what_there_is_and_says_so(world: World, waiter: Waiter) -> None:
    """With `complete` false, when the clock has been turned so far and not before."""
    ann, bob = world.user(), world.user()
    say(world, world.thread(ann, bob), ann, "one")

    async def scene() -> Any:
        task = waiter.begin("wait_s=2.5&count=2")
        assert await waiter.end(task, 0.2) is None
        world.clock.advance(2.4)
        assert await waiter.end(task, 0.2) is None
        world.clock.advance(0.1)
        return await waiter.end(task)

    answer = world.run(scene())
    assert (pairs(answer["messages"]), answer["complete"]) == ([("one", bob.id)], False)


def test_a_wait_without_a_count_is_for_one(own: Any, world: World, waiter: Waiter) -> None:
    """Without a wait nothing is asked for, and the answer is complete."""
    assert own("GET", "/inbox").json == {"messages": [], "complete": True}
    assert own("GET", "/inbox?count=1").json == {"messages": [], "complete": False}

    async def scene() -> Any:
        task = waiter.begin("wait_s=1")
        assert await waiter.end(task, 0.1) is None
        world.clock.advance(1)
        return await waiter.end(task)

    assert world.run(scene()) == {"messages": [], "complete": False}


def test_too_many_who_wait_are_told_when_to_come_back(
    world: World, waiter: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After; who just asks is answered."""
    monkeypatch.setattr(sent, "MOST_WAITING", 2)

    async def scene() -> None:
        tasks = [waiter.begin("wait_s=30") for _ in range(2)]
        await until(lambda: world.house.sentbox.waiting == 2)
        refused = await waiter.begin("wait_s=30")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "wait" in refused.json["detail"]
        assert (await waiter.begin("")).status == 200
        world.clock.advance(30)
        assert [(await task).status for task in tasks] == [200, 200]

    world.run(scene())


@contextmanager
def _leaving(world: World) -> Iterator[tuple[Any, list[Any]]]:
    """Give what runs a waiting request whose client goes away, and what was sent to it."""
    gone = asyncio.Event()
    sent_back: list[Any] = []
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent_back.append(message)

    key = world.house.resources.get("trunkline").api_key
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/api/v1/inbox",
        "query_string": b"wait_s=30",
        "headers": [(b"host", b"localhost:8443"), (b"x-api-key", key.encode())],
        "client": ("127.0.0.1", 50_000),
    }

    async def run() -> None:
        task = asyncio.ensure_future(world.house.application(scope, receive, send))
        await until(lambda: world.house.sentbox.waiting == 1)
        gone.set()
        await asyncio.wait_for(task, 20)

    yield run, sent_back


def test_a_client_that_goes_away_ends_its_wait(world: World) -> None:
    """Its place is free again."""
    with _leaving(world) as (run, sent_back):
        world.run(run())
    assert world.house.sentbox.waiting == 0
    assert sent_back[0]["status"] == 499


def test_when_the_house_is_about_to_stop_nobody_waits_on(world: World, waiter: Waiter) -> None:
    """They get what there is, and so does who comes after that; the server is not ready any more."""

    async def scene() -> None:
        task = waiter.begin("wait_s=30")
        assert await waiter.end(task, 0.1) is None
        world.house.leave()
        assert await waiter.end(task) == {"messages": [], "complete": False}
        assert await waiter.end(waiter.begin("wait_s=30")) == {"messages": [], "complete": False}

    world.run(scene())
    assert world.house.hindrances() == ["it is stopping"]


def test_a_wait_hears_of_what_other_requests_write(world: World, waiter: Waiter) -> None:
    """And of nothing else: a write that sent nothing leaves it waiting."""

    async def scene() -> None:
        task = waiter.begin("wait_s=30")
        for _ in range(20):
            await world.house.database.write(nothing)
        assert await waiter.end(task, 0.2) is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert world.house.sentbox.waiting == 0

    world.run(scene())


# --- more than one channel ---


def test_text_messages_and_chat_are_one_list(own: Any, make_world: Any) -> None:
    """A report that comes later is waited for by its status; who waits for it hears of the row that changed."""
    world: World = make_world(numbers=("+18005550100",))
    waiter = Waiter(world)
    ann, bob = world.user(), world.user()
    say(world, world.thread(ann, bob), ann, "by chat")
    world.clock.advance(1)
    body = {
        "from": "+18005550100",
        "smsRecipients": [{"to": "+15005552000"}, {"to": "+15005554004"}],
        "message": "by text message",
        "smsSendOptions": {"enableDeliveryReport": True, "tag": "spring"},
    }
    answer = world.call("POST", "/sms?api-version=2021-03-07", json=body, key=True)
    assert answer.status == 202, answer.body
    ids = {one["to"]: one["messageId"] for one in answer.json["value"]}

    async def scene() -> None:
        listed = await waiter.end(waiter.begin(""))
        assert [(one["channel"], one["to"]) for one in listed["messages"][2:]] == [("chat", bob.id)]
        assert {(one["channel"], one["to"]) for one in listed["messages"][:2]} == {("sms", number) for number in ids}
        texts = await waiter.end(waiter.begin("channel=sms&tag=spring&from=+18005550100&text=TEXT"))
        assert {one["id"] for one in texts["messages"]} == set(ids.values())
        pages = [await waiter.end(waiter.begin("limit=1"))]
        while link := pages[-1].get("nextLink"):
            pages.append(await waiter.end(waiter.begin(urlsplit(link).query)))
        # what the carrier does with them shows in their details meanwhile
        assert [one["id"] for page in pages for one in page["messages"]] == [one["id"] for one in listed["messages"]]
        reported = [waiter.begin(f"status={status}&wait_s=30") for status in ("delivered", "failed")]
        for number, task in zip(ids, reported, strict=True):
            told = None
            for _ in range(40):  # the carrier reports when the clock has been turned so far
                world.clock.advance(0.5)
                if (told := await waiter.end(task, 0.05)) is not None:
                    break
            assert told is not None
            assert [(one["to"], one["id"]) for one in told["messages"]] == [(number, ids[number])]

    world.run(scene())
