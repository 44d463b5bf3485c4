"""Numbers as texts: what most are told by is what the whole plan tells."""

from __future__ import annotations

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.numbering import calling_prefixes, country_of, described, is_phone

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


@settings(max_examples=300, deadline=None)
@given(
    country=st.sampled_from(["US", "CA", "DO", "RU", "KZ", "HR", "DE"]),
    rest=st.text("0123456789", min_size=9, max_size=9),
)
def test_a_country_s_numbers_begin_with_its_prefixes_and_no_other_s_do(country: str, rest: str) -> None:
    """Also where countries share a calling code by areas, of numbers that their plans know."""
    for prefix in calling_prefixes(country)[:: max(1, len(calling_prefixes(country)) // 7)]:
        number = (prefix + rest)[: 12 if prefix[1] in "17" else 13]
        if phonenumbers.is_valid_number(phonenumbers.parse(number)):
            assert country_of(number) == country


def test_of_countries_that_share_a_code_the_main_one_has_it() -> None:
    """The others have none, and nor has a country that is none."""
    assert calling_prefixes("GB") == ("+44",)
    assert calling_prefixes("JE") == calling_prefixes("XX") == calling_prefixes("") == ()
    assert "+1613" in calling_prefixes("CA")
    assert "+1613" not in calling_prefixes("US")


def test_a_number_tells_its_calling_code_and_line() -> None:
    """As far as its plan does."""
    assert described("+385911234567") == (385, "mobile")
    assert described("+38512345678") == (385, "landline")
    assert described("+14155552671") == (1, "")
    assert described("alice") == described("+1") == described("") == (0, "")
