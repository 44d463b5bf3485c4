"""The address of a ClickHouse server, read from one text; its password is shown to nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from trunkline.errors import ConfigurationError

_SCHEMES = {"clickhouse": False, "clickhouses": True, "http": False, "https": True}
_PORTS = {False: 8123, True: 8443}
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_FORM = "clickhouse://user:password@host:port/database, or the same with https"


@dataclass(frozen=True)
class Address:
    """Where a server is, and who calls it; `shown` is what messages may say."""

    host: str
    port: int
    database: str
    is_secure: bool
    user: str = "default"
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The address without its password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}/{self.database}"


def read(text: str) -> Address:
    """Read an address; raises ConfigurationError, which does not quote it."""
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError as error:
        raise ConfigurationError(f"facts is not an address; it is like {_FORM}.") from error
    database = url.path.strip("/") or "trunkline"
    if url.scheme not in _SCHEMES or not url.hostname or url.query or url.fragment or port == 0:
        raise ConfigurationError(f"facts is not an address of ClickHouse; it is like {_FORM}.")
    if not _DATABASE.fullmatch(database):
        raise ConfigurationError("The database in facts is a name of letters, digits and underscores.")
    is_secure = _SCHEMES[url.scheme]
    return Address(
        host=url.hostname,
        port=port or _PORTS[is_secure],
        database=database,
        is_secure=is_secure,
        user=unquote(url.username or "default"),
        password=unquote(url.password or ""),
    )
