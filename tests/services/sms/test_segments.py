"""How many parts a text takes on the air, against a naive reading of the standard."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.services.sms.segments import count, is_narrow

# the table of 3GPP TS 23.038, 6.2.1, in the order of its codes; \x1b leads to the extension table
TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
NARROW = [character for character in TABLE if character != "\x1b"]


def octets_of(text: str) -> tuple[list[int], int, int]:
    """Return the sizes of a text's characters, what one message holds, and what one part of several holds."""
    if set(text) <= set(NARROW) | set(EXTENSION):
        return [2 if character in EXTENSION else 1 for character in text], 160, 153
    return [len(character.encode("utf-16-be")) // 2 for character in text], 70, 67


def naive(text: str) -> int:
    """Cut as much as fits off the front until nothing is left."""
    sizes, whole, part = octets_of(text)
    if sum(sizes) <= whole:
        return 1
    parts = 0
    while sizes:
        fitting = max(many for many in range(1, part + 1) if sum(sizes[:many]) <= part)
        sizes, parts = sizes[fitting:], parts + 1
    return parts


TEXTS = st.one_of(
    st.text(st.sampled_from(NARROW), max_size=400),
    st.text(st.sampled_from([*NARROW[:3], *EXTENSION]), max_size=400),
    st.text(st.sampled_from("aé漢😀"), max_size=300),
    st.text(max_size=300),
)


def test_the_alphabet_has_127_characters_and_ten_more() -> None:
    """The table of this test is whole."""
    assert (len(TABLE), len(set(TABLE)), len(EXTENSION)) == (128, 128, 10)


@given(TEXTS)
@example("")
@example("x" * 152 + "€" + "x" * 152)
@example("漢" * 66 + "😀" + "漢" * 67)
def test_a_text_takes_as_many_parts_as_cutting_it_gives(text: str) -> None:
    """Whatever it consists of."""
    assert count(text) == naive(text)


@given(TEXTS, TEXTS)
def test_a_longer_text_never_takes_fewer_parts(text: str, more: str) -> None:
    """Not even when what is added makes it wide."""
    assert count(text + more) >= count(text) >= 1


@pytest.mark.parametrize(
    ("length", "parts"), [(0, 1), (1, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3), (460, 4), (2048, 14)]
)
def test_160_narrow_characters_fit_and_153_in_each_of_several(length: int, parts: int) -> None:
    """The header that joins parts takes seven characters."""
    assert count("x" * length) == parts


@pytest.mark.parametrize(
    ("length", "parts"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (2048, 31)]
)
def test_70_wide_characters_fit_and_67_in_each_of_several(length: int, parts: int) -> None:
    """One wide character makes the whole text wide."""
    assert count("漢" * length) == parts
    assert count("x" * (length - 1) + "漢") == parts


@pytest.mark.parametrize("character", EXTENSION)
def test_a_character_of_the_extension_takes_the_place_of_two(character: str) -> None:
    """80 of them fill a message."""
    assert is_narrow(character)
    assert (count(character * 80), count(character * 80 + "x")) == (1, 2)


def test_a_character_of_the_extension_is_not_torn_apart() -> None:
    """One place is left empty rather than that: 76 of two in each part of 153."""
    assert count("€" * 152) == 2
    assert count("€" * 153) == 3
    assert count("x" * 152 + "€" + "x" * 151) == 2
    assert count("x" * 152 + "€" + "x" * 152) == 3


def test_a_surrogate_pair_is_not_torn_apart() -> None:
    """A character beyond the first plane takes two places of 67: 33 in each part."""
    assert (count("😀" * 35), count("😀" * 36)) == (1, 2)
    assert (count("😀" * 66), count("😀" * 67)) == (2, 3)
    assert (count("漢" * 66 + "😀" + "漢" * 65), count("漢" * 66 + "😀" + "漢" * 66)) == (2, 3)


@pytest.mark.parametrize("character", ["ç", "`", "\t", "\u2019", "😀", "\u0430", "\x1b", "\0"])
def test_what_the_alphabet_lacks_makes_a_text_wide(character: str) -> None:
    """Such as the apostrophe that phones like to put, which makes three messages of one."""
    assert not is_narrow("Hello" + character)
    assert count("x" * 159 + character) == 3
