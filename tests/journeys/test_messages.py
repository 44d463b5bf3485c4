"""Messages are facts: one for each recipient of a chat message, one for each text message and what became of it."""

from __future__ import annotations

from typing import Any

from tests.services.sms.scene import pass_time
from tests.support.world import World
from trunkline.connection import Place


def asked(world: World, *measures: str, by: tuple[str, ...] = (), **given: Any) -> list[tuple[Any, ...]]:
    """Ask for measures by columns."""
    token = world.house.resources.get("trunkline").api_key
    answer = world.call("POST", "/api/v1/ask?", json={"measures": measures, "by": by, **given}, token=token)
    assert answer.status == 200, answer.body
    return [(*point["split"], *point["values"]) for point in answer.json["points"]]


def test_a_chat_message_counts_once_for_each_recipient(world: World) -> None:
    """Not for its sender."""
    ann, bob, cid = world.user(), world.user(), world.user()
    thread = world.thread(ann, bob, cid)
    for text in ("one", "two"):
        world.call("POST", f"{thread}/messages", json={"content": text}, token=ann.token)
    found = asked(world, "messages.sent", "messages.recipients", by=("channel", "status", "sender"))
    assert found == [("chat", "sent", ann.id, 4, 2)]


def test_a_text_message_is_one_record_with_what_became_of_it(world: World) -> None:
    """Whether its sender wants a report or not; a number that fails says why, and what comes in counts, too."""
    world.house.place = Place(http="http://localhost:8080", https="https://localhost:8443")
    token = world.house.resources.get("trunkline").api_key
    world.call("PUT", "/api/v1/numbers/+18005550199?", token=token)
    numbers = ["+14255550123", "+385911234567"]
    body = {
        "from": "+18005550199",
        "smsRecipients": [{"to": number} for number in numbers],
        "message": "hello",
        "smsSendOptions": {"enableDeliveryReport": False, "tag": "greeting"},
    }
    assert world.call("POST", "/sms", json=body, key=True).status == 202
    by = ("country", "status", "sender_type", "tag")
    assert asked(world, "messages.sent", by=by[:1]) == [("HR", 1), ("US", 1)]
    pass_time(world, 5)
    world.until(lambda: not world.house.sms.carriage._offers)  # what became of them is recorded with that
    found = asked(world, "messages.sent", "messages.delivered", by=by)
    assert found == [
        ("HR", "delivered", "toll free", "greeting", 1, 1),
        ("US", "delivered", "toll free", "greeting", 1, 1),
    ]
    incoming = {"from": "+385911234567", "to": "+18005550199", "text": "hi"}
    assert world.call("POST", "/api/v1/inbox/sms?", json=incoming, token=token).status < 300
    assert asked(world, "messages.count", by=("direction", "country")) == [
        ("inbound", "HR", 1),
        ("outbound", "HR", 1),
        ("outbound", "US", 1),
    ]
