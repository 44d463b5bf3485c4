"""Numbers and messages that come in, by Trunkline's own API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.services.sms.scene import OFFICE, PHONE
from tests.support.world import World

BRANCH = "+14255550100"


def numbers(own: Any, **given: Any) -> list[str]:
    """List an account's numbers."""
    answer = own("GET", f"/numbers?account={given.pop('account', '')}", **given)
    assert answer.status == 200, answer.body
    return [one["number"] for one in answer.json["numbers"]]


def receive(own: Any, text: str = "hello", **given: Any) -> Any:
    """Let a message come in."""
    body = {"from": given.pop("sender", PHONE), "to": given.pop("to", OFFICE), "text": text}
    return own("POST", f"/inbox/sms?account={given.pop('account', '')}", json=body, **given)


def test_a_number_is_added_listed_and_removed(own: Any) -> None:
    """In any spelling, escaped or not; the answer says what it is."""
    added = own("PUT", f"/numbers/{quote('+1 (425) 555-0100')}")
    assert added.status == 201
    assert added.json == {
        "number": BRANCH,
        "account": "trunkline",
        "kind": "long code",
        "country": "US",
        "added_at": "2026-11-21T12:00:00.000Z",
        "from_settings": False,
    }
    assert own("PUT", f"/numbers/{BRANCH}").json == added.json
    assert own("PUT", f"/numbers/{quote('Acme Ltd', safe='')}").json["kind"] == "sender name"
    assert numbers(own) == [BRANCH, OFFICE, "Acme Ltd"]
    assert own("DELETE", f"/numbers/{quote(BRANCH, safe='')}").status == 204
    assert own("DELETE", f"/numbers/{BRANCH}").status == 404
    assert numbers(own) == [OFFICE, "Acme Ltd"]


def test_what_is_no_number_is_refused(own: Any) -> None:
    """The sentence says what one is."""
    for text in ("+1", "a%2Fb", "x" * 5000, "%00", "%ff"):
        refused = own("PUT", f"/numbers/{text}")
        assert refused.status == 400, (text, refused.body)
        assert "E.164" in refused.json["detail"]


def test_a_number_of_the_settings_stays(own: Any) -> None:
    """409, and it says where to take it out."""
    refused = own("DELETE", f"/numbers/{OFFICE}")
    assert refused.status == 409
    assert "setting" in refused.json["detail"]
    (only,) = own("GET", "/numbers").json["numbers"]
    assert (only["number"], only["added_at"], only["from_settings"]) == (OFFICE, None, True)


def test_a_reader_lists_and_changes_nothing(own: Any) -> None:
    """A contributor does."""
    reader = own("POST", "/tokens", json={"role": "reader"}).json["token"]
    contributor = own("POST", "/tokens", json={"role": "contributor"}).json["token"]
    assert own("PUT", f"/numbers/{BRANCH}", token=reader).status == 403
    assert own("PUT", f"/numbers/{BRANCH}", token=contributor).status == 201
    assert own("DELETE", f"/numbers/{BRANCH}", token=reader).status == 403
    assert receive(own, token=reader).status == 403
    assert receive(own, token=contributor).status == 202
    assert numbers(own, token=reader) == [BRANCH, OFFICE]
    for method, path in (("GET", "/numbers"), ("PUT", "/numbers/12345"), ("POST", "/inbox/sms")):
        assert own(method, path, token="").status == 401


def test_another_account_s_key_has_to_do_with_its_own_numbers(own: Any, world: World) -> None:
    """The default account's key has to do with all of them."""
    own("PUT", "/accounts/shop")
    theirs = world.house.resources.get("shop").api_key
    assert own("PUT", f"/numbers/{BRANCH}", token=theirs).json["account"] == "shop"
    assert numbers(own, token=theirs) == numbers(own, account="shop") == [BRANCH]
    assert numbers(own) == [OFFICE]
    for method, path in (("GET", "/numbers?"), ("PUT", "/numbers/12345?"), ("DELETE", f"/numbers/{OFFICE}?")):
        assert own(method, f"{path}account=trunkline", token=theirs).status == 403
    assert receive(own, token=theirs, account="trunkline").status == 403
    assert receive(own, token=theirs).status == 404  # it does not own the number
    assert receive(own, token=theirs, to=BRANCH).status == 202
    assert receive(own, to=BRANCH, account="shop").status == 202
    assert own("GET", "/numbers?account=nobody").status == 404
    assert {event.resource for event in world.happenings()} == {"shop"}


def test_a_message_comes_in(own: Any, world: World) -> None:
    """In any spelling of the numbers; its id is the event's."""
    answer = receive(own, "Thanks", sender="+1 425 555 0123", to="+1-800-555-0199")
    assert answer.status == 202
    (event,) = world.happenings()
    assert answer.json == {"id": event.facts["message_id"]}
    assert (event.facts["sender"], event.facts["recipient"], event.facts["text"]) == (PHONE, OFFICE, "Thanks")
    assert event.cause == answer.headers["ms-cv"]


def test_a_message_that_cannot_have_come_in_is_refused(own: Any, world: World) -> None:
    """An unknown number is not found; everything else is a bad request."""
    assert receive(own, to="+14255550199").status == 404
    assert receive(own, sender="nobody at all").status == 400
    assert receive(own, sender="Acme").status == 400
    assert receive(own, to="x").status == 404
    assert receive(own, "x" * 2049).status == 400
    for body in ({}, {"from": PHONE, "to": OFFICE}, {"from": PHONE, "to": OFFICE, "text": "x", "more": 1}, []):
        assert own("POST", "/inbox/sms", json=body).status == 400
    assert world.happenings() == []
