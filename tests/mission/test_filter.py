"""The documentation's own filter for the numbers of one area, pasted as it stands, against its own samples' subject."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mission.journey import BRANCH, OFFICE, answer, subscribe_with, text
from tests.mission.samples import FILTER, SMS, SUBJECT
from tests.support.customer import Customer, visiting
from tests.support.webhook import Webhook, kind_of, webhook
from trunkline.events.filters import Filter, Sieve
from trunkline.library.served import serve

WITH_A_SLASH = {**FILTER, "subjectBeginsWith": "/phonenumber/1555"}


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a webhook that agrees."""
    with webhook() as one:
        yield one


@contextmanager
def texting(folder: Path, hook: Webhook, **settings: bool) -> Iterator[Customer]:
    """Subscribe with the filter as it is and with a slash, and let text messages go and come at two numbers."""
    with serve(folder, numbers=(OFFICE, BRANCH), **settings) as server, visiting(server) as customer:
        subscribe_with(customer, hook, "pasted", FILTER)
        subscribe_with(customer, hook, "slashed", WITH_A_SLASH)
        for number in (BRANCH, OFFICE):
            text(customer, number)
            answer(customer, number)
        hook.wait(2, target="/slashed")
        customer.settle()
        yield customer


def heard(hook: Webhook, name: str) -> set[tuple[str, str]]:
    """Return what came to a path: types and subjects."""
    return {(kind_of(event), event["subject"]) for event in hook.events(target=f"/{name}")}


def test_the_filter_takes_what_concerns_the_numbers_of_its_area(tmp_path: Path, hook: Webhook) -> None:
    """Received messages and reports of the one number, none of the other's; with the slash it is the same."""
    with texting(tmp_path, hook):
        expected = {(name, SUBJECT) for name in SMS}
        assert heard(hook, "pasted") == expected
        assert heard(hook, "slashed") == expected


def test_with_the_strict_switch_the_filter_takes_what_it_says(tmp_path: Path, hook: Webhook) -> None:
    """No subject begins as it says; with the slash it works."""
    with texting(tmp_path, hook, lenient_subjects=False):
        assert heard(hook, "pasted") == set()
        assert heard(hook, "slashed") == {(name, SUBJECT) for name in SMS}


@pytest.mark.parametrize("lenient", [True, False])
def test_the_sample_s_subject_passes_as_the_switch_says(lenient: bool) -> None:
    """The same question, put to the filter alone."""
    wanted = Filter(types=tuple(FILTER["includedEventTypes"]), subject_begins=str(FILTER["subjectBeginsWith"]))
    sieve = Sieve(wanted, lenient_subjects=lenient)
    assert sieve.takes_type(wanted.types[0])
    assert sieve.takes_subject(SUBJECT) is lenient
