"""Text messages with Microsoft's own clients, over TLS: sent, reported to a webhook, stopped, and measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.communication.sms import SmsClient, SmsSendResult
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.monitor.querymetrics import MetricAggregationType

from tests.mission.journey import subscribe_with
from tests.mission.samples import FILTER
from tests.support.customer import UNSIGNED, Bearer, Customer, visiting
from tests.support.webhook import Webhook, webhook
from trunkline.library.served import Server, serve

OFFICE = "+15555555555"
PHONE = "+14255550123"
REPORT, RECEIVED = "SMSDeliveryReportReceived", "SMSReceived"


@pytest.fixture
def customer(served: Server) -> Iterator[Customer]:
    """Someone with a resource of their own, which owns a number."""
    with visiting(served, f"sms-{time.time_ns()}") as one:
        served.run(served.house.numbers.add(one.resource.name, OFFICE))
        yield one


@pytest.fixture
def sms(customer: Customer) -> Iterator[SmsClient]:
    """Give the client."""
    with texting(customer) as client:
        yield client


@pytest.fixture
def hook(customer: Customer) -> Iterator[Webhook]:
    """Run a webhook, subscribed with the documentation's own filter as it stands there."""
    with webhook() as one:
        subscribe_with(customer, one, "texts", FILTER)
        yield one


class texting(closing[Any]):  # noqa: N801 - it stands in `with` like a function
    """Open a customer's client and close it; the client itself has no way to be closed."""

    def __init__(self, customer: Customer) -> None:
        self._client = SmsClient.from_connection_string(customer.connection_string, **customer.options)
        super().__init__(self._client._sms_service_client)

    def __enter__(self) -> SmsClient:
        return self._client


def phone(customer: Customer, text: str, to: str = OFFICE) -> str:
    """Let somebody's telephone send a message; returns its id."""
    own = {"x-api-key": customer.resource.api_key}
    answer = customer._put(
        "POST", "/api/v1/inbox/sms", msgspec.json.encode({"from": PHONE, "to": to, "text": text}), own
    )
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def one(results: list[SmsSendResult]) -> SmsSendResult:
    """Return the only result, which is good."""
    (result,) = results
    assert (result.successful, result.http_status_code, result.error_message) == (True, 202, None)
    return result


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("x" * 152 + "€", 1), ("x" * 152 + "€" * 10, 2), ("😀" * 35, 1), ("😀" * 36, 2)],
)
def test_a_report_says_how_many_segments_arrived(sms: SmsClient, hook: Webhook, text: str, parts: int) -> None:
    """Of the default alphabet, of its extension, and of every other script."""
    sent = one(sms.send(OFFICE, PHONE, text, enable_delivery_report=True, tag="spring"))
    (event,) = hook.wait(1, REPORT)
    data = event["data"]
    assert (event["id"], data["MessageId"], event["subject"]) == (
        sent.message_id,
        sent.message_id,
        "/phonenumber/15555555555",
    )
    assert (data["From"], data["To"], data["Tag"]) == (OFFICE[1:], PHONE, "spring")
    assert (data["DeliveryStatus"], data["DeliveryStatusDetails"]) == ("Delivered", "No error.")
    (attempt,) = data["DeliveryAttempts"]
    assert (attempt["SegmentsSucceeded"], attempt["SegmentsFailed"]) == (parts, 0)
    assert attempt["Timestamp"] < data["ReceivedTimestamp"]


def test_each_of_several_recipients_has_a_result_and_a_report(sms: SmsClient, hook: Webhook) -> None:
    """What the simulated carrier does is chosen by the number; a number that is none has a result of its own."""
    numbers = [PHONE, "+15005554005", "+15005554010", "nobody"]
    results = sms.send(OFFICE, numbers, "hello", enable_delivery_report=True)
    assert [result.to for result in results] == numbers
    assert [result.http_status_code for result in results] == [202, 202, 202, 400]
    assert [bool(result.message_id) for result in results] == [True, True, True, False]
    assert results[3].error_message
    found = {event["data"]["MessageId"]: event["data"] for event in hook.wait(3, REPORT)}
    blocked, unverified = found[results[1].message_id], found[results[2].message_id]
    assert found[results[0].message_id]["DeliveryStatus"] == "Delivered"
    assert {blocked["DeliveryStatus"], unverified["DeliveryStatus"]} == {"Failed"}
    assert blocked["DeliveryStatusDetails"].startswith("4005")
    assert unverified["DeliveryStatusDetails"].startswith("4010")
    assert [attempt["SegmentsFailed"] for attempt in blocked["DeliveryAttempts"]] == [1]


def test_a_message_without_a_report_is_not_reported(customer: Customer, sms: SmsClient, hook: Webhook) -> None:
    """It is not even told; the one sent after it is."""
    quiet = one(sms.send(OFFICE, PHONE, "quiet"))
    loud = one(sms.send(OFFICE, PHONE, "loud", enable_delivery_report=True))
    hook.wait(1, REPORT)
    customer.settle()
    assert [event["id"] for event in hook.events(REPORT)] == [loud.message_id] != [quiet.message_id]


def test_who_stops_gets_nothing_until_they_start(customer: Customer, sms: SmsClient, hook: Webhook) -> None:
    """Both words are told; between them a message is taken, and its report says that it failed."""
    stop = phone(customer, "STOP")
    out = one(sms.send(OFFICE, PHONE, "hello", enable_delivery_report=True))
    (failed,) = hook.wait(1, REPORT)
    assert failed["id"] == out.message_id
    assert failed["data"]["DeliveryStatus"] == "Failed"
    assert failed["data"]["DeliveryStatusDetails"] == "4007: Sender blocked for given recipient."
    start = phone(customer, "Start")
    fine = one(sms.send(OFFICE, PHONE, "hello", enable_delivery_report=True))
    reports = {event["id"]: event["data"]["DeliveryStatus"] for event in hook.wait(2, REPORT)}
    assert reports == {out.message_id: "Failed", fine.message_id: "Delivered"}
    told = hook.wait(2, RECEIVED)
    assert sorted((event["id"], event["data"]["Message"]) for event in told) == sorted(
        [(stop, "STOP"), (start, "Start")]
    )
    assert {(event["data"]["From"], event["data"]["To"]) for event in told} == {(PHONE[1:], OFFICE[1:])}


def test_a_number_outside_of_the_filter_s_area_is_not_heard_of(
    customer: Customer, served: Server, sms: SmsClient, hook: Webhook
) -> None:
    """The filter is about the resource's own number, whoever is at the other end."""
    branch = "+14255550100"
    served.run(served.house.numbers.add(customer.resource.name, branch))
    sms.send(branch, OFFICE, "hello", enable_delivery_report=True)
    phone(customer, "hello", to=branch)
    mine = one(sms.send(OFFICE, PHONE, "hello", enable_delivery_report=True))
    hook.wait(1, REPORT)
    customer.settle()
    assert [event["id"] for event in hook.events()] == [mine.message_id]


def test_a_sender_that_is_not_owned_is_the_sdk_s_own_error(sms: SmsClient) -> None:
    """As are the others that a request can meet."""
    with pytest.raises(ClientAuthenticationError) as refused:
        sms.send("+15550000000", PHONE, "hello")
    assert refused.value.status_code == 401
    for wrong in ({"to": []}, {"to": "nobody"}, {"to": [PHONE] * 101}, {"message": "x" * 2049}):
        with pytest.raises(HttpResponseError) as bad:
            sms.send(**{"from_": OFFICE, "to": PHONE, "message": "hello", **wrong})
        assert bad.value.status_code == 400


def test_two_sends_of_the_same_are_two_messages(sms: SmsClient) -> None:
    """The client gives each call ids of its own."""
    first, second = (one(sms.send(OFFICE, PHONE, "hello")) for _ in range(2))
    assert first.message_id != second.message_id


def test_a_credential_does_as_well_as_a_key(customer: Customer, served: Server) -> None:
    """Such as a managed identity's: an unsigned bearer for the default resource, or one of the server's own."""
    mint = served.house.keyring.mint
    ours, theirs = (
        mint("contributor", resource=name)[0] for name in (customer.resource.name, served.house.resources.default)
    )
    for token, sender in ((UNSIGNED, "+18005550199"), (theirs, "+18005550199"), (ours, OFFICE)):
        client = SmsClient(served.url, Bearer(token), **customer.options)
        with closing(client._sms_service_client):
            assert one(client.send(sender, PHONE, "hello")).message_id
    client = SmsClient(served.url, Bearer(theirs), **customer.options)
    with closing(client._sms_service_client), pytest.raises(ClientAuthenticationError):
        client.send(OFFICE, PHONE, "hello")
    reader = SmsClient(
        served.url, Bearer(mint("reader", resource=served.house.resources.default)[0]), **customer.options
    )
    with closing(reader._sms_service_client), pytest.raises(HttpResponseError) as refused:
        reader.send("+18005550199", PHONE, "hello")
    assert refused.value.status_code == 403


def test_the_asynchronous_client_does_the_same(customer: Customer, served: Server, hook: Webhook) -> None:
    """With a key and with a credential; several at once."""
    token = served.house.keyring.mint("contributor", resource=customer.resource.name)[0]

    class AsyncBearer:
        """A bearer of the server's own for the resource, awaited."""

        async def get_token(self, *_scopes: str, **_given: Any) -> AccessToken:
            """Return the token."""
            return AccessToken(token, int(time.time()) + 3600)

    async def journey() -> list[str]:
        async with (
            AsyncSmsClient.from_connection_string(customer.connection_string, **customer.options) as by_key,
            AsyncSmsClient(served.url, AsyncBearer(), **customer.options) as by_bearer,
        ):
            sends = [
                client.send(from_=OFFICE, to=[PHONE], message="hello", enable_delivery_report=True)
                for client in (by_key, by_bearer)
                for _ in range(5)
            ]
            with pytest.raises(ClientAuthenticationError):
                await by_key.send(from_="+15550000000", to=[PHONE], message="hello")
            return [str(one(results).message_id) for results in await asyncio.gather(*sends)]

    sent = asyncio.run(journey())
    assert {event["id"] for event in hook.wait(10, REPORT)} == set(sent)
    assert len(set(sent)) == 10


def test_the_metric_counts_what_was_sent_reported_and_received(
    customer: Customer, sms: SmsClient, hook: Webhook
) -> None:
    """Two, two and one; Microsoft's metrics client splits them by what only this metric knows, too."""
    for _ in range(2):
        sms.send(OFFICE, PHONE, "hello", enable_delivery_report=True)
    phone(customer, "Thanks")
    hook.wait(3)
    assert customer.counted("APIRequestSMS") == {
        ("SMSMessageSent", "202", "2xx"): 2,
        ("SMSDeliveryReportsReceived", "200", "2xx"): 2,
        ("SMSMessagesReceived", "200", "2xx"): 1,
    }
    (result,) = customer.metrics().query_resources(
        resource_ids=[customer.id],
        metric_namespace="Microsoft.Communication/CommunicationServices",
        metric_names=["APIRequestSMS"],
        timespan=timedelta(hours=1),
        aggregations=[MetricAggregationType.COUNT],
        filter="NumberType eq '*' and Country eq '*'",
    )
    series = result.metrics["APIRequestSMS"].timeseries
    assert [tuple(one.metadata_values.values()) for one in series] == [("LongCodeNumber", "US")]
    assert sum(point.count or 0 for one in series for point in one.data) == 5


def test_with_camel_case_the_payloads_have_the_models_keys(tmp_path: Path) -> None:
    """Those that the models of the events name, no others; the setting changes nothing else."""
    with (
        serve(tmp_path, numbers=(OFFICE,), sms_event_casing="camel") as server,
        visiting(server) as customer,
        webhook() as hook,
        texting(customer) as sms,
    ):
        subscribe_with(customer, hook, "texts", FILTER)
        sent = one(sms.send(OFFICE, PHONE, "x" * 161, enable_delivery_report=True, tag="spring"))
        came = phone(customer, "Thanks")
        (report,), (received,) = hook.wait(1, REPORT), hook.wait(1, RECEIVED)
    assert (report["id"], received["id"]) == (sent.message_id, came)
    timestamps = [report["data"].pop("receivedTimestamp"), received["data"].pop("receivedTimestamp")]
    timestamps.append(report["data"]["deliveryAttempts"][0].pop("timestamp"))
    assert all(datetime.fromisoformat(text).tzinfo is not None for text in timestamps)
    assert report["data"] == {
        "messageId": sent.message_id,
        "from": OFFICE[1:],
        "to": PHONE,
        "deliveryStatus": "Delivered",
        "deliveryStatusDetails": "No error.",
        "deliveryAttempts": [{"segmentsSucceeded": 2, "segmentsFailed": 0}],
        "tag": "spring",
    }
    assert received["data"] == {
        "messageId": came,
        "from": PHONE[1:],
        "to": OFFICE[1:],
        "message": "Thanks",
        "segmentCount": 1,
    }
