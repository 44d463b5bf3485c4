"""The webhook of `trunkline listen`."""

from __future__ import annotations

import io
import json

import pytest

from trunkline.cli.receiver import Receiver, render
from trunkline.errors import ConfigurationError

EVENT = {
    "id": "1",
    "eventType": "Microsoft.Communication.ChatMessageReceived",
    "subject": "thread/1",
    "eventTime": "2026-11-21T12:00:00.1234567Z",
    "data": {"messageBody": "hi"},
}


def receiver(forward: str = "") -> tuple[Receiver, io.StringIO]:
    """Make a receiver that is not started, and what it writes to."""
    out = io.StringIO()
    made = Receiver("/secret", 0, forward=forward, as_json=False, out=out)
    made.stop()
    return made, out


def test_it_answers_the_handshake_and_prints_nothing() -> None:
    """The code comes back as the response."""
    made, out = receiver()
    body = json.dumps([{"id": "1", "data": {"validationCode": "c0de"}}]).encode()
    status, answer = made.take({"aeg-event-type": "SubscriptionValidation"}, body)
    assert (status, json.loads(answer)) == (200, {"validationResponse": "c0de"})
    assert out.getvalue() == ""


def test_it_prints_an_event_for_people() -> None:
    """Time, short type and subject, and the data below."""
    made, out = receiver()
    assert made.take({"aeg-event-type": "Notification"}, json.dumps([EVENT]).encode()) == (200, b"")
    assert out.getvalue() == '12:00:00.123  ChatMessageReceived  thread/1\n  {"messageBody":"hi"}\n'


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"'])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    """The sender hears 400."""
    made, out = receiver()
    assert made.take({}, body)[0] == 400
    assert out.getvalue() == ""


def test_a_delivery_that_cannot_be_forwarded_is_tried_again() -> None:
    """The sender hears 502, so its ladder goes on."""
    made, out = receiver(forward="http://127.0.0.1:9/")
    assert made.take({"aeg-event-type": "Notification"}, json.dumps([EVENT]).encode())[0] == 502
    assert "not forwarded" in out.getvalue()


def test_only_its_own_path_is_known() -> None:
    """Nobody else can make events up."""
    made, _ = receiver()
    assert made.knows("/secret")
    assert not made.knows("/")


def test_a_taken_port_and_a_wrong_address_are_explained() -> None:
    """Both say which option to change."""
    with pytest.raises(ConfigurationError, match="--forward"):
        receiver(forward="localhost:3000")
    first = Receiver("/a", 0, forward="", as_json=False, out=io.StringIO())
    port = int(first.url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigurationError, match="--port"):
        Receiver("/b", port, forward="", as_json=False, out=io.StringIO())
    first.stop()


def test_a_cloud_event_is_printed_the_same_way() -> None:
    """Its keys have other names."""
    cloud = {"type": "Microsoft.Communication.ChatThreadDeleted", "time": "2026-11-21T12:00:00Z", "data": None}
    assert render(cloud, as_json=False).startswith("12:00:00Z  ChatThreadDeleted")
