"""Dead letters: the event as it was, with why it was given up."""

from datetime import timedelta

import msgspec
import pytest

from tests.delivery.rig import a_parcel
from trunkline.clock import TurnedClock
from trunkline.delivery.parcel import Parcel
from trunkline.events.dead_letters import outcome_of, phrase_of, reason_of, render

CLOCK = TurnedClock()


def a_dead_parcel(**changes: object) -> Parcel:
    """Make a parcel that was given up."""
    tried_at = CLOCK.now() + timedelta(minutes=1)
    return a_parcel(CLOCK, "http://hooks.example/", **{"state": "dead", "attempts": 1, "tried_at": tried_at, **changes})


def test_a_dead_letter_is_the_event_with_documented_keys() -> None:
    """An array of events, each with reason, attempts, outcome and times."""
    parcel = a_dead_parcel(reason="rejected", last_status=400, last_outcome="rejected")
    assert render(parcel) == [
        {
            "id": "e1",
            "deadLetterReason": "UndeliverableDueToHttpBadRequest",
            "deliveryAttempts": 1,
            "lastDeliveryOutcome": "BadRequest",
            "publishTime": "2026-11-21T12:00:00.0000000Z",
            "lastDeliveryAttemptTime": "2026-11-21T12:01:00.0000000Z",
            "lastHttpStatusCode": 400,
        }
    ]


def test_a_dead_cloudevent_has_the_keys_in_lower_case() -> None:
    """As extension attributes must be; a single object becomes an array of one."""
    body = msgspec.json.encode({"id": "e1", "specversion": "1.0"})
    (event,) = render(a_dead_parcel(body=body, reason="attempts exceeded", last_outcome="unreachable", attempts=30))
    assert event["deadletterreason"] == "MaxDeliveryAttemptsExceeded"
    assert (event["deliveryattempts"], event["lastdeliveryoutcome"]) == (30, "SocketError")
    assert "lasthttpstatuscode" not in event


def test_a_parcel_that_was_never_tried_has_no_last_attempt() -> None:
    """Its time was over before."""
    (event,) = render(a_dead_parcel(reason="time exceeded", attempts=0, tried_at=None))
    assert event["deadLetterReason"] == "TimeToLiveExceeded"
    assert not {"lastDeliveryOutcome", "lastDeliveryAttemptTime"} & event.keys()


@pytest.mark.parametrize(
    ("status", "outcome", "word"),
    [
        (401, "rejected", "Unauthorized"),
        (403, "rejected", "Forbidden"),
        (404, "failed", "NotFound"),
        (413, "rejected", "PayloadTooLarge"),
        (503, "failed", "Busy"),
        (500, "failed", "GenericError"),
        (0, "timed out", "TimedOut"),
        (0, "unresolved", "ResolutionError"),
        (0, "untrusted", "SocketError"),
        (0, "refused", "Disabled"),
    ],
)
def test_the_last_outcome_is_told_in_the_documented_words(status: int, outcome: str, word: str) -> None:
    """By status when there was one, else by what happened."""
    assert outcome_of(a_dead_parcel(last_status=status, last_outcome=outcome)) == word


def test_a_status_is_named_in_one_word() -> None:
    """As the tools show it."""
    assert [phrase_of(status) for status in (0, 404, 413, 599)] == [
        "Unknown",
        "NotFound",
        "RequestEntityTooLarge",
        "599",
    ]
    assert reason_of(a_dead_parcel(reason="rejected", last_status=413)).endswith("HttpRequestEntityTooLarge")
