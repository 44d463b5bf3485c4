"""Formulas of quality, by their authors: pure, without a catalogue, a clock or a store."""

from __future__ import annotations

import math

_R_WORST = 6.52
"""The least R while anything is heard; the polynomial below is 1 there, and falls below 1 under it."""


def mos(rtt_ms: float, jitter_ms: float, loss_percent: float) -> float | None:
    """Return the mean opinion score, 1 (worst) to 4.5, of what a listener hears.

    None unless all three are finite and not negative. The simplified E-model as Twilio's Voice SDK for JavaScript
    computes it (rtc/mos): a round trip of 81 ms, 9 ms of jitter and no loss give 4.39.
    """
    if not all(math.isfinite(value) and value >= 0 for value in (rtt_ms, jitter_ms, loss_percent)):
        return None
    effective_ms = rtt_ms + 2 * jitter_ms + 10
    r = 94.768
    if effective_ms < 160:
        r -= effective_ms / 40
    elif effective_ms < 1000:
        r -= (effective_ms - 120) / 10
    else:
        r = 0
    r = max(r - 2.5 * loss_percent, _R_WORST) if loss_percent <= r / 2.5 else 0
    return max(1 + 0.035 * r + 0.000007 * r * (r - 60) * (100 - r), 1.0)
