"""How tables in TOML are read: the row that is wrong is named."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import msgspec

from trunkline.errors import ConfigurationError

T = TypeVar("T")


def read_toml(file: Traversable) -> dict[str, Any]:
    """Read a file; raises ConfigurationError if it is not valid TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name} is not valid TOML: {error}.") from error


def converted(value: Any, kind: type[T], where: str) -> T:
    """Give a value its shape; raises ConfigurationError that begins with where it stands."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {error}.") from error


def table(file: Traversable, kind: type[T]) -> dict[str, T]:
    """Read a file that is one table of rows by their names. Raises ConfigurationError."""
    return {name: converted(row, kind, f"{file.name} {name}") for name, row in read_toml(file).items()}
