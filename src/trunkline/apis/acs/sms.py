"""SMS: messages out, and who wants none (api-version 2026-01-23 and before)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.errors import UnservedError
from trunkline.numbering import country_of, is_phone, kind_of
from trunkline.services.sms import Sms
from trunkline.services.sms.sending import BAD_NUMBER, MOST_RECIPIENTS, Message, Recipient, Result

NUMBER_TYPES = {
    "long code": "LongCodeNumber",
    "toll free": "LongCodeNumber",
    "short code": "ShortCodeNumber",
    "sender name": "DynamicAlphaSenderID",
}
"""The kinds of numbers in the vendor's words."""

_Act = Callable[[str, str, Sequence[str]], Awaitable[dict[str, bool]]]


class Form(msgspec.Struct, kw_only=True, rename="camel"):
    """A body; what it has besides is ignored."""


class RecipientForm(Form, kw_only=True, rename="camel"):
    """One recipient of a message."""

    to: str
    repeatability_request_id: str | None = None
    repeatability_first_sent: str | None = None


class OptionsForm(Form, kw_only=True, rename="camel"):
    """What is wanted besides the message itself."""

    enable_delivery_report: bool = False
    tag: str | None = None
    messaging_connect: Any = None
    delivery_report_timeout_in_seconds: int | None = None


class SendRequest(Form, kw_only=True, rename="camel"):
    """The body of a message."""

    sender: str = msgspec.field(name="from")
    sms_recipients: list[RecipientForm]
    message: str
    sms_send_options: OptionsForm | None = None


class OptOutRecipient(Form, kw_only=True):
    """One recipient who opts out or in."""

    to: str


class OptOutRequest(Form, kw_only=True):
    """The body of each request about opt-outs."""

    sender: str = msgspec.field(name="from")
    recipients: list[OptOutRecipient]


class SmsHandlers:
    """The operations of text messages."""

    def __init__(self, sms: Sms) -> None:
        self._sms = sms

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "SMSMessageSent": self.send,
            "OptOutsAdd": self.opt_out,
            "OptOutsRemove": self.opt_in,
            "OptOutsCheck": self.check,
        }

    async def send(self, exchange: Exchange) -> Response:
        """Send a message: 202, and for each recipient whether it was taken."""
        body = exchange.json(SendRequest)
        options = body.sms_send_options or OptionsForm()
        if options.messaging_connect is not None:
            raise UnservedError("Messages through a partner of the vendor (messagingConnect) are not served.")
        if options.delivery_report_timeout_in_seconds is not None:
            raise UnservedError("deliveryReportTimeoutInSeconds is not served yet: a carrier's report has no deadline.")
        message = Message(
            sender=body.sender, content=body.message, wants_report=options.enable_delivery_report, tag=options.tag
        )
        recipients = [
            Recipient(number=one.to, repeat=(one.repeatability_request_id or "").lower()) for one in body.sms_recipients
        ]
        _describe(exchange, body.sender, [one.number for one in recipients])
        exchange.extra["outgoing_message_length"] = str(len(body.message))
        results = await self._sms.sending.send(exchange.actor, message, recipients)
        value = [_result(result, one) for result, one in zip(results, recipients, strict=True)]
        return json_response({"value": value}, 202)

    async def opt_out(self, exchange: Exchange) -> Response:
        """Let recipients get no more messages from a number."""
        return await self._answer(exchange, "Add", self._sms.optouts.add)

    async def opt_in(self, exchange: Exchange) -> Response:
        """Let recipients get messages from a number again."""
        return await self._answer(exchange, "Remove", self._sms.optouts.remove)

    async def check(self, exchange: Exchange) -> Response:
        """Tell which recipients get no messages from a number."""
        return await self._answer(exchange, "Check", self._sms.optouts.check)

    async def _answer(self, exchange: Exchange, action: str, act: _Act) -> Response:
        body = exchange.json(OptOutRequest)
        numbers = [one.to for one in body.recipients]
        _describe(exchange, body.sender, numbers)
        exchange.extra["opt_action"] = action
        found = await act(exchange.owner.name, body.sender, numbers)
        return json_response({"value": [_opted(number, found.get(number)) for number in numbers]})


def _describe(exchange: Exchange, sender: str, recipients: Sequence[str]) -> None:
    """Measure the request by its sender's kind of number, and by the country when all recipients have the same."""
    if kind := kind_of(sender):
        exchange.extra["phone_number"] = sender
        exchange.extra["number_type"] = NUMBER_TYPES[kind]
    countries = {country_of(number) for number in recipients[:MOST_RECIPIENTS] if is_phone(number)}
    if len(countries) == 1 and (country := countries.pop()):
        exchange.extra["country"] = country


def _result(result: Result, asked: Recipient) -> dict[str, Any]:
    if result.problem:
        return {"to": result.number, "httpStatusCode": 400, "successful": False, "errorMessage": result.problem}
    answer = {"to": result.number, "messageId": result.message_id, "httpStatusCode": 202, "successful": True}
    return {**answer, "repeatabilityResult": "accepted"} if asked.repeat else answer


def _opted(number: str, is_out: bool | None) -> dict[str, Any]:
    if is_out is None:
        return {"to": number, "httpStatusCode": 400, "errorMessage": BAD_NUMBER}
    return {"to": number, "httpStatusCode": 200, "isOptedOut": is_out}
