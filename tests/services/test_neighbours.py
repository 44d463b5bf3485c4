"""Two processes on one database: what one changes, the other knows, and what one does for all is done once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.sms.scene import OFFICE, PHONE, rows
from tests.support import states
from tests.support.webhook import webhook
from tests.support.world import User, World
from trunkline.connection import Place
from trunkline.errors import ConfigurationError, ConflictError, UnauthenticatedError
from trunkline.events import outbox
from trunkline.events.examples import example
from trunkline.events.handshake import Verdict
from trunkline.events.subscription import Spec
from trunkline.state import news

Pair = tuple[World, World]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Give two houses with folders of their own on one database; the first is on duty."""
    url = states.server().fresh()
    first = World(tmp_path / "first", database=url)
    second = World(tmp_path / "second", database=url, seed=8)
    try:
        yield first, second
    finally:
        second.close()
        first.close()


def test_they_share_the_resource_its_keys_and_the_key_that_signs(pair: Pair) -> None:
    """A user of one is a user of the other; requests signed for one are good for both."""
    first, second = pair
    assert first.key == second.key
    ada, ben = first.user(), second.user()
    path = first.thread(ada, ben)
    sent = second.call("POST", f"{path}/messages", json={"content": "hello"}, token=ben.token)
    assert sent.status == 201
    seen = first.call("GET", f"{path}/messages", token=ada.token).json["value"]
    assert [one["content"]["message"] for one in seen if one["type"] == "text"] == ["hello"]


def test_a_token_that_one_revokes_is_refused_by_the_other_within_a_second(pair: Pair) -> None:
    """Whichever granted it; and a new one is good at once on either."""
    first, second = pair
    for ours, theirs in (pair, pair[::-1]):
        user = theirs.user()
        path = theirs.thread(user)
        assert ours.call("GET", f"{path}/messages", token=user.token).status == 200
        assert ours.call("POST", f"/identities/{user.path}/:revokeAccessTokens", key=True).status == 204
        theirs.until(lambda user=user, path=path, theirs=theirs: refused(theirs, user, path))
        for world in (first, second):
            body = {"scopes": ["chat"]}
            fresh = world.call("POST", f"/identities/{user.path}/:issueAccessToken", json=body, key=True).json["token"]
            assert theirs.call("GET", f"{path}/messages", token=fresh).status == 200
            assert ours.call("GET", f"{path}/messages", token=fresh).status == 200


def refused(world: World, user: User, path: str) -> bool:
    """Tell whether a world's own memory refuses a token."""
    return user.id in world.house.identities._marks


def test_accounts_keys_and_numbers_that_one_makes_are_known_to_the_other(pair: Pair) -> None:
    """A key that was replaced is good no more, anywhere."""
    first, second = pair
    made = first.run(first.house.resources.create("other"))
    second.until(lambda: second.house.resources.find("other") == made)
    fresh = second.run(second.house.resources.regenerate("other", "key1"))
    first.until(lambda: first.house.resources.get("other").key1 == fresh.key1)
    assert fresh.key2 == made.key2
    first.run(first.house.numbers.add("other", "+18005550123"))
    second.until(lambda: second.house.numbers.owns("other", "+18005550123"))
    second.run(second.house.numbers.remove("other", "+18005550123"))
    first.until(lambda: not first.house.numbers.owns("other", "+18005550123"))


def test_both_replace_keys_at_once_and_neither_brings_an_old_one_back(pair: Pair) -> None:
    """Each change rests on what is in the database, not on what a process remembers."""
    first, second = pair
    made = first.run(first.house.resources.create("other"))
    second.until(lambda: second.house.resources.find("other"))
    one = first.run(first.house.resources.regenerate("other", "key1"))
    two = second.run(second.house.resources.regenerate("other", "key2"))  # it may not have heard of key1 yet
    assert two.key1 == one.key1 != made.key1
    first.until(lambda: first.house.resources.get("other") == two)


def test_both_move_accounts_at_once_and_none_stands_below_itself(pair: Pair) -> None:
    """A change that rests on what another process changed is decided anew."""
    first, second = pair
    for name in ("one", "two"):
        first.run(first.house.resources.create(name))
    second.until(lambda: second.house.resources.find("two"))
    deaf(second, {"resources", "numbers"})
    first.run(first.house.resources.move("one", "two"))
    with pytest.raises(ConflictError, match="stands below it"):
        second.run(second.house.resources.move("two", "one"))
    assert second.house.resources.family("two") == ("two", "one")
    assert second.run(second.house.resources.create("one")) == first.house.resources.get("one")


def test_an_api_key_opens_at_every_process_and_when_it_is_revoked_at_none(pair: Pair) -> None:
    """Within a second."""
    for ours, theirs in (pair, pair[::-1]):
        key, text = ours.run(ours.house.api_keys.make("ci", "read"))
        theirs.until(lambda key=key, theirs=theirs: key.id in {one.id for one in theirs.house.api_keys.all()})
        assert theirs.run(theirs.house.api_keys.principal(text)).role == "reader"
        theirs.run(theirs.house.api_keys.revoke(key.id, by=lambda _: True))
        ours.until(lambda ours=ours: ours.house.api_keys.all() == [])
        with pytest.raises(UnauthenticatedError):
            ours.run(ours.house.api_keys.principal(text))


def test_messages_of_one_thread_get_ids_of_their_own_from_two_processes(pair: Pair) -> None:
    """Ids and sequence numbers grow in the order of the commits, though both clocks stand still at one moment."""
    first, _ = pair
    ada = first.user()
    path = first.thread(ada)
    ids = []
    for number in range(20):
        world = pair[number % 2]
        sent = world.call("POST", f"{path}/messages", json={"content": str(number)}, token=ada.token)
        assert sent.status == 201, sent.body
        ids.append(int(sent.json["id"]))
    assert ids == sorted(set(ids))
    seen = first.call("GET", f"{path}/messages", token=ada.token).json["value"]
    texts = sorted((int(one["sequenceId"]), one["content"]["message"]) for one in seen if one["type"] == "text")
    assert [text for _, text in texts] == [str(number) for number in range(20)]
    assert len({number for number, _ in texts}) == 20


def test_of_two_writers_at_once_every_group_goes_through(pair: Pair) -> None:
    """Hundreds of messages to one thread from both, in parallel: no conflict, no number twice."""
    first, _ = pair
    ada = first.user()
    path = first.thread(ada)
    results: dict[int, list[Any]] = {}

    def send(place: int) -> None:
        async def all_at_once() -> list[Any]:
            return await asyncio.gather(
                *(
                    pair[place].request("POST", f"{path}/messages", json={"content": "x"}, token=ada.token)
                    for _ in range(150)
                )
            )

        results[place] = pair[place].run(all_at_once())

    threads = [threading.Thread(target=send, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [*results[0], *results[1]]
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 300


def test_one_text_message_whichever_process_hears_the_request_again(pair: Pair) -> None:
    """Both get it at once, by the same repeat id: one message, and both answer alike."""
    recipient = {"to": PHONE, "repeatabilityRequestId": "A", "repeatabilityFirstSent": "never"}
    body = {"from": OFFICE, "message": "hello", "smsRecipients": [recipient]}
    answers = at_once(pair, lambda world: world.request("POST", "/sms", json=body, key=True))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["value"][0]["messageId"] for answer in answers}) == 1
    for world in pair:
        assert len(rows(world)) == 1


def test_facts_that_are_posted_to_both_with_one_key_are_kept_once(pair: Pair) -> None:
    """As often as both are asked, at once or later."""
    body = b'{"call_id": "c", "edge": "sdk", "mos": 4.2}'
    headers = {"x-api-key": pair[0].house.resources.get("trunkline").api_key, "idempotency-key": "once"}
    for world in pair:
        world.house.place = Place(http="http://localhost:8080", https="https://localhost:8443")
    for _ in range(2):
        answers = at_once(pair, lambda world: world.request("POST", "/api/v1/samples?", body=body, headers=headers))
        assert [(answer.status, answer.json["accepted"]) for answer in answers] == [(200, 1)] * 4
    kept = []
    for world in pair:
        answer = world.call("POST", "/api/v1/ask?", json={"measures": ["samples.count"]}, token=headers["x-api-key"])
        kept.append(answer.json["points"])
    assert sum(point["values"][0] for points in kept for point in points) == 1


def test_an_event_of_an_account_that_another_process_just_made_is_told(pair: Pair) -> None:
    """The one on duty may hear of the subscription first: it knows its account then as well."""
    first, second = pair
    deaf(first, {"resources", "numbers"})
    with webhook() as hook:
        second.run(second.house.resources.create("shop"))
        second.run(second.house.subscriptions.create_or_update("shop", "all", Spec(url=hook.url)))
        assert second.run(second.house.subscriptions.settled("shop", "all")).state == "active"
        event = example(second.house.catalogue, "SMSReceived", "shop", second.clock.now(), second.ids)
        second.run(second.house.database.write(lambda transaction: outbox.tell(transaction, event)))
        first.until(lambda: len(hook.events()) == 1)


def test_a_verdict_on_what_another_process_changed_meanwhile_changes_nothing(pair: Pair) -> None:
    """Whether this one has heard of the change or not."""
    first, second = pair
    deaf(first, {"subscriptions"})
    with webhook() as hook:
        hook.refuses = True
        asked = first.run(first.house.subscriptions.create_or_update("trunkline", "all", Spec(url=hook.url)))
        second.until(lambda: second.house.subscriptions.list("trunkline"))
        fresh = second.run(second.house.subscriptions.change("trunkline", "all", url=f"{hook.base}/other"))
        first.run(first.house.subscriptions._apply(asked, Verdict(accepted=True)))
        known = first.house.subscriptions.get("trunkline", "all")
        assert (known.code, known.wanted.url) == (fresh.code, fresh.wanted.url)
        assert known.is_pending


def deaf(world: World, tables: set[str]) -> None:
    """Let nothing that remembers these tables hear of changes; whoever only looks at them hears."""
    heard = world.house.database._news
    assert isinstance(heard, news.SharedNews)
    heard._watchers = [one for one in heard._watchers if not tables & one.tables or len(one.tables - tables) > 0]


def at_once(pair: Pair, request: Callable[[World], Any]) -> list[Any]:
    """Put a request twice to each process, all four at the same time."""
    answers: list[Any] = []

    def put(world: World) -> None:
        async def twice() -> list[Any]:
            return await asyncio.gather(request(world), request(world))

        answers.extend(world.run(twice()))

    threads = [threading.Thread(target=put, args=(world,)) for world in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_who_stands_by_takes_over_when_the_one_on_duty_stops(tmp_path: Path) -> None:
    """There is one on duty at any time, and another within moments."""
    url = states.server().fresh()
    first, second = World(tmp_path / "first", database=url), World(tmp_path / "second", database=url)
    try:
        assert [world.house.database.is_on_duty for world in (first, second)] == [True, False]
        first.close()
        second.until(lambda: second.house.database.is_on_duty)
    finally:
        second.close()


def test_a_copy_of_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both would number their facts by the same name."""
    monkeypatch.setattr(news, "NAME_PATIENCE_S", 0.2)
    url = states.server().fresh()
    first = World(tmp_path / "first", database=url)
    try:
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "name").write_text((tmp_path / "first" / "name").read_text())
        with pytest.raises(ConfigurationError, match="one folder is a copy of the other"):
            World(tmp_path / "copy", database=url)
    finally:
        first.close()


def test_two_that_start_at_once_on_an_empty_database_agree(tmp_path: Path) -> None:
    """One makes the tables, the resource and the key that signs; the other uses them."""
    url = states.server().fresh()
    worlds: dict[int, World] = {}

    def start(number: int) -> None:
        worlds[number] = World(tmp_path / str(number), database=url, seed=number)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len({world.key for world in worlds.values()}) == 1
        assert len({world.house.keyring._current for world in worlds.values()}) == 1
        assert [world.house.database.is_on_duty for world in worlds.values()].count(True) == 1
    finally:
        for world in worlds.values():
            world.close()
