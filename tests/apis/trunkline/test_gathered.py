"""Values of a column, gathered some at a time."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.apis.trunkline.gathered import Gathered

NUMBERS = {
    pa.float64(): st.floats(allow_nan=False),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.string(): st.text(max_size=5),
}


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
@given(data=st.data())
def test_what_is_gathered_in_pieces_is_what_arrow_makes_of_the_whole(kind: Any, data: st.DataObject) -> None:
    """Given or not, in whatever pieces."""
    pieces = data.draw(st.lists(st.lists(st.none() | NUMBERS[kind], max_size=4), max_size=5))
    gathered = Gathered(kind)
    for piece in pieces:
        gathered.extend(tuple(piece))
    assert gathered.array() == pa.array([value for piece in pieces for value in piece], kind)


def test_a_number_that_is_too_large_is_refused_as_arrow_refuses_it() -> None:
    """Also when it comes after others."""
    gathered = Gathered(pa.int64())
    gathered.extend((1, 2))
    gathered.extend((2**63,))
    with pytest.raises(OverflowError):
        gathered.array()
