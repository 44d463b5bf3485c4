"""Forms: the bodies of posts, and texts of parameters read as what they stand for."""

from __future__ import annotations

from urllib.parse import parse_qsl

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.errors import bad
from trunkline.catalogue.twilio.sids import is_account
from trunkline.errors import InvalidError

_MOST_FIELDS = 50


def read_form(exchange: Exchange) -> dict[str, str]:
    """Read the body as a form; raises InvalidError. Of a field given twice the last one counts."""
    try:
        return dict(parse_qsl(exchange.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise InvalidError(
            f"The body is no form of at most {_MOST_FIELDS} fields, as application/x-www-form-urlencoded."
        ) from error


def truth(name: str, text: str) -> bool:
    """Read a flag; raises InvalidError."""
    if text.lower() not in {"true", "false"}:
        raise bad(name, "it is true or false.")
    return text.lower() == "true"


def account_sid(name: str, text: str) -> str:
    """Read an account's SID; raises InvalidError."""
    if not is_account(text):
        raise bad(name, "it is AC and 32 hexadecimal digits.")
    return "AC" + text[2:].lower()
