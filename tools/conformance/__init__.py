"""Microsoft's own live tests, run unchanged against a Trunkline server: `python -m tools.conformance`."""
