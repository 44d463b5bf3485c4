"""The carriers: each is a way to phones."""
