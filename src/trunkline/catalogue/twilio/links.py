"""Addresses of Insights as people paste them."""

from __future__ import annotations

from trunkline.catalogue.twilio.sids import derived


def metrics_url(base: str, leg_id: str) -> str:
    """Return the address of the first readings of a call, at every edge."""
    return f"{base}/v1/Voice/{derived(leg_id)}/Metrics?Edge=all&PageSize=2"
