"""Envelopes: ids that never change, conversions, and what is left out."""

from datetime import UTC, datetime

from tests.events.scene import ADA, BEN, CAT, TOPIC, a_message
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import EventType
from trunkline.events.envelopes import Envelope, Template, attribute
from trunkline.events.examples import example
from trunkline.ids import Ids

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def wrapped(name: str, **changes: object) -> list[Envelope]:
    """Wrap a message as an event type."""
    row = load().event_types["Microsoft.Communication." + name]
    return list(Template(row).wrap(a_message(NOW, **changes), TOPIC))


def test_the_same_event_always_has_the_same_ids() -> None:
    """On every attempt and after every restart; each recipient's differs."""
    first, again = (
        [one.id for one in wrapped("ChatMessageReceived", id="00000000-0000-4000-8000-000000000001")] for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 2
    (thread,) = wrapped("ChatMessageReceivedInThread", id="00000000-0000-4000-8000-000000000001")
    assert thread.id not in first


def test_each_recipient_gets_an_envelope_of_its_own() -> None:
    """Subject and recipient differ, the rest is the same."""
    ben, cat = wrapped("ChatMessageReceived")
    assert (ben.subject[-len(BEN) :], cat.subject[-len(CAT) :]) == (BEN, CAT)
    assert (ben.grid["data"]["recipientId"], cat.grid["data"]["recipientId"]) == (BEN, CAT)
    assert ben.grid["data"]["senderId"] == cat.grid["data"]["senderId"] == ADA


def test_an_event_without_recipients_is_told_to_nobody() -> None:
    """A thread with one participant has no one to tell."""
    assert wrapped("ChatMessageReceived", facts={"recipients": []}) == []


def test_times_have_three_or_seven_digits_as_the_type_says() -> None:
    """And the event's own time always seven."""
    (one,) = wrapped("ChatMessageReceivedInThread")
    assert one.grid["data"]["composeTime"] == "2026-11-21T12:00:00.123Z"
    assert one.grid["eventTime"] == "2026-11-21T12:00:00.1234560Z"


def test_a_key_without_a_value_is_left_out() -> None:
    """None is not told; an empty text is."""
    (one,) = wrapped("ChatMessageReceivedInThread", facts={"sender_display_name": None, "content": ""})
    assert "senderDisplayName" not in one.grid["data"]
    assert one.grid["data"]["messageBody"] == ""


def test_a_dotted_key_nests() -> None:
    """The topic stands under properties."""
    catalogue = load()
    name = "Microsoft.Communication.ChatThreadCreatedWithUser"
    event = example(catalogue, name, "trunkline", NOW, Ids())
    (one,) = Template(catalogue.event_types[name]).wrap(event, TOPIC)
    data = one.grid["data"]
    assert data["properties"] == {"topic": "Order 1024"}
    ada, ben = data["members"]
    assert (ada["displayName"], ben["displayName"]) == ("Ada", "Ben")
    assert data["participants"][1]["participantCommunicationIdentifier"]["rawId"] == ben["memberId"]
    assert data["participants"][1]["metadata"] == {}


def test_a_type_can_be_told_for_each_participant() -> None:
    """One envelope each, with an id and a subject of its own."""
    row = EventType(
        on="chat.thread.created",
        brief="x",
        subject="participant/{participant_id}",
        each="participant",
        data={"participantAdded": "participant | participant"},
        name="Example.Each",
    )
    event = example(load(), "ChatThreadCreated", "trunkline", NOW, Ids())
    ada, ben = Template(row).wrap(event, TOPIC)
    assert ada.id != ben.id
    assert [one.grid["data"]["participantAdded"]["displayName"] for one in (ada, ben)] == ["Ada", "Ben"]
    assert ben.subject == "participant/" + event.facts["participants"][1]["id"]


def test_a_delivery_attribute_is_a_text_a_number_or_a_truth_value() -> None:
    """Everything else is not told."""
    (one,) = wrapped("ChatMessageReceivedInThread")
    one.grid["data"]["urgent"] = True
    told = {
        path: attribute(one, path) for path in ("data.version", "subject", "data.urgent", "data.metadata", "data.x")
    }
    assert told == {
        "data.version": "1771000000000",
        "subject": f"thread/19:t1@thread.v2/sender/{ADA}",
        "data.urgent": "true",
        "data.metadata": None,
        "data.x": None,
    }
