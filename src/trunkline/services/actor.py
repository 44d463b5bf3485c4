"""Who acts: handed from the doors to the services with every verb."""

from __future__ import annotations

import msgspec

from trunkline.services.resources import Resource


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The resource that is acted on, the user who acts ("" for a key), and the request's correlation vector."""

    resource: Resource
    user_id: str = ""
    cause: str = ""
