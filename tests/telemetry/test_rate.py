"""What happens often is told from what does not."""

from __future__ import annotations

import pytest

from trunkline.telemetry import rate
from trunkline.telemetry.rate import Rate


def test_what_happens_often_does_so_until_a_second_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than so many a second, in this one or in the one before."""
    now = 100.0
    monkeypatch.setattr(rate, "monotonic", lambda: now)
    asked = Rate(3)
    for _ in range(3):
        asked.add()
    assert not asked.is_many
    asked.add()
    assert asked.is_many
    now = 101.9
    assert asked.is_many
    now = 102.0
    assert not asked.is_many
    asked.add()
    now = 200.0
    assert not asked.is_many
