"""Benchmarks: one folder a claim. Each measures its peers in the same run, and ends with one line of JSON."""
