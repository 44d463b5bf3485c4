"""Believable traffic through the public API only, so that there is something to see at once."""

NAME = "demo"
"""The account that the traffic lives in."""
CALLS = "demo-calls"
"""The account of its calls."""
QUESTION = "calls.count calls.answer_rate calls.mos_avg --by network_name"
"""What may be asked of them at first."""
