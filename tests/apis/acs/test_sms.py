"""Text messages through the door: results for each recipient, refusals, opt-outs, and what the metric says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.sms.scene import OFFICE, PHONE, outcomes, pass_time, receive, reports, rows
from tests.support.asgi import Answer
from tests.support.world import World
from trunkline.catalogue.azure.ids import resource_id
from trunkline.clock import rfc3339

Make = Callable[..., World]
VERSION = "api-version=2026-01-23"
WHOLE = b'"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":"x"}'


def send(world: World, *to: str | dict[str, Any], **given: Any) -> Answer:
    """Put a message; recipients are numbers or whole objects."""
    options = {"enableDeliveryReport": True, **given.pop("options", {})}
    body = {
        "from": OFFICE,
        "smsRecipients": [{"to": one} if isinstance(one, str) else one for one in to or (PHONE,)],
        "message": "Your order is ready.",
        "smsSendOptions": options,
        **given.pop("body", {}),
    }
    return world.call("POST", f"/sms?{VERSION}", json=body, **{"key": True, **given})


def opt(world: World, verb: str, *to: str, sender: str = OFFICE) -> Answer:
    """Add, remove or check opt-outs."""
    body = {"from": sender, "recipients": [{"to": one} for one in to]}
    return world.call("POST", f"/sms/optouts:{verb}?{VERSION}", json=body, key=True)


def counts(world: World, *dimensions: str, where: str = "") -> dict[tuple[str, ...], float]:
    """Ask Azure Monitor for the metric of the last hour, by the values of dimensions."""
    resource = world.house.resources.get("trunkline")
    now = world.clock.now() + timedelta(minutes=1)
    conditions = [f"{name} eq '*'" for name in dimensions] + ([where] if where else [])
    query = {
        "api-version": "2024-02-01",
        "metricnames": "APIRequestSMS",
        "aggregation": "Count",
        "interval": "FULL",
        "timespan": f"{rfc3339(now - timedelta(hours=1), 0)}/{rfc3339(now, 0)}",
        "$filter": " and ".join(conditions),
        "top": "100",
    }
    target = resource_id(resource.subscription_id, resource.resource_group, resource.name)
    words = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    answer = world.call("GET", f"{target}/providers/Microsoft.Insights/metrics?{words}", token="anyone")
    assert answer.status == 200, answer.body
    found = {}
    for one in answer.json["value"][0]["timeseries"]:
        values = {item["name"]["value"].lower(): item["value"] for item in one["metadatavalues"]}
        found[tuple(values[name.lower()] for name in dimensions)] = one["data"][0]["count"]
    return found


# --- sending ---


def test_each_recipient_has_a_result(world: World) -> None:
    """In the order of the request; what is repeatable says so."""
    answer = send(world, PHONE, {"to": "12345", "repeatabilityRequestId": "A", "repeatabilityFirstSent": "never"})
    assert answer.status == 202
    plain, repeatable = answer.json["value"]
    first, second = (row.id for row in sorted(rows(world), key=lambda row: row.recipient, reverse=True))
    assert {plain["messageId"], repeatable["messageId"]} == {first, second}
    del plain["messageId"], repeatable["messageId"]
    assert plain == {"to": PHONE, "httpStatusCode": 202, "successful": True}
    assert repeatable == {"to": "12345", "httpStatusCode": 202, "successful": True, "repeatabilityResult": "accepted"}


def test_a_number_that_is_none_has_a_result_of_its_own(world: World) -> None:
    """400 beside the 202 of the others; without any other the whole request is refused."""
    good, bad = send(world, PHONE, "+123").json["value"]
    assert (good["successful"], bad["successful"]) == (True, False)
    assert {"to": "+123", "httpStatusCode": 400}.items() <= bad.items()
    assert bad["errorMessage"]
    assert "messageId" not in bad
    assert len(rows(world)) == 1
    refused = send(world, "+123", "nobody")
    assert (refused.status, refused.code) == (400, "BadRequest")


def test_a_sender_that_the_resource_does_not_own_is_unauthorized(world: World) -> None:
    """Also when another resource owns it."""
    world.run(world.house.resources.create("shop"))
    world.run(world.house.numbers.add("shop", "+15550001111"))
    for sender in ("+15550000000", "+15550001111", "Acme", ""):
        refused = send(world, body={"from": sender})
        assert (refused.status, refused.code) == (401, "Unauthorized")
        assert refused.json["error"]["target"] == "from"
    theirs = world.house.resources.get("shop").key1
    assert send(world, body={"from": "+15550001111"}, key=theirs).status == 202
    assert send(world, key=theirs).status == 401


def test_1_to_100_recipients_get_a_message(world: World) -> None:
    """None and 101 are refused, and nobody gets it then."""
    assert send(world, body={"smsRecipients": []}).status == 400
    assert send(world, *[PHONE] * 101).status == 400
    assert rows(world) == []
    assert len(send(world, *[PHONE] * 100).json["value"]) == 100


def test_a_message_has_at_most_2048_characters(world: World) -> None:
    """Of whichever kind; none at all is fine."""
    assert send(world, body={"message": "😀" * 2048}).status == 202
    assert send(world, body={"message": ""}).status == 202
    refused = send(world, body={"message": "x" * 2049})
    assert (refused.status, refused.json["error"]["target"]) == (400, "message")


def test_a_tag_comes_back_with_the_report(world: World) -> None:
    """And is limited; a report that is not wanted is not told."""
    send(world, options={"tag": "spring"})
    send(world, options={"tag": "unheard", "enableDeliveryReport": False})
    send(world, body={"smsSendOptions": None})
    pass_time(world, 1)
    assert [event.facts["tag"] for event in reports(world)] == ["spring"]
    assert send(world, options={"tag": "x" * 1025}).status == 400


def test_a_repeated_request_is_answered_alike_in_any_case_of_letters(world: World) -> None:
    """The same message in one request and over two; nothing is sent again."""
    one = {"to": PHONE, "repeatabilityRequestId": "c5f2d9b0-0000-4000-8000-00000000ABCD"}
    first, again = send(world, one, one).json["value"]
    other = {**one, "repeatabilityRequestId": one["repeatabilityRequestId"].lower()}
    (late,) = send(world, other).json["value"]
    assert first == again == late
    pass_time(world, 1)
    assert outcomes(world) == {first["messageId"]: "delivered"}
    (fresh,) = send(world, {**one, "repeatabilityRequestId": ""}).json["value"]
    assert fresh["messageId"] != first["messageId"]
    assert "repeatabilityResult" not in fresh


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"messagingConnect": {"apiKey": "k", "partner": "p"}}, "messagingConnect"),
        ({"deliveryReportTimeoutInSeconds": 60}, "deliveryReportTimeoutInSeconds"),
    ],
)
def test_what_is_not_served_is_refused_by_its_name(world: World, options: dict[str, Any], word: str) -> None:
    """501 rather than a message that is not what was asked for; null is nothing."""
    refused = send(world, options=options)
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert word in refused.json["error"]["message"]
    assert rows(world) == []
    assert send(world, options={word: None}).status == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"from":"+18005550199"',
        b'{"from":1,"smsRecipients":[{"to":"+14255550123"}],"message":"x"}',
        b'{"from":"+18005550199","smsRecipients":{"to":"+14255550123"},"message":"x"}',
        b'{"from":"+18005550199","smsRecipients":["+14255550123"],"message":"x"}',
        b'{"from":"+18005550199","smsRecipients":[{}],"message":"x"}',
        b'{"from":"+18005550199","smsRecipients":[{"to":null}],"message":"x"}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}]}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":null}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":"\\ud800"}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":"\\udc00x"}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":"\xed\xa0\x80"}',
        b'{"from":"+18005550199","smsRecipients":[{"to":"+14255550123"}],"message":"x","smsSendOptions":[]}',
        b'{"smsSendOptions":{"enableDeliveryReport":"yes"},' + WHOLE,
        b'{"smsSendOptions":{"deliveryReportTimeoutInSeconds":1e99},' + WHOLE,
    ],
)
def test_a_body_of_another_shape_is_a_bad_request(shared_world: World, body: bytes) -> None:
    """In the vendor's error body, for sending and for opting out."""
    for path in ("/sms", "/sms/optouts:add"):
        refused = shared_world.call("POST", f"{path}?{VERSION}", body=body, key=True)
        assert (refused.status, refused.code) == (400, "BadRequest"), refused.body


def test_what_a_body_has_besides_is_ignored(world: World) -> None:
    """Later versions of the clients say more."""
    assert send(world, {"to": PHONE, "more": 1}, body={"more": {"x": []}}, options={"more": None}).status == 202


def test_who_may_send(world: World) -> None:
    """A key or an Entra bearer; a chat user's token may not, nor may nobody."""
    assert send(world, key=False).status == 401
    assert send(world, key=False, token=world.user().token).status in {401, 403}
    assert send(world, key=False, token="eyJhbGciOiJub25lIn0.e30.dev").status == 202
    assert len(rows(world)) == 1


# --- opting out ---


def test_opt_outs_are_added_checked_and_removed(world: World) -> None:
    """As the document of the version has it: an answer for each recipient."""
    added = opt(world, "add", PHONE, "+123")
    assert added.status == 200
    good, bad = added.json["value"]
    assert good == {"to": PHONE, "httpStatusCode": 200, "isOptedOut": True}
    assert {"to": "+123", "httpStatusCode": 400}.items() <= bad.items()
    assert set(bad) == {"to", "httpStatusCode", "errorMessage"}
    (out,) = send(world).json["value"]
    found = opt(world, "check", PHONE, "+14255550124", PHONE).json["value"]
    assert [(one["to"], one["isOptedOut"]) for one in found] == [
        (PHONE, True),
        ("+14255550124", False),
        (PHONE, True),
    ]
    assert opt(world, "remove", PHONE).json["value"] == [{"to": PHONE, "httpStatusCode": 200, "isOptedOut": False}]
    (free,) = send(world).json["value"]
    pass_time(world, 1)
    assert outcomes(world) == {out["messageId"]: "opted_out", free["messageId"]: "delivered"}


@pytest.mark.parametrize("verb", ["add", "remove", "check"])
def test_opt_outs_are_the_owner_s_business(world: World, verb: str) -> None:
    """An unowned sender is unauthorized; 1 to 100 recipients are named; without a version nothing is done."""
    assert opt(world, verb, PHONE, sender="+15550000000").status == 401
    assert opt(world, verb).status == 400
    assert opt(world, verb, *[PHONE] * 101).status == 400
    assert opt(world, verb, *[PHONE] * 100).status == 200
    body = {"from": OFFICE, "recipients": [{"to": PHONE}]}
    refused = world.call("POST", f"/sms/optouts:{verb}?version=1", json=body, key=True)
    assert (refused.status, refused.code) == (400, "ApiVersionUnspecified")


# --- the metric ---


def test_two_sends_with_reports_and_one_message_in_show_two_two_and_one(world: World) -> None:
    """A report and a message that comes in have no request of their own, and count all the same."""
    send(world)
    send(world)
    receive(world, "Thanks")
    pass_time(world, 1)
    assert counts(world, "Operation", "StatusCode") == {
        ("SMSMessageSent", "202"): 2,
        ("SMSDeliveryReportsReceived", "200"): 2,
        ("SMSMessagesReceived", "200"): 1,
    }


def test_what_is_refused_is_counted_with_its_status(world: World) -> None:
    """Under the operation that it was."""
    send(world, body={"from": "+15550000000"})
    send(world, "nobody")
    send(world, options={"messagingConnect": {}})
    world.call("POST", f"/sms/nothing?{VERSION}", json={}, key=True)
    assert counts(world, "Operation", "StatusCode") == {
        ("SMSMessageSent", "401"): 1,
        ("SMSMessageSent", "400"): 1,
        ("SMSMessageSent", "501"): 1,
        ("Bad Route", "404"): 1,
    }


def test_a_report_is_counted_with_the_country_of_its_recipient_and_its_error_code(world: World) -> None:
    """What was delivered has no code."""
    for number in ("+442071838750", "+15005554005", "+15005559999"):
        send(world, number)
    opt(world, "add", PHONE)
    send(world)
    pass_time(world, 1)
    only = "Operation eq 'SMSDeliveryReportsReceived'"
    found = counts(world, "ErrorCode", where=only)
    assert {key: many for key, many in found.items() if key[0].isdigit()} == {
        ("4005",): 1,
        ("4007",): 1,
        ("9999",): 1,
    }
    assert sum(found.values()) == 4
    assert counts(world, "Country", where=only) == {("GB",): 1, ("US",): 3}


def test_a_request_is_counted_by_its_sender_s_kind_and_its_recipients_country(make_world: Make) -> None:
    """A country only when all recipients are of the same."""
    world = make_world(numbers=(OFFICE, "12345", "Acme", "+442071838750"))
    for sender in (OFFICE, "12345", "Acme", "+442071838750"):
        send(world, body={"from": sender})
    send(world, PHONE, "+442071838750")
    send(world, body={"from": "no sender at all"})
    only = "Operation eq 'SMSMessageSent'"
    kinds = counts(world, "NumberType", where=only)
    assert {name: many for (name,), many in kinds.items() if name.endswith(("Number", "ID"))} == {
        "LongCodeNumber": 3,
        "ShortCodeNumber": 1,
        "DynamicAlphaSenderID": 1,
    }
    countries = counts(world, "Country", where=only)
    assert {name: many for (name,), many in countries.items() if len(name) == 2} == {"US": 5}


def test_opt_outs_are_counted_by_what_was_done(world: World) -> None:
    """Each is an operation as well."""
    for verb in ("add", "check", "check", "remove"):
        opt(world, verb, PHONE)
    assert counts(world, "Operation", "OptAction") == {
        ("OptOutsAdd", "Add"): 1,
        ("OptOutsCheck", "Check"): 2,
        ("OptOutsRemove", "Remove"): 1,
    }
