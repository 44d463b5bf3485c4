"""The bearer that stands for Microsoft Entra: unsigned, so only a development server takes it."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

LIFETIME_S = 3600


class Bearer(NamedTuple):
    """A token and when it ends, in seconds since 1970: the shape that azure-core asks of a credential."""

    token: str
    expires_on: int


class FakeTokenCredential:
    """A credential that needs no tenant."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def get_token(self, *_scopes: str, **_options: Any) -> Bearer:
        """Give a JWT with `alg` none and no claims, whatever the scopes."""
        parts = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "none"}, {}))
        header, claims = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        return Bearer(f"{header}.{claims}.entra-dev", int(self._now()) + LIFETIME_S)

    def close(self) -> None:
        """Hold nothing that would have to be let go."""


def get_credential(**_options: Any) -> FakeTokenCredential:
    """Give the credential that the original would find in the environment."""
    return FakeTokenCredential()
