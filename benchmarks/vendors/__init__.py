"""Vendors: their pages over ten million facts, beside a static mock of the same description."""
