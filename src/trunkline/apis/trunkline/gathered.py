"""Values of a column, gathered some at a time."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

_FORMS = {pa.float64(): "d", pa.int64(): "q"}
"""How numbers of a type of Arrow stand in memory, as `struct` writes it."""


class Gathered:
    """Values of one type. Numbers are packed at once: their objects are gone while the processor's cache has them."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._form = _FORMS.get(kind, "")
        self._packed = bytearray()
        self._count = 0
        self.values: list[Any] = []
        """Those that are not packed: all or none."""

    def extend(self, more: tuple[Any, ...]) -> None:
        """Add some, None where nothing is given."""
        if self._form:
            try:
                self._packed += struct.pack(f"{len(more)}{self._form}", *more)
                self._count += len(more)
            except struct.error:  # something is not given, or too large
                self.values = list(struct.unpack(f"{self._count}{self._form}", self._packed))
                self._form = ""
            else:
                return
        self.values.extend(more)

    def array(self) -> Any:
        """Return them as Arrow has them; raises OverflowError, and ArrowException for what is of another type."""
        if not self._form:
            return pa.array(self.values, self._kind)
        return pa.Array.from_buffers(self._kind, self._count, [None, pa.py_buffer(self._packed)])
