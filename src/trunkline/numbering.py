"""Numbers as texts: what kind of number one is, how it is written, of which country and whose range it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

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
_NO_COUNTRY = "001"
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
    return bool(_E164.match(text)) and _of_plan(text)[0]  # what is cached is short: texts come in as users please


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
    return _of_plan(text)[1] if _E164.match(text) else ""


def network_of(text: str) -> str:
    """Return the network that a phone number's range was given to first; "" where that is not known.

    Who has changed networks since and kept the number is told of the first one.
    """
    if not _E164.match(text):
        return ""
    names, longest = _networks()
    for digits in range(min(len(text) - 1, longest), 1, -1):
        found = names.get(text[1 : 1 + digits])
        if found is not None:
            return found
    return ""


@cache
def _networks() -> tuple[dict[str, str], int]:
    """Return the networks by the digits that their ranges begin with, and how many digits these have at most."""
    from phonenumbers.carrierdata import CARRIER_DATA, CARRIER_LONGEST_PREFIX  # noqa: PLC0415 - large; not all need it

    names = {digits: of.get("en") or next(iter(of.values())) for digits, of in CARRIER_DATA.items()}
    return names, int(CARRIER_LONGEST_PREFIX)


def _of_plan(number: str) -> tuple[bool, str]:
    """Return whether a number's plan can have it, and the country; most are told by their length (1 µs, else 100)."""
    for digits in (1, 2, 3):
        plan = _plan(number[1 : 1 + digits])
        if plan is not None:
            rest = number[1 + digits :]
            if len(rest) in plan.lengths and not (plan.prefix and plan.prefix.match(rest)):
                return True, plan.country
            break
    return _parsed(number)


@dataclass(frozen=True)
class _Plan:
    """The plan of a calling code that is one country's own: how long its numbers are, and what is dialled before."""

    country: str
    lengths: frozenset[int]
    prefix: re.Pattern[str] | None


@lru_cache(1200)
def _plan(code: str) -> _Plan | None:
    """Return the plan of a calling code; None where there is none, or several countries share it."""
    countries = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    if len(countries) != 1 or countries[0] == _NO_COUNTRY:
        return None
    plan = phonenumbers.PhoneMetadata.metadata_for_region(countries[0])
    if plan is None or plan.general_desc is None:
        return None
    prefix = plan.national_prefix_for_parsing
    return _Plan(countries[0], frozenset(plan.general_desc.possible_length), re.compile(prefix) if prefix else None)


@lru_cache(20_000)
def _parsed(number: str) -> tuple[bool, str]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False, ""
    if not phonenumbers.is_possible_number(parsed):
        return False, ""
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return True, "" if country in {_NO_COUNTRY, "ZZ"} else country


# the codes whose countries are told by the first three digits after it, from which on, and what makes a number of them
_BY_AREA = {1: (200, "2345678"), 7: (300, "2345678")}


@lru_cache(300)
def calling_prefixes(country: str) -> tuple[str, ...]:
    """Return what the numbers of a country (two letters) begin with, so that they can be searched for.

    Of countries that share the code 1 or 7 these are its first digits with three more; of others that share one, the
    main country has it all.
    """
    code = phonenumbers.country_code_for_region(country)
    if code not in _BY_AREA:
        is_main = bool(code) and phonenumbers.region_code_for_country_code(code) == country
        return (f"+{code}",) if is_main else ()
    first, rest = _BY_AREA[code]
    prefixes = (f"+{code}{area}" for area in range(first, 1000))
    return tuple(prefix for prefix in prefixes if country_of(prefix + rest) == country)


@lru_cache(20_000)
def described(text: str) -> tuple[int, str]:
    """Return a phone number's calling code, and whether it is of a mobile, a landline or voip; 0 and "" if unknown."""
    if not is_phone(text):
        return 0, ""
    parsed = phonenumbers.parse(text)
    return parsed.country_code or 0, _LINES.get(phonenumbers.number_type(parsed), "")


_LINES = {
    phonenumbers.PhoneNumberType.MOBILE: "mobile",
    phonenumbers.PhoneNumberType.FIXED_LINE: "landline",
    phonenumbers.PhoneNumberType.VOIP: "voip",
}
