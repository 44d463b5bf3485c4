"""Self-hosted communication services with observability built in.

`open` opens a data folder in this process, `connect` a running server, `serve` starts one; `explained` says
what a code means. docs/python.md shows how.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.catalogue.codes import explained
    from trunkline.catalogue.facts import Call, CallEvent, Feedback, LogLine, Message, Request, Sample
    from trunkline.library.answer import Answer
    from trunkline.library.connected import connect
    from trunkline.library.line import RejectedError, Trunkline
    from trunkline.library.opened import open  # noqa: A004 - as it is known
    from trunkline.library.served import Server, serve
    from trunkline.telemetry.questions import Condition, Top

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Call",
    "CallEvent",
    "Condition",
    "Feedback",
    "LogLine",
    "Message",
    "RejectedError",
    "Request",
    "Sample",
    "Server",
    "Top",
    "Trunkline",
    "connect",
    "explained",
    "open",
    "serve",
]
_ROOMS = {
    "trunkline.catalogue.codes": ("explained",),
    "trunkline.catalogue.facts": ("Call", "CallEvent", "Feedback", "LogLine", "Message", "Request", "Sample"),
    "trunkline.library.answer": ("Answer",),
    "trunkline.library.connected": ("connect",),
    "trunkline.library.line": ("RejectedError", "Trunkline"),
    "trunkline.library.opened": ("open",),
    "trunkline.library.served": ("Server", "serve"),
    "trunkline.telemetry.questions": ("Condition", "Top"),
}
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load what is offered when it is asked for: importing the package itself costs nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
