"""Foreign issuers: bearers of an OpenID provider, verified by its published keys."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec

from trunkline.clock import Clock
from trunkline.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from trunkline.services.access import ROLES, Principal, ends_at, unverified

_log = logging.getLogger(__name__)
_KEPT_S = 3600.0
_AGAIN_S = 30.0
_LEEWAY_S = 300.0
# the claims that say who speaks: an object, an application (either spelling), a subject
_SPEAKERS = ("oid", "appid", "azp", "sub")
_PATIENCE = aiohttp.ClientTimeout(total=10)
_LARGEST = 256 * 1024
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256"]
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError, ConfigurationError)
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, RecursionError)
_CHECKED_HERE: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "iss"]}


class Issuers:
    """Verifies bearers of the configured issuers; times are told by our own clock."""

    def __init__(
        self, issuers: Sequence[str], audiences: Sequence[str], clock: Clock, owners: Sequence[str] = ()
    ) -> None:
        self._issuers = {address: _Issuer(address, clock) for address in map(_checked, issuers)}
        self._audiences = list(audiences)
        self._owners = {owner.lower() for owner in owners}
        self._clock = clock

    @property
    def configured(self) -> bool:
        """Tell whether there is any issuer."""
        return bool(self._issuers)

    async def principal(self, token: str) -> Principal:
        """Return who a bearer speaks for, verified as by `verify`.

        Its role is owner for those whom the operator named, else the highest that its `roles` claim names, else
        reader: a bearer that an issuer gave any of its users changes nothing here.
        """
        claims = await self.verify(token)
        ids = [str(claims[name]) for name in _SPEAKERS if claims.get(name)]
        if self._owners.intersection(one.lower() for one in ids):
            role = "owner"
        else:
            given = claims.get("roles", [])
            named = {str(one).strip().lower() for one in (given if isinstance(given, list) else [given])}
            role = next((one for one in reversed(ROLES) if one in named), "reader")
        application = str(claims.get("appid") or claims.get("azp") or "")
        return Principal(name=ids[0] if ids else "issuer's bearer", role=role, application=application)

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a bearer. Raises UnauthenticatedError, UnavailableError (issuer unreachable)."""
        header, stated = unverified(token)
        issuer = self._issuers.get(str(stated.get("iss", "")).rstrip("/"))
        if issuer is None:
            raise UnauthenticatedError("The bearer's issuer is not one that this server is told to trust.")
        key = await issuer.key(str(header.get("kid", "")))
        options: Any = {**_CHECKED_HERE, "verify_aud": bool(self._audiences)}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=_ALGORITHMS, audience=self._audiences or None, options=options
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"The bearer is not valid: {error}.") from error
        except (TypeError, ValueError) as error:
            # the algorithm that the bearer names is not one of its key
            raise UnauthenticatedError("The bearer's signature is not valid.") from error
        self._check_times(claims)
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        now, ends, begins = self._clock.now().timestamp(), ends_at(claims), claims.get("nbf", 0)
        if ends is None or now >= ends:
            raise UnauthenticatedError("The bearer has expired.")
        if not isinstance(begins, int | float) or now + _LEEWAY_S < begins:
            raise UnauthenticatedError("The bearer is not valid yet.")


class _Issuer:
    """One issuer's keys: fetched when first needed, kept for an hour, asked for again when one is missing."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._keys: Mapping[str, Any] = {}
        self._asked_at = 0.0
        self._fetched_at = 0.0
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> Any:
        """Return a key. Raises UnauthenticatedError for an unknown one, UnavailableError without any keys."""
        if self._lock.locked() and key_id in self._keys:
            return self._keys[key_id]  # somebody asks the issuer just now, who may be slow to answer
        async with self._lock:
            now = self._clock.now().timestamp()
            stale = key_id not in self._keys or now - self._fetched_at > _KEPT_S
            # an issuer is asked rarely, whether it answers or not: bearers cannot make us knock at its door
            if stale and now - self._asked_at > _AGAIN_S:
                self._asked_at = now
                await self._fetch()
        if not self._keys:
            raise UnavailableError("The bearer's issuer does not give its keys; try again later.")
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise UnauthenticatedError("The bearer's key is not among those its issuer publishes.") from error

    async def _fetch(self) -> None:
        """Fetch the keys; those known stay in use while the issuer cannot be reached."""
        try:
            async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
                configuration = await _get(session, f"{self._address}/.well-known/openid-configuration")
                published = await _get(session, _checked(str(configuration.get("jwks_uri", ""))))
            keys = jwt.PyJWKSet.from_dict(published).keys
        except _UNREACHABLE + _UNREADABLE as error:
            _log.warning("the issuer %s does not give its keys: %r", self._address, error)
            return
        self._keys = {key.key_id or "": key.key for key in keys}
        self._fetched_at = self._clock.now().timestamp()


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False, raise_for_status=True) as answer:
        body = b""
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > _LARGEST:
                raise aiohttp.ClientPayloadError(f"{url} answers with more than {_LARGEST} bytes.")
        return msgspec.json.decode(body, type=dict[str, Any])


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
