"""Routes: catalogue rows turned into a table that finds the operation of a method and a path."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from urllib.parse import unquote

from trunkline.catalogue.rows import Operation, Service

_LONGEST_COMPARED = 500
_LONGEST_KEPT = 500


@dataclass(frozen=True)
class _Segment:
    """One segment of a template: a literal, or a parameter with an optional literal suffix."""

    literal: str = ""
    parameter: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """Order templates: literals first, then parameters with a suffix, the longest first, then bare ones."""
        return (1, -len(self.literal)) if self.parameter else (0, 0)

    def match(self, text: str, params: dict[str, str]) -> bool:
        if not self.parameter:
            return text == self.literal or text.lower() == self.literal
        if self.literal:
            if not text.lower().endswith(self.literal):
                return False
            text = text[: -len(self.literal)]
        params[self.parameter] = text
        return bool(text)


@dataclass
class _Template:
    segments: tuple[_Segment, ...]
    scope: str
    operations: dict[str, Operation] = field(default_factory=dict)

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Return the parameters of a path that fits, else None."""
        params: dict[str, str] = {}
        tail = parts
        if self.scope:
            split = len(parts) - len(self.segments)
            params[self.scope] = "/" + "/".join(parts[:split])
            tail = parts[split:]
        for segment, part in zip(self.segments, tail, strict=True):
            if not segment.match(part, params):
                return None
        return params


@dataclass(frozen=True)
class Found:
    """What a path leads to: the service, and the operation unless path or method are unknown."""

    service: Service | None
    operation: Operation | None = None
    params: dict[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()


class Routes:
    """Finds operations; literal parts match in any case, parameters are percent-decoded one segment at a time."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = {service.name: service for service in services}
        self._prefixes: dict[str, list[tuple[tuple[str, ...], Service]]] = {}
        for service in self._services.values():
            for prefix in service.prefixes:
                split = tuple(prefix.strip("/").lower().split("/"))
                self._prefixes.setdefault(split[0], []).append((split, service))
        self._templates: dict[tuple[int, str], list[_Template]] = {}
        self._scoped: list[_Template] = []
        for service in self._services.values():
            for operation in service.operations.values():
                if operation.route:
                    self._add(operation)
        for templates in (*self._templates.values(), self._scoped):
            # the narrowest is tried first: /a/b before /a/{x}:end before /a/{x}
            templates.sort(key=lambda t: [segment.rank for segment in t.segments])

    def _add(self, operation: Operation) -> None:
        parts = operation.path.strip("/").split("/")
        scope = ""
        if parts[0].endswith("*}"):
            scope, parts = parts[0][1:-2], parts[1:]
        segments = tuple(_segment(part) for part in parts)
        key = (len(segments), _head(segments[0]))
        templates = self._scoped if scope else self._templates.setdefault(key, [])
        for template in templates:
            if template.segments == segments and template.scope == scope:
                template.operations[operation.method] = operation
                return
        templates.append(_Template(segments, scope, {operation.method: operation}))

    def find(self, method: str, raw_path: str) -> Found:
        """Find what a raw (still percent-encoded) path leads to.

        A path may fit several templates (an id may end in `:close`); the narrowest that has the method counts.
        """
        parts = _parts(raw_path)
        service: Service | None = None
        allowed: set[str] = set()
        for template in self._candidates(parts):
            params = template.match(parts)
            if params is None:
                continue
            operation = template.operations.get(method)
            if operation is not None:
                return Found(self._services[operation.service], operation, params)
            service = service or self._services[next(iter(template.operations.values())).service]
            allowed |= template.operations.keys()
        return Found(service or self.service_of(parts), allowed=tuple(sorted(allowed)))

    def _candidates(self, parts: Sequence[str]) -> Iterable[_Template]:
        yield from self._templates.get((len(parts), _head(_Segment(parts[0].lower()))), ())
        yield from self._templates.get((len(parts), ""), ())
        for template in self._scoped:
            if len(parts) > len(template.segments):
                yield template

    def service_of(self, parts: Sequence[str]) -> Service | None:
        """Return the service whose prefix a path stands under; a colon ends a prefix as a slash does."""
        return self._under(parts)[1]

    def _under(self, parts: Sequence[str]) -> tuple[int, Service | None]:
        """Return how many parts the prefix has that a path stands under, and whose it is."""
        for prefix, service in self._prefixes.get(parts[0].lower().partition(":")[0], ()):
            here = [part.lower() for part in parts[: len(prefix)]]
            here[-1] = here[-1].partition(":")[0]
            if tuple(here) == prefix:
                return len(prefix), service
        return 0, None

    def claims(self, raw_path: str) -> int:
        """Tell how many parts of a path's beginning are a prefix of these services; 0 when it is none of theirs."""
        return self._under(_parts(raw_path))[0]

    def nearest(self, service: Service, method: str, raw_path: str) -> Operation | None:
        """Return the operation whose route looks most like a request that fits none."""
        routes = {row.route.lower(): row for row in service.operations.values() if row.route}
        wanted = f"{method} {unquote(raw_path)}".lower()[:_LONGEST_COMPARED]
        close = difflib.get_close_matches(wanted, routes, n=1, cutoff=0.3)
        return routes[close[0]] if close else None


def _parts(raw_path: str) -> tuple[str, ...]:
    """Split a path into its segments, each percent-decoded by itself."""
    return _split(raw_path) if len(raw_path) <= _LONGEST_KEPT else _split.__wrapped__(raw_path)


@lru_cache(256)
def _split(raw_path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in raw_path.strip("/").split("/"))


@cache
def _segment(part: str) -> _Segment:
    if not part.startswith("{"):
        return _Segment(literal=part.lower())
    name, _, suffix = part[1:].partition("}")
    return _Segment(literal=suffix.lower(), parameter=name)


def _head(segment: _Segment) -> str:
    return "" if segment.parameter else segment.literal
