"""Telling of incidents: an event of the resource that it is about, e-mail and text messages to whoever is on call.

All are handed over in the transaction of the incident itself: what is kept is told, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from trunkline.catalogue.acs import identifiers
from trunkline.catalogue.facts import Fact
from trunkline.clock import milliseconds
from trunkline.config import Settings
from trunkline.delivery import mails
from trunkline.delivery.carriers.smtp import check_address
from trunkline.delivery.mailer import Letter
from trunkline.errors import ConfigurationError, InvalidError
from trunkline.events import outbox
from trunkline.events.event import Event
from trunkline.ids import Ids
from trunkline.insight.incidents import OUTAGE, Change, Incident
from trunkline.numbering import is_address, written
from trunkline.services.notices import Notice
from trunkline.services.numbers import Numbers
from trunkline.services.sms import segments
from trunkline.services.sms.sending import LONGEST_TEXT, Message, fact, hand
from trunkline.state.transaction import Transaction

_HAPPENINGS = {
    "opened": "health.incident.opened",
    "updated": "health.incident.updated",
    "closed": "health.incident.closed",
}
_OF_NOTICES = ("kind", "service", "text", "begins_at", "ends_at", "ended_at")
_FACTS = (
    *("kind", "rule", "service", "within", "title", "level", "began_at", "opened_at", "last_at", "closed_at"),
    *("value", "peak", "threshold", "requests", "failures", "samples", "question"),
)


class Texting(msgspec.Struct, frozen=True, kw_only=True):
    """From which number of the default resource text messages go, and to whom; nobody gets any unless both are set."""

    sender: str = ""
    recipients: tuple[str, ...] = ()


class Mailing(msgspec.Struct, frozen=True, kw_only=True):
    """From which address e-mail goes, and to whom; nobody gets any unless both are set."""

    sender: str = ""
    recipients: tuple[str, ...] = ()


def mailing_of(settings: Settings) -> Mailing:
    """Return who is written to by the settings; raises ConfigurationError."""
    given = (settings.smtp_url, settings.alert_mail_from, settings.alert_mail_to)
    if any(given) and not all(given):
        raise ConfigurationError("smtp_url, alert_mail_from and alert_mail_to need each other; set all or none.")
    for address in (settings.alert_mail_from, *settings.alert_mail_to) if any(given) else ():
        check_address(address, "alert_mail_from or alert_mail_to")
    return Mailing(sender=settings.alert_mail_from, recipients=settings.alert_mail_to)


def texting_of(settings: Settings) -> Texting:
    """Return who is texted by the settings; raises ConfigurationError."""
    if bool(settings.alert_sms_from) is not bool(settings.alert_sms_to):
        raise ConfigurationError("alert_sms_from and alert_sms_to need each other; set both or neither.")
    if not settings.alert_sms_from:
        return Texting()
    try:
        sender = written(settings.alert_sms_from)
        recipients = tuple(written(number) for number in settings.alert_sms_to)
    except InvalidError as error:
        raise ConfigurationError(f"alert_sms_from or alert_sms_to: {error.message}") from error
    if wrong := [number for number in recipients if not is_address(number)]:
        raise ConfigurationError(f"alert_sms_to has {wrong[0]!r}, which no text message reaches.")
    return Texting(sender=sender, recipients=recipients)


class Telling:
    """Tells of incidents and notices; `resource` is whose events those of the whole server are.

    `everybody` lists the resources that notices concern, `nudge` lets those look who carry what was handed over,
    `record` gets a fact of each text message.
    """

    def __init__(
        self,
        *,
        ids: Ids,
        numbers: Numbers,
        resource: str,
        everybody: Callable[[], Iterable[str]],
        texting: Texting,
        mailing: Mailing,
        nudge: Callable[[], None],
        record: Callable[[Fact], None],
    ) -> None:
        self._ids = ids
        self._resource = resource
        self._everybody = everybody
        self._texting = texting
        self._mailing = mailing
        self._nudge = nudge
        self._record = record
        if texting.sender and not numbers.owns(resource, texting.sender):
            raise ConfigurationError(
                f"alert_sms_from is {texting.sender!r}, which the default resource does not own; add it to the "
                "setting numbers, or with `trunkline numbers add`."
            )

    def tell(self, transaction: Transaction, changes: Sequence[Change], now: datetime) -> list[Fact]:
        """Hand over what is told of changes; returns a fact of each text message."""
        texts: list[Fact] = []
        for change in changes:
            if not change.what:
                continue
            outbox.tell(transaction, self._event(change, now))
            if is_for_people(change):
                one = change.incident
                texts += self._text(transaction, sentence(one), now)
                self._write(transaction, f"{one.id}.{change.what}", subject(one), report(one), now)
        return texts

    def told(self, facts: Iterable[Fact]) -> None:
        """Let what was handed over be carried."""
        for one in facts:
            self._record(one)
        self._nudge()

    def _event(self, change: Change, now: datetime) -> Event:
        one = change.incident
        facts = {name: getattr(one, name) for name in _FACTS}
        return Event(
            id=self._ids.guid(),
            name=_HAPPENINGS[change.what],
            resource=one.resource or self._resource,
            at=now,
            cause="",
            facts={"incident_id": one.id, "scope": "resource" if one.resource else "server", **facts},
        )

    def announce(self, transaction: Transaction, notice: Notice, what: str, now: datetime) -> list[Fact]:
        """Hand over what is told of a notice: to every resource, and to whoever is on call."""
        facts = {"notice_id": notice.id, **{name: getattr(notice, name) for name in _OF_NOTICES}}
        for resource in self._everybody():
            event = Event(
                id=self._ids.guid(),
                name=f"health.notice.{what}",
                resource=resource,
                at=now,
                cause="",
                facts=facts,
            )
            outbox.tell(transaction, event)
        said = announcement(notice)
        self._write(transaction, f"{notice.id}.{what}", f"[Trunkline, {notice.kind} {what}]", said, now)
        return list(self._text(transaction, said, now))

    def _write(self, transaction: Transaction, about: str, subject: str, text: str, now: datetime) -> None:
        for place, recipient in enumerate(self._mailing.recipients):
            letter = Letter(
                id=f"{about}.{milliseconds(now)}.{place}",
                sender=self._mailing.sender,
                recipient=recipient,
                subject=subject,
                text=text,
                made_at=now,
            )
            mails.put(transaction, letter)

    def _text(self, transaction: Transaction, said: str, now: datetime) -> Iterator[Fact]:
        message = Message(sender=self._texting.sender, content=f"Trunkline: {said}"[:LONGEST_TEXT])
        parts = segments.count(message.content)
        for number in self._texting.recipients:
            message_id = identifiers.message("Outgoing", now, self._ids.guid())
            hand(
                transaction,
                message_id=message_id,
                resource=self._resource,
                message=message,
                parts=parts,
                recipient=number,
                cause="",
                now=now,
            )
            yield fact(message_id, self._resource, message.sender, number, now, "", parts, None)


def is_for_people(change: Change) -> bool:
    """Tell whether people hear of it: when it begins and ends, and once if it is a whole service's."""
    return change.what in {"opened", "closed"} and not change.incident.within


def sentence(one: Incident) -> str:
    """Say in a sentence what is wrong, or that it is over, since when, and by which figures."""
    where = f" for {one.resource}" if one.resource else ""
    since = one.began_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    if one.closed_at is not None:
        until = one.last_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        state = f"over: {one.title}{where}, from {since} to {until} UTC"
    else:
        state = f"{one.title}{where} since {since} UTC"
    return f"{state}: {_figures(one)}. Incident {one.id}."


def announcement(notice: Notice) -> str:
    """Say in a sentence what is announced, of what, and from when until when."""
    about = notice.service or "all services"
    since = notice.begins_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    over_at = notice.over_at()
    until = f" until {over_at.astimezone(UTC):%Y-%m-%d %H:%M}" if over_at else ""
    state = "over: " if notice.ended_at else ""
    return f"{state}{notice.kind} of {about} from {since}{until} UTC: {notice.text} (notice {notice.id})"


def subject(one: Incident) -> str:
    """Return one line that says what is wrong, or that it is over."""
    where = f" ({one.resource})" if one.resource else ""
    state = "over" if one.closed_at else one.level
    return " ".join(f"[Trunkline, {state}] {one.title}{where}".split())[:200]


def report(one: Incident) -> str:
    """Return an incident in some lines: what is wrong, the requests that made it, and where there is more."""
    lines = [sentence(one), ""]
    for sample in one.samples:
        words = [sample["at"], sample["operation"], str(sample["status"]), sample["resource"], sample["ms_cv"]]
        lines.append("  ".join(words))
    lines += ["", f"trunkline health incident {one.id}", "", "The question that shows its figures (POST /api/v1/ask):"]
    return "\n".join([*lines, msgspec.json.encode(one.question).decode(), ""])


def _figures(one: Incident) -> str:
    if one.kind == OUTAGE and not one.requests:  # as those see it who are told no numbers of others
        return f"up to {100 * (one.peak or 0):.1f} % of the requests of a minute"
    if one.kind == OUTAGE:
        return f"{one.failures} of {one.requests} requests ({100 * (one.share or 0):.1f} %)"
    return "nothing was measured" if one.value is None else f"{one.value:g} was measured"
