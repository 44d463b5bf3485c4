"""Every sample event of the documentation, told by the real server of what Microsoft's own clients did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.events.documented import RENAMED, TODAY, envelope
from tests.mission.journey import MOBILE, OFFICE, answer, converse, subscribe, text
from tests.mission.samples import ALL, CHAT, SMS, SUBJECT, VENDOR
from tests.mission.shapes import misfits
from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, kind_of, webhook
from trunkline.catalogue.load import load
from trunkline.library.served import serve


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    """Run a webhook that agrees."""
    with webhook() as one:
        yield one


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    """Let in the user of a server whose resource owns the number of the samples."""
    with serve(tmp_path_factory.mktemp("samples"), numbers=(OFFICE,)) as server, visiting(server) as one:
        yield one


@pytest.fixture(scope="module")
def told(customer: Customer, hook: Webhook) -> list[dict[str, Any]]:
    """Everything that a webhook heard of the journey that had asked for the samples' types by name."""
    subscribe(customer, hook, "samples", *ALL)
    converse(customer)
    text(customer, OFFICE)
    answer(customer, OFFICE)
    hook.wait(1, "SMSDeliveryReportReceived")
    customer.settle()
    return hook.events(target="/samples")


def of_type(told: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """List the events of a type; there must be some."""
    found = [event for event in told if kind_of(event) == name]
    assert found, f"no {name} was told"
    return found


def without_today(event: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an event as the preview had it: without the keys that today's schema added beside the sample's."""
    if name in SMS:
        return {**event, "data": {**event["data"]}}
    added = set(TODAY[RENAMED.get(name, name)]) - set(CHAT[name].data)
    assert added <= set(event["data"])
    return {**event, "data": {key: value for key, value in event["data"].items() if key not in added}}


@pytest.mark.parametrize("name", sorted(CHAT))
def test_a_chat_event_is_its_sample_key_for_key(told: list[dict[str, Any]], name: str) -> None:
    """Exactly its keys on every level, each with its type and format, when the keys of today are put aside.

    With those it is exactly the union of both, and nothing else.
    """
    sample = CHAT[name]
    for event in of_type(told, name):
        assert misfits(without_today(event, name), sample.envelope(name), name) == []
        assert misfits(event, envelope(name), name) == []
        assert event["subject"] == sample.subject.format_map(event["data"])


@pytest.mark.parametrize("name", sorted(SMS))
def test_a_text_message_s_event_is_its_sample_key_for_key(told: list[dict[str, Any]], name: str) -> None:
    """Exactly its keys and no other, each with its type and format; the id of the event is the message's."""
    sample = SMS[name]
    (event,) = of_type(told, name)
    assert misfits(event, sample.envelope(name), name) == []
    assert event["id"] == event["data"]["MessageId"]
    assert event["subject"] == sample.subject.format_map(event["data"]) == SUBJECT


def test_the_events_of_text_messages_say_what_happened(told: list[dict[str, Any]]) -> None:
    """Numbers with and without a plus as the samples write them, the text to its last blank, one segment."""
    (report,), (received,) = (of_type(told, name) for name in sorted(SMS))
    assert (report["data"]["From"], report["data"]["To"]) == (OFFICE[1:], MOBILE)
    assert (report["data"]["DeliveryStatus"], report["data"]["DeliveryStatusDetails"]) == ("Delivered", "No error.")
    (attempt,) = report["data"]["DeliveryAttempts"]
    assert (attempt["SegmentsSucceeded"], attempt["SegmentsFailed"]) == (1, 0)
    assert attempt["Timestamp"] <= report["data"]["ReceivedTimestamp"]
    assert (received["data"]["From"], received["data"]["To"]) == (MOBILE[1:], OFFICE[1:])
    assert received["data"]["Message"] == "Thanks, I can wait. "


def test_every_event_names_the_resource_and_has_an_id_of_its_own(
    told: list[dict[str, Any]], customer: Customer
) -> None:
    """The topic is the id under which the resource is managed."""
    assert {event["topic"] for event in told} == {customer.id}
    assert len({event["id"] for event in told}) == len(told)


def test_only_what_was_asked_for_by_name_came(told: list[dict[str, Any]]) -> None:
    """All ten types, under the names that the samples use."""
    assert {kind_of(event) for event in told} == set(ALL)


def test_the_catalogue_tells_every_type_of_the_samples() -> None:
    """Ten types, eight of them chat's."""
    assert (len(ALL), len(CHAT), len(SMS)) == (10, 8, 2)
    assert {VENDOR + name for name in ALL} <= set(load().event_types)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_sample_with_a_key_changed_is_noticed(told: list[dict[str, Any]], name: str) -> None:
    """The comparison fails for every key that is taken away, renamed, or of another type."""
    kind = ALL[name].envelope(name)
    good = without_today(of_type(told, name)[0], name)
    for part, kinds in ((good, kind), (good["data"], kind["data"])):
        for key in list(part):
            value = part.pop(key)
            assert misfits(good, kind) != [], key
            part[key.upper() + "_"] = value
            assert misfits(good, kind) != [], key
            del part[key.upper() + "_"]
            part[key] = [value] if not isinstance(kinds[key], list) else value[0]
            assert misfits(good, kind) != [], key
            part[key] = value
    assert misfits(good, kind) == []
