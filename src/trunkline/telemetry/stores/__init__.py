"""The fact stores there are."""
