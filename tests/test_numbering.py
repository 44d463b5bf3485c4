"""Numbers as texts: what most are told by is what the whole plan tells."""

from __future__ import annotations

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.numbering import country_of, is_phone

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def plainly(number: str) -> tuple[bool, str]:
    """Ask the library for everything."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False, ""
    if not phonenumbers.is_possible_number(parsed):
        return False, ""
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return True, "" if country in {"001", "ZZ"} else country


@settings(max_examples=1500, deadline=None)
@given(code=st.sampled_from(CODES), rest=st.text("0123456789", min_size=1, max_size=12))
def test_the_short_way_tells_what_the_long_one_does(code: int, rest: str) -> None:
    """Of every calling code, with prefixes and of every length."""
    number = f"+{code}{rest}"
    if not 8 <= len(number) <= 16:
        assert (is_phone(number), country_of(number)) == (False, "")
        return
    possible, country = plainly(number)
    assert is_phone(number) is possible
    assert country_of(number) == country
