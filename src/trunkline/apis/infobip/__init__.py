"""Infobip's Metrics API: how its clients are spoken to."""
