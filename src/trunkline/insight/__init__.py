"""Insight: what Trunkline makes of what it remembers."""
