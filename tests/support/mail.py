"""A real mail server on loopback: keeps what it takes, and refuses what it is told to."""

from __future__ import annotations

import gc
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

PATIENCE_S = 20.0
USER, PASSWORD = "ops", "s3cret/pass word"


@dataclass
class MailServer:
    """What came; `refusals` are answered to the next letters instead of taking them."""

    port: int = 0
    came: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    offers: int = 0
    was_tls: list[bool] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        """Take a letter, or refuse it."""
        with self.changed:
            self.offers += 1
            self.was_tls.append(session.ssl is not None)
            self.changed.notify_all()
            if self.refusals:
                return self.refusals.pop(0)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.came.append(message)
            return "250 taken"

    def wait(self, many: int) -> list[EmailMessage]:
        """Return the letters once so many came; fails a test that waits too long (real time)."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.came) >= many, PATIENCE_S), f"{len(self.came)} of {many} came"
            return [*self.came]


class _Controller(Controller):
    """Runs the server on a port that is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def serving_mail(
    tls: ssl.SSLContext | None = None, *, at_once: bool = False, locked: bool = False
) -> Iterator[MailServer]:
    """Run a mail server: plain, with STARTTLS, or with TLS at once; `locked` asks for the password."""
    server = MailServer()
    given: dict[str, Any] = {}
    if tls is not None and at_once:
        given["ssl_context"] = tls
    elif tls is not None:
        given |= {"tls_context": tls, "require_starttls": True}
    if locked:
        given |= {"authenticator": _check, "auth_required": True, "auth_require_tls": not at_once}
    controller = _Controller(server, hostname="127.0.0.1", port=0, **given)
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()
        if tls is not None:
            with warnings.catch_warnings():  # the library leaves open what hung up while it agreed on TLS
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


def _check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)  # the server says 535 itself
