"""Believable traffic through the public API only, so that there is something to see at once."""

NAME = "demo"
"""The account that the traffic lives in."""
