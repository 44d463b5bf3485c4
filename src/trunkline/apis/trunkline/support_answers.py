"""The shapes of what is answered about support files, for the description of the API."""

from __future__ import annotations

from trunkline.apis.trunkline.answers import Moment, Shape


class SupportFile(Shape, frozen=True, kw_only=True):
    """A file about a call, with the SHA-256 of its bytes."""

    id: str
    account: str
    call_id: str
    user_id: str
    name: str
    content_type: str
    size: int
    sha256: str
    kept_at: Moment


class SupportFiles(Shape, frozen=True, kw_only=True):
    """Support files, the newest first."""

    support_files: list[SupportFile]
