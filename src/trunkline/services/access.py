"""Access: the signing key, bearers for management roles, and the comparison of secrets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from trunkline.clock import Clock
from trunkline.errors import InvalidError, UnauthenticatedError
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Transaction, metadata

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("key_id", sa.String(40), primary_key=True),
    sa.Column("private_pem", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)
_all = sa.select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.key_id)
_put = sa.insert(signing_keys)
ROLES = ("reader", "contributor", "owner")
ISSUER = "trunkline"
_MAY = {
    "reader": {"read"},
    "writer": {"write"},
    "contributor": {"read", "write", "change"},
    "owner": {"read", "write", "change", "admin"},
}
LONGEST_TOKEN = timedelta(days=365)
_END_OF_TIME = 253_402_300_800  # the year 10000, which no date reaches


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls a management API: a name, a role, and the resource it is confined to ("" is none: it sees all).

    `family` is that resource and all below it, filled in where such callers are let in too. `application` is the id of
    the application that speaks for it, where a bearer names one.
    """

    name: str
    role: str
    resource: str = ""
    family: tuple[str, ...] = ()
    application: str = ""

    def covers(self, name: str) -> bool:
        """Tell whether a resource is one that the caller has to do with."""
        return self.resource in {"", name} or name in self.family

    @property
    def may_write(self) -> bool:
        """Tell whether the role may change things."""
        return self.may("change")

    def may(self, what: str) -> bool:
        """Tell whether the role may read, write (post facts), change things, or administer (keys and bearers)."""
        return what in _MAY[self.role]


class Keyring:
    """The server's own signing key: tokens are RS256 and verified by it in every mode."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._current = ""

    async def open(self) -> None:
        """Read the keys, or make one at first start."""
        self._database.watch([signing_keys.name], self.refresh)
        self._learn(self._database.read_now(lambda reader: reader.all(_all)))
        if not self._keys:
            key = generate_key()
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
            row = {"key_id": _fingerprint(key), "private_pem": pem, "created_at": self._clock.now()}

            def unit(transaction: Transaction) -> None:
                if transaction.one(_all) is None:  # two processes may start at once
                    transaction.hand(_put, **row)

            await self._database.write(unit)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the keys that another process may have made."""
        self._learn(await self._database.read(lambda reader: reader.all(_all)))

    def _learn(self, rows: Sequence[sa.Row[Any]]) -> None:
        for row in reversed(rows):
            # made here and kept in a private folder: proving its primes again would cost every start 0.1 s
            key = serialization.load_pem_private_key(
                row.private_pem.encode(), None, unsafe_skip_rsa_key_validation=True
            )
            if isinstance(key, rsa.RSAPrivateKey):
                self._add(row.key_id, key)

    def _add(self, key_id: str, key: rsa.RSAPrivateKey) -> None:
        self._keys[key_id] = key
        self._current = key_id

    def owns(self, token: str) -> bool:
        """Tell whether a token says that one of these keys signed it; whether that is true, `verify` finds out."""
        try:
            return str(unverified(token)[0].get("kid", "")) in self._keys
        except UnauthenticatedError:
            return False

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the claims as a signed token; its header carries kid and x5t."""
        headers = {"kid": self._current, "x5t": self._current[:27]}
        return jwt.encode(claims, self._keys[self._current], algorithm="RS256", headers=headers)

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of ours; raises UnauthenticatedError. The caller checks `exp`."""
        header, _ = unverified(token)
        try:
            key = self._keys[str(header.get("kid", ""))].public_key()
            options: Any = {
                "verify_exp": False,
                "verify_aud": False,
                "verify_iat": False,
                "verify_nbf": False,
            }
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], options=options)
        except (jwt.PyJWTError, KeyError) as error:
            raise UnauthenticatedError("The token's signature is not valid.") from error
        return claims

    # --- bearers for the management APIs ---

    def mint(
        self,
        role: str,
        *,
        resource: str = "",
        life: timedelta = timedelta(hours=1),
        speaker: Mapping[str, str] | None = None,
    ) -> tuple[str, datetime]:
        """Mint a bearer for a role; returns it and when it ends. Raises InvalidError for an unknown role.

        `speaker` has claims that say who speaks: a tenant (tid), a user (oid), an application (appid).
        """
        if role not in ROLES:
            raise InvalidError(f"The role is one of {', '.join(ROLES)}.", target="role")
        if not timedelta() < life <= LONGEST_TOKEN:
            raise InvalidError("A bearer lives for more than nothing and at most 365 days.", target="life")
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "sub": f"trunkline-{role}",
            "oid": f"trunkline-{role}",
            "roles": [role],
            "resource": resource,
            "iat": int(now.timestamp()),
            "exp": int((now + life).timestamp()),
        }
        return self.sign(claims | dict(speaker or {})), now + life

    def principal(self, token: str) -> Principal:
        """Return who a minted bearer speaks for; raises UnauthenticatedError."""
        claims = self.verify(token)
        roles = claims.get("roles")
        if claims.get("iss") != ISSUER or not isinstance(roles, list) or not roles or roles[0] not in ROLES:
            raise UnauthenticatedError("The token is not a bearer for this API.")
        if self._clock.now().timestamp() >= float(claims.get("exp", 0)):
            raise UnauthenticatedError("The bearer has expired; `trunkline token` mints a new one.")
        return Principal(
            name=str(claims.get("sub", "")),
            role=roles[0],
            resource=str(claims.get("resource", "")),
            application=str(claims.get("appid", "")),
        )


def generate_key() -> rsa.RSAPrivateKey:
    """Make a signing key; tests that start many servers replace this by one that hands out the same."""
    return rsa.generate_private_key(65537, 2048)


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def bearer_of(header: str) -> str:
    """Return the token of an Authorization header, or "" when it is not a bearer."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims that a token states, unchecked; raises UnauthenticatedError."""
    try:
        found = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError) as error:
        raise UnauthenticatedError("The bearer is not a JSON web token.") from error
    return found["header"], found["payload"]


def ends_at(claims: dict[str, Any]) -> float | None:
    """Return the second since 1970 at which a token ends, or None when it states none that is a number."""
    ends = claims.get("exp")
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        return None
    return float(ends) if 0 <= ends < _END_OF_TIME else None


def check_end(token: str, now: datetime) -> None:
    """Refuse a token that says itself that it has ended, though nobody here can check its signature.

    What is no JSON web token says nothing of the kind: an opaque stand-in, as development uses them. Raises
    UnauthenticatedError.
    """
    try:
        _, claims = unverified(token)
    except UnauthenticatedError:
        return
    ends = ends_at(claims)
    if ends is not None and now.timestamp() >= ends:
        raise UnauthenticatedError("The bearer has expired.")


def _fingerprint(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha1(public, usedforsecurity=False).hexdigest()
