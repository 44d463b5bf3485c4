"""Foreign issuers: bearers of an OpenID provider, verified by its published keys."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec

from trunkline.clock import Clock
from trunkline.errors import ConfigurationError, UnauthenticatedError, UnavailableError

_KEPT_S = 3600.0
_AGAIN_S = 30.0
_PATIENCE = aiohttp.ClientTimeout(total=10)
_LARGEST = 256 * 1024
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256"]


class Issuers:
    """Verifies bearers of the configured issuers; keys are fetched when first needed and kept for an hour."""

    def __init__(self, issuers: Sequence[str], audiences: Sequence[str], clock: Clock) -> None:
        self._issuers = [_checked(issuer) for issuer in issuers]
        self._audiences = list(audiences)
        self._clock = clock
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._fetched: dict[str, float] = {}
        self._lock = asyncio.Lock()

    @property
    def configured(self) -> bool:
        """Tell whether there is any issuer."""
        return bool(self._issuers)

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a bearer. Raises UnauthenticatedError, UnavailableError (issuer unreachable)."""
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise UnauthenticatedError("The bearer is not a JSON web token.") from error
        issuer = str(unverified.get("iss", "")).rstrip("/")
        if issuer not in self._issuers:
            raise UnauthenticatedError("The bearer's issuer is not one that this server is told to trust.")
        key = await self._key(issuer, str(header.get("kid", "")))
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=_ALGORITHMS, audience=self._audiences or None,
                options={"verify_aud": bool(self._audiences), "verify_exp": False, "require": ["exp", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"The bearer is not valid: {error}.") from error
        if self._clock.now().timestamp() >= float(claims["exp"]):
            raise UnauthenticatedError("The bearer has expired.")
        return claims

    async def _key(self, issuer: str, key_id: str) -> Any:
        async with self._lock:
            age = self._clock.now().timestamp() - self._fetched.get(issuer, 0.0)
            if age > _KEPT_S or (key_id not in self._keys.get(issuer, {}) and age > _AGAIN_S):
                self._keys[issuer] = await _fetch(issuer)
                self._fetched[issuer] = self._clock.now().timestamp()
        try:
            return self._keys[issuer][key_id]
        except KeyError as error:
            raise UnauthenticatedError("The bearer's key is not among those its issuer publishes.") from error


async def _fetch(issuer: str) -> dict[str, Any]:
    """Fetch an issuer's keys by their id."""
    try:
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
            configuration = await _get(session, f"{issuer}/.well-known/openid-configuration")
            keys = await _get(session, str(_checked(str(configuration.get("jwks_uri", "")))))
        return {key.key_id or "": key.key for key in jwt.PyJWKSet.from_dict(keys).keys}
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, jwt.PyJWTError, ConfigurationError) as error:
        raise UnavailableError("The bearer's issuer does not give its keys; try again later.") from error


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False, raise_for_status=True) as answer:
        return msgspec.json.decode(await answer.content.read(_LARGEST), type=dict[str, Any])


def _checked(issuer: str) -> str:
    parts = urlsplit(issuer)
    local = parts.hostname == "localhost" or _is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ConfigurationError(f"The issuer {issuer!r} must be an https address (http only on loopback).")
    return issuer.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
