"""What can go wrong, in our own words; each API's door translates it into the vendor's error body."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

LONGEST_MESSAGE = 2000
LONGEST_TARGET = 200


class TrunklineError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "", *, target: str = "", **facts: Any) -> None:
        self.message = _shortened(message or cleandoc(type(self).__doc__ or ""), LONGEST_MESSAGE)
        self.target = _shortened(target, LONGEST_TARGET)
        self.facts: Mapping[str, Any] = facts
        super().__init__(self.message)


def _shortened(text: str, most: int) -> str:
    """Leave out the middle of a long text: a message may quote what came in, which can be megabytes."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-(most // 2) :]}"


class InvalidError(TrunklineError):
    """The request is not valid."""


class TooLargeError(InvalidError):
    """The request is larger than the server takes."""


class StalledError(InvalidError):
    """The request did not arrive in time."""


class UnauthenticatedError(TrunklineError):
    """The caller could not be identified."""


class ForbiddenError(TrunklineError):
    """The caller may not do this."""


class NotFoundError(TrunklineError):
    """There is no such thing."""


class MethodError(TrunklineError):
    """The path exists, but not with this method; `facts["allowed"]` lists those it takes."""


class ConflictError(TrunklineError):
    """The state of the thing does not allow this."""


class PreconditionError(TrunklineError):
    """A condition in the request's headers does not hold."""


class MisdirectedError(TrunklineError):
    """The Host of the request is not a name of this server."""


class LimitedError(TrunklineError):
    """Too many requests; `facts["retry_after_s"]` says when to come back."""


class OverloadedError(TrunklineError):
    """The server has more to do than it can hold; `facts["retry_after_s"]` says when to come back."""


class UnavailableError(TrunklineError):
    """The server cannot do this now, for instance because its disk is full."""

    # `facts["told"]`: the log knows of the trouble already, and need not hear of each request that meets it


class UnservedError(TrunklineError):
    """The original serves this, Trunkline does not yet."""


class ConfigurationError(TrunklineError):
    """The server cannot start as it is configured."""


class HeldError(ConfigurationError):
    """Another process uses the data folder."""
