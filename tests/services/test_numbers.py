"""Numbers: how they are written, of which kind and country they are, and whose."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.world import World
from trunkline.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError
from trunkline.numbering import (
    LONG_CODE,
    SENDER_NAME,
    SHORT_CODE,
    TOLL_FREE,
    country_of,
    is_address,
    is_phone,
    kind_of,
    written,
)

Make = Callable[..., World]
KINDS = {LONG_CODE, SHORT_CODE, SENDER_NAME, TOLL_FREE}
SEPARATORS = st.sampled_from(["", " ", "-", ".", "(", ")", "\u00a0", "\t"])


@st.composite
def spaced(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a number, bare and as people write it."""
    bare = draw(
        st.from_regex(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True) | st.from_regex(r"[0-9]{3,6}", fullmatch=True)
    )
    bare = re.sub(r"[^+0-9]", "7", bare)  # other scripts' digits are no digits here
    return bare, "".join(character + draw(SEPARATORS) for character in bare)


@given(spaced())
@example(("+18005550199", "+1 (800) 555-0199"))
def test_a_number_is_written_without_what_people_put_between(pair: tuple[str, str]) -> None:
    """Spaces of every kind, brackets, hyphens, dots."""
    bare, text = pair
    assert written(text) == bare


@given(st.text(max_size=40) | st.text(st.sampled_from("+0159 Aa-&_.()"), max_size=18))
@example("+" + "9" * 15)
@example("Acme\n")
@example("١٢٣٤")
@example("+\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18")
def test_what_is_written_is_short_of_one_kind_and_stays_as_it_is(text: str) -> None:
    """It fits the columns that keep it; whatever else there is, is refused."""
    try:
        number = written(text)
    except InvalidError:
        return
    assert written(number) == number
    assert 1 <= len(number) <= 16
    assert number.isascii()
    assert kind_of(number) in KINDS
    assert is_address(number) is (kind_of(number) != SENDER_NAME)
    assert re.fullmatch("|[A-Z]{2}", country_of(number))


@pytest.mark.parametrize(
    ("number", "kind", "country"),
    [
        ("+18005550199", TOLL_FREE, "US"),
        ("+18885550199", TOLL_FREE, "US"),
        ("+14255550123", LONG_CODE, "US"),
        ("+15555555555", LONG_CODE, "US"),
        ("+14165550123", LONG_CODE, "CA"),
        ("+442071838750", LONG_CODE, "GB"),
        ("+4930123456", LONG_CODE, "DE"),
        ("+77011234567", LONG_CODE, "KZ"),
        ("+80012345678", TOLL_FREE, ""),
        ("+882161234567", LONG_CODE, ""),
        ("123", SHORT_CODE, ""),
        ("123456", SHORT_CODE, ""),
        ("Acme Ltd", SENDER_NAME, ""),
        ("1-A&B_c", SENDER_NAME, ""),
    ],
)
def test_a_number_has_a_kind_and_a_country(number: str, kind: str, country: str) -> None:
    """Those that no country has, have none."""
    assert (written(number), kind_of(number), country_of(number)) == (number, kind, country)


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "12", "1234567", "+1", "+123", "+0123456789", "+1234567890123456", "18005550199", "Twelve chars"),
        *("+1800555o199", "Ac/me", "Åcme", "\0", "+1800555019\u0669", "++18005550199", "--"),
        pytest.param("x" * 1_000_000, id="long"),
    ],
)
def test_what_is_no_number_is_of_no_kind(text: str) -> None:
    """Nor has it a country, nor is it remembered, however long it is."""
    assert (kind_of(text), country_of(text), is_phone(text), is_address(text)) == ("", "", False, False)
    with pytest.raises(InvalidError) as refused:
        written(text)
    assert len(refused.value.message) < 300


# --- whose ---


def owned(world: World, resource: str = "trunkline") -> list[str]:
    """List the numbers of a resource."""
    return [one.number for one in world.house.numbers.list(resource)]


def test_the_default_resource_owns_what_the_settings_name(make_world: Make) -> None:
    """In any spelling; nothing of it is kept when the settings name it no more."""
    world = make_world(numbers=("+1 (425) 555-0100", "12345", "Acme"), resource="Shop")
    assert owned(world, "shop") == ["+14255550100", "12345", "Acme"]
    assert {one.added_at for one in world.house.numbers.list("shop")} == {None}
    world.restart(numbers=())
    assert owned(world, "shop") == []


def test_a_setting_that_is_no_number_keeps_the_server_from_starting(make_world: Make) -> None:
    """The sentence names the setting and the number."""
    with pytest.raises(ConfigurationError, match=r"numbers: 'nobody at all' is no number"):
        make_world(numbers=("nobody at all",))


def test_a_number_is_added_and_removed_for_good(world: World) -> None:
    """Both survive a restart; adding twice changes nothing."""
    added = world.run(world.house.numbers.add("trunkline", "+1 425 555 0100"))
    world.advance(60)
    assert world.run(world.house.numbers.add("trunkline", "+14255550100")) == added
    world.restart()
    assert world.house.numbers.list("trunkline")[0] == added
    assert world.house.numbers.owns("trunkline", "+14255550100")
    world.run(world.house.numbers.remove("trunkline", "+1-425-555-0100"))
    assert not world.house.numbers.owns("trunkline", "+14255550100")
    world.restart()
    assert owned(world) == ["+18005550199"]
    with pytest.raises(NotFoundError):
        world.run(world.house.numbers.remove("trunkline", "+14255550100"))


def test_a_number_of_the_settings_is_removed_there(world: World) -> None:
    """Also when it had been added before."""
    with pytest.raises(ConflictError, match="setting"):
        world.run(world.house.numbers.remove("trunkline", "+18005550199"))
    world.run(world.house.numbers.add("trunkline", "+14255550100"))
    world.restart(numbers=("+14255550100",))
    with pytest.raises(ConflictError):
        world.run(world.house.numbers.remove("trunkline", "+14255550100"))
    world.restart(numbers=())
    world.run(world.house.numbers.remove("trunkline", "+14255550100"))


def test_each_resource_has_numbers_of_its_own(world: World) -> None:
    """The same number in two of them has nothing to do with each other: tests side by side use the same ones."""
    numbers = world.house.numbers
    for name in ("shop", "bank"):
        world.run(world.house.resources.create(name))
        world.run(numbers.add(name, "+14255550100"))
    assert not numbers.owns("trunkline", "+14255550100")
    world.run(numbers.remove("shop", "+14255550100"))
    assert (owned(world, "shop"), owned(world, "bank")) == ([], ["+14255550100"])
    world.restart()
    assert (owned(world, "shop"), owned(world, "bank")) == ([], ["+14255550100"])
    with pytest.raises(NotFoundError):
        world.run(world.house.numbers.remove("shop", "+14255550100"))


def test_a_number_added_many_times_at_once_is_one(world: World) -> None:
    """All of them in one group of the database."""

    async def at_once() -> None:
        await asyncio.gather(*(world.house.numbers.add("trunkline", "12345") for _ in range(10)))

    world.run(at_once())
    world.restart()
    assert owned(world) == ["+18005550199", "12345"]
