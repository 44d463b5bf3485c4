"""Codes and names explained over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.world import World


def test_a_code_is_explained_with_fault_and_advice(own: Any) -> None:
    """Every family that knows it."""
    found = own("GET", f"/explain?q={quote('487/540487')}").json
    assert {one["family"] for one in found["codes"]} == {"acs_call_end", "acs_pstn", "acs_call_automation"}
    assert {one["fault"] for one in found["codes"]} == {"caller"}
    assert all(one["meaning"] and one["advice"] and one["title"] and one["seen"] for one in found["codes"])
    assert (found["things"], found["near"]) == ([], [])


@pytest.mark.parametrize("name", ["SendChatMessage", "sendchatmessage", "POST /chat/threads/{thread_id}/messages"])
def test_an_operation_is_explained_by_its_name_or_route(own: Any, name: str) -> None:
    """Its service and route, whether it is served, what counts it, what it tells of."""
    (thing,) = own("GET", f"/explain?q={quote(name)}").json["things"]
    assert (thing["kind"], thing["name"]) == ("operation", "SendChatMessage")
    assert thing["facts"] == {
        "service": "Chat (acs)",
        "route": "POST /chat/threads/{thread_id}/messages",
        "served": "yes",
        "counted by": "APIRequestChat",
        "who may": "user",
        "tells of": "chat.message.sent",
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("APIRequestChat", "metric"),
        ("ChatMessageReceived", "event type"),
        ("Microsoft.Communication.ChatMessageReceived", "event type"),
        ("chat.message.sent", "happening"),
        ("calls.attempted", "measure"),
        ("BUSY_RATE", "word for a measure"),
    ],
)
def test_whatever_stands_in_the_catalogue_is_explained(own: Any, name: str, kind: str) -> None:
    """By its own name."""
    things = own("GET", f"/explain?q={name}").json["things"]
    assert kind in {thing["kind"] for thing in things}
    assert all(thing["brief"] for thing in things)


def test_what_is_not_served_says_so(own: Any) -> None:
    """With the status that it answers."""
    (thing,) = own("GET", "/explain?q=CreateRoom").json["things"]
    assert thing["facts"]["served"].startswith("no: it answers 501")


def test_an_unknown_code_is_answered_with_what_comes_near(own: Any) -> None:
    """200: that nobody knows it is the answer."""
    answer = own("GET", "/explain?q=4030")
    assert (answer.status, answer.json["codes"], answer.json["things"]) == (200, [], [])
    assert answer.json["near"][0] == {
        "family": "acs_sms",
        "title": "Delivery of SMS of Azure Communication Services",
        "codes": ["4020", "4010", "4009"],
    }


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", f"?q={'4' * 201}"])
def test_nothing_and_too_much_are_refused(own: Any, query: str) -> None:
    """A sentence says what is wanted."""
    answer = own("GET", f"/explain{query}")
    assert (answer.status, answer.json["target"]) == (400, "q")


def test_a_reader_may_ask_and_a_stranger_may_not(own: Any, world: World) -> None:
    """It needs the role read."""
    key = own("POST", "/keys", json={"name": "r", "role": "read"}).json["key"]
    assert own("GET", "/explain?q=603", token=key).status == 200
    writer = own("POST", "/keys", json={"name": "w", "role": "write"}).json["key"]
    assert own("GET", "/explain?q=603", token=writer).status == 403
    assert world.call("GET", "/api/v1/explain?q=603").status == 401
