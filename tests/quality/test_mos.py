"""The mean opinion score, by the formula of Twilio's Voice SDK."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.quality import mos

AMOUNTS = st.floats(0, 2000) | st.floats(0, 20)
STEPS = st.floats(0, 500)


@pytest.mark.parametrize(
    ("rtt_ms", "jitter_ms", "loss_percent", "score"),
    [
        (81, 9, 0, 4.3858),
        (100, 30, 1, 4.2665),
        (400, 30, 3, 2.6943),
        (50, 5, 5, 4.0434),
        (0, 0, 0, 4.4333),
        (2000, 0, 0, 1.0),
        (100, 10, 50, 1.0),
    ],
)
def test_the_score_is_that_of_the_sdk(rtt_ms: float, jitter_ms: float, loss_percent: float, score: float) -> None:
    """Worked examples; the first is the sample of Twilio's documentation, shown there as 4.39."""
    assert mos(rtt_ms, jitter_ms, loss_percent) == pytest.approx(score, abs=0.00005)


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_the_score_is_a_score(rtt_ms: float, jitter_ms: float, loss_percent: float) -> None:
    """It never leaves 1 to 4.5."""
    score = mos(rtt_ms, jitter_ms, loss_percent)
    assert score is not None
    assert 1 <= score <= 4.5


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS, STEPS, STEPS, STEPS)
def test_nothing_gets_better_by_getting_worse(
    rtt_ms: float, jitter_ms: float, loss_percent: float, more_ms: float, more_jitter_ms: float, more_loss: float
) -> None:
    """More delay, more jitter or more loss never raises the score."""
    better = mos(rtt_ms, jitter_ms, loss_percent)
    worse = mos(rtt_ms + more_ms, jitter_ms + more_jitter_ms, loss_percent + more_loss)
    assert better is not None
    assert worse is not None
    assert worse <= better + 1e-12


@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf, -0.1])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_cannot_be_measured_has_no_score(unusable: float, place: int) -> None:
    """As in the SDK: a first sample, which lacks something, has none."""
    values = [81.0, 9.0, 0.0]
    values[place] = unusable
    assert mos(values[0], values[1], values[2]) is None
