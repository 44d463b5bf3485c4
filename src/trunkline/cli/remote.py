"""The running server that a command's options mean."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trunkline.connection import Connection, account
from trunkline.errors import ConfigurationError
from trunkline.library.remote import Remote, announced, at, folder_of

__all__ = ["Remote", "announced", "at", "connected", "folder_of", "found"]


def found(data: Path | None, url: str, api_key: str, account_name: str = "") -> Remote:
    """Return the running server that the options mean, to be asked in the name of an account.

    Raises UnavailableError, NotFoundError, ConfigurationError.
    """
    if not url:
        announcement = announced(data)
        return Remote(announcement.local, account(announcement, account_name).api_key)
    if data is not None:
        raise ConfigurationError("Give --data or --url, not both.")
    if not api_key:
        raise ConfigurationError("--url needs the server's API key: give --api-key or set TRUNKLINE_API_KEY.")
    return Remote(url, api_key)


def connected(data: Path | None, url: str, api_key: str, account_name: str = "") -> Connection:
    """Return the connection of an account of the running server that the options mean."""
    if not url:
        return account(announced(data), account_name)
    answer = found(data, url, api_key).call("GET", "/api/v1/connection", account=account_name)
    return msgspec.convert(answer, Connection)
