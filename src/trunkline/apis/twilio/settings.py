"""Settings of an account: two flags, kept as they were said. Nothing is switched off by them here."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.auth import Callers
from trunkline.apis.twilio.forms import account_sid, read_form, truth
from trunkline.services.flags import Flags
from trunkline.services.resources import Resource

_FLAGS = {"AdvancedFeatures": "advanced_features", "VoiceTrace": "voice_trace"}


class SettingHandlers:
    """The operations of settings."""

    def __init__(self, flags: Flags, callers: Callers) -> None:
        self._flags = flags
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"FetchAccountSettings": self.fetch, "UpdateAccountSettings": self.update}

    async def fetch(self, exchange: Exchange) -> Response:
        """Tell the flags of the account, or of a subaccount."""
        account = self._account(exchange, exchange.query.get("subaccountsid"))
        return _answer(exchange, account, await self._flags.of(account.name))

    async def update(self, exchange: Exchange) -> Response:
        """Set the flags that are given."""
        form = read_form(exchange)
        given = {flag: truth(name, form[name]) for name, flag in _FLAGS.items() if name in form}
        account = self._account(exchange, form.get("SubaccountSid"))
        return _answer(exchange, account, await self._flags.set(account.name, given))

    def _account(self, exchange: Exchange, sid: str | None) -> Resource:
        if sid is None:
            return exchange.owner
        return self._callers.subaccount(exchange, "SubaccountSid", account_sid("SubaccountSid", sid))


def _answer(exchange: Exchange, account: Resource, flags: Mapping[str, bool]) -> Response:
    """Render the flags; what was never set is on, because it is."""
    return json_response(
        {
            "account_sid": account.sid,
            **{flag: flags.get(flag, True) for flag in _FLAGS.values()},
            "url": f"{exchange.base_url}/v1/Voice/Settings",
        }
    )
