"""Stands for the SDK repository's older private test package of this name."""
