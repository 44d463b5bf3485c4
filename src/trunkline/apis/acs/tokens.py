"""User access tokens: our grants as the JWT claims that the SDKs and the original use.

Source: claims of a decoded token of the original; the SDKs read only `exp`.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from trunkline.clock import rfc3339
from trunkline.errors import UnauthenticatedError
from trunkline.services.access import Keyring, ends_at
from trunkline.services.identity import Grant
from trunkline.services.resources import Resource

_KEPT = 10_000


class UserToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token of ours says, once its signature was verified; `ends_at` is in seconds since 1970."""

    user_id: str
    immutable_resource_id: str
    scopes: frozenset[str]
    tick: int
    ends_at: float


class UserTokens:
    """Writes grants as tokens and reads them back; a token once verified is remembered."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._verified: OrderedDict[str, UserToken] = OrderedDict()

    def write(self, resource: Resource, grant: Grant) -> dict[str, str]:
        """Return `{token, expiresOn}` for a grant."""
        issued, expires = int(grant.issued_at.timestamp()), int(grant.expires_at.timestamp())
        claims = {
            "skypeid": grant.user_id.removeprefix("8:"),
            "scp": 1792,
            "csi": str(issued),
            "exp": expires,
            "rgn": "local",
            "acsScope": ",".join(grant.scopes),
            "resourceId": resource.immutable_id,
            "resourceLocation": "local",
            "iat": issued,
            # orders tokens of one second against a revocation
            "jti": str(grant.tick),
        }
        moment = grant.expires_at.replace(microsecond=0)
        return {
            "token": self._keyring.sign(claims),
            "expiresOn": rfc3339(moment, 7).removesuffix("Z") + "+00:00",
        }

    def read(self, token: str) -> UserToken:
        """Return what a user access token of ours says; raises UnauthenticatedError.

        Its signature is verified once; whether it has ended or was revoked is asked of the identities each time.
        """
        found = self._verified.get(token)
        if found is None:
            claims = self._keyring.verify(token)
            if not isinstance(claims.get("skypeid"), str) or not str(claims.get("jti", "")).isdigit():
                raise UnauthenticatedError("The token is not a user access token.")
            found = self._verified[token] = UserToken(
                user_id="8:" + claims["skypeid"],
                immutable_resource_id=str(claims.get("resourceId", "")),
                scopes=frozenset(str(claims.get("acsScope", "")).split(",")),
                tick=int(claims["jti"]),
                ends_at=ends_at(claims) or 0.0,
            )
            if len(self._verified) > _KEPT:
                self._verified.popitem(last=False)
        return found
