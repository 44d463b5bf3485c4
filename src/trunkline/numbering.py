"""Numbers as texts: what kind of number one is, how it is written, and which country it is of."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from trunkline.errors import InvalidError

LONG_CODE = "long code"
TOLL_FREE = "toll free"
SHORT_CODE = "short code"
SENDER_NAME = "sender name"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_SHORT = re.compile(r"[0-9]{3,6}\Z")
# GSM 03.40: at most 11 characters; one letter at least tells it from a number
_NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9 &_-]{1,11}\Z")
_SEPARATORS = re.compile(r"[\s().-]+")


def written(text: str) -> str:
    """Return a number as it is compared: E.164 without spaces, a short code, or a sender name. Raises InvalidError."""
    bare, name = _SEPARATORS.sub("", text), text.strip()
    if is_address(bare):
        return bare
    if _NAME.match(name):
        return name
    raise InvalidError(
        f"{text[:40]!r} is no number: write E.164 (+18005550199), a short code (3 to 6 digits), or a sender name (up "
        "to 11 letters and digits).",
        target="number",
    )


def is_phone(text: str) -> bool:
    """Tell whether a text is a phone number in E.164 that its country's numbering plan can have."""
    return bool(_E164.match(text)) and _is_possible(text)  # what is cached is short: texts come in as users please


@lru_cache(10_000)
def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def is_address(text: str) -> bool:
    """Tell whether a text is a phone number in E.164 or a short code: what can send and get text messages."""
    return bool(_SHORT.match(text)) or is_phone(text)


def kind_of(text: str) -> str:
    """Return what kind of number a text is; "" if it is none."""
    if is_phone(text):
        return TOLL_FREE if _is_toll_free(text) else LONG_CODE
    if _SHORT.match(text):
        return SHORT_CODE
    return SENDER_NAME if _NAME.match(text) else ""


@lru_cache(1000)
def _is_toll_free(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(number)) == phonenumbers.PhoneNumberType.TOLL_FREE


def country_of(text: str) -> str:
    """Return the country of a phone number as two letters (of those that share a code, the main one); "" if none."""
    return _country(text) if is_phone(text) else ""


@lru_cache(10_000)
def _country(number: str) -> str:
    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return "" if country in {"001", "ZZ"} else country
