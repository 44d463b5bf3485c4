"""Incidents by e-mail: told once when they begin and once when they are over, through trouble and restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.insight.scene import begin, kept, pass_minute
from tests.support.mail import MailServer, serving_mail
from tests.support.world import World
from trunkline.delivery.mails import mails
from trunkline.errors import ConfigurationError

SENDER, OPS, BOSS = "trunkline@example.com", "ops@example.com", "boss@example.com"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """Run a mail server."""
    with serving_mail() as server:
        yield server


@pytest.fixture
def make_mailing(mail: MailServer, make_world: Callable[..., World]) -> Callable[..., World]:
    """Make a world whose incidents are told by e-mail; it stops before the mail server, for which it would wait."""

    def make(**given: Any) -> World:
        settings = {"smtp_url": f"smtp://127.0.0.1:{mail.port}", "alert_mail_from": SENDER, "alert_mail_to": (OPS,)}
        return make_world(**{**settings, **given})

    return make


def fail(world: World) -> None:
    """Let five minutes pass in which requests fail."""
    begin(world)
    for _ in range(5):
        pass_minute(world, good=8, bad=2)


def owed(world: World) -> list[Any]:
    """List the letters that are owed."""
    return list(world.house.database.read_now(lambda reader: reader.all(sa.select(mails))))


def test_an_outage_is_told_when_it_begins_and_when_it_is_over(
    make_mailing: Callable[..., World], mail: MailServer
) -> None:
    """To each on call in a letter of their own; with the figures, the requests and the question."""
    world = make_mailing(alert_mail_to=(OPS, BOSS))
    fail(world)
    world.until(lambda: len(mail.came) == 2)
    assert sorted(letter["To"] for letter in mail.came) == [BOSS, OPS]
    letter = mail.came[0]
    whole, own = kept(world)
    assert letter["Subject"] == "[Trunkline, critical] Chat: requests fail beyond retrying"
    text = letter.get_content()
    assert "10 of 50 requests (20.0 %)" in text
    assert f"trunkline health incident {whole.id}" in text
    assert all(sample["ms_cv"] in text for sample in own.samples)
    for _ in range(10):
        pass_minute(world, good=5)
    world.until(lambda: len(mail.came) == 4)
    assert {str(one["Subject"]) for one in mail.came[2:]} == {"[Trunkline, over] Chat: requests fail beyond retrying"}
    assert len({one["Message-ID"] for one in mail.came}) == 4
    world.until(lambda: owed(world) == [])


def test_a_letter_is_offered_until_it_is_taken(make_mailing: Callable[..., World], mail: MailServer) -> None:
    """After ten seconds, then thirty; a restart forgets nothing."""
    world = make_mailing()
    mail.refusals += ["451 later", "421 busy"]
    fail(world)
    world.until(lambda: mail.offers == 1 and owed(world)[0].attempts == 1)
    world.advance(9)
    assert mail.offers == 1
    world.advance(2)
    world.until(lambda: mail.offers == 2 and owed(world)[0].attempts == 2)
    world.restart()
    world.advance(31)
    world.until(lambda: len(mail.came) == 1 and owed(world) == [])
    assert world.house.postman is not None


def test_a_letter_that_is_returned_is_given_up(
    make_mailing: Callable[..., World], mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says which, and why."""
    world = make_mailing()
    mail.refusals.append("550 no such user")
    with caplog.at_level(logging.ERROR):
        fail(world)
        world.until(lambda: mail.offers == 1 and owed(world) == [])
    assert mail.came == []
    assert any("no such user" in record.getMessage() for record in caplog.records)


def test_after_a_day_a_letter_is_given_up(make_mailing: Callable[..., World], mail: MailServer) -> None:
    """Who is down that long has other means."""
    world = make_mailing()
    mail.refusals += ["451 later"] * 9
    fail(world)
    world.until(lambda: mail.offers == 1 and owed(world)[0].attempts == 1)
    world.advance(24 * 3600)
    world.until(lambda: mail.offers >= 2 and not any(".opened." in one.id for one in owed(world)))
    assert mail.came == []


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_url": ""},
        {"alert_mail_from": ""},
        {"alert_mail_to": ()},
        {"smtp_url": "mail.example"},
        {"alert_mail_to": ("ops",)},
        {"alert_mail_to": ("Ops <ops@example.com>",)},
        {"alert_mail_from": "a@b\nBcc: c@d"},
    ],
)
def test_settings_that_tell_nobody_stop_the_start(make_mailing: Callable[..., World], given: dict[str, Any]) -> None:
    """A slip is found before the first outage; the address of the mail server, with its password, is not shown."""
    with pytest.raises(ConfigurationError):
        make_mailing(**given)


def test_the_password_reaches_no_log(
    make_mailing: Callable[..., World], mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not when the server refuses it, and not in what the settings show."""
    with caplog.at_level(logging.DEBUG):
        world = make_mailing(smtp_url=f"smtp://ops:hunter2@127.0.0.1:{mail.port}")
        fail(world)
        world.until(lambda: bool(owed(world)) and owed(world)[0].attempts == 1)
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(world.settings)
