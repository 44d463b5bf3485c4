"""Where the suites look for the credential."""

from .credentials import FakeTokenCredential

__all__ = ["FakeTokenCredential"]
