"""The SMTP carrier: hands letters to a mail server, over TLS, in a thread of its own.

What goes to another machine goes over TLS (RFC 3207, RFC 8314): a server that offers none is not spoken to, and its
certificate must be for its name and chain to a known root.
"""

from __future__ import annotations

import asyncio
import ipaddress
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from trunkline.delivery.mailer import Letter, ReturnedError
from trunkline.errors import ConfigurationError, UnavailableError

PATIENCE_S = 30.0
_PORTS = {"smtp": 587, "smtps": 465}
_LONGEST_SHOWN = 200


class SmtpMailer:
    """A mail server: `smtp://user:password@host:587` (STARTTLS), or `smtps://…:465` (TLS from the start).

    Without TLS it is only spoken to on this machine. `ca_file` holds more roots. Raises ConfigurationError.
    """

    def __init__(self, url: str, ca_file: str = "") -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ConfigurationError(
                "smtp_url is no address of a mail server; it is like smtp://user:password@mail.example:587, or smtps."
            )
        self._host = parts.hostname
        self._port = port or _PORTS[parts.scheme]
        self._is_tls = parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._trust = _trust(ca_file)

    async def send(self, letter: Letter) -> None:
        """Hand a letter over; raises ReturnedError, UnavailableError."""
        await asyncio.to_thread(self._send, letter)

    def _send(self, letter: Letter) -> None:
        try:
            message = _message(letter)
        except ValueError as error:
            raise ReturnedError("The letter has an address or a subject that no letter can have.") from error
        try:
            with self._connected() as line:
                line.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()), (0, b""))
            raise self._refusal(code, reason) from error
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPConnectError, smtplib.SMTPHeloError) as error:
            # it is not about this letter, and may be mended
            raise UnavailableError(self._said(error.smtp_code, error.smtp_error)) from error
        except smtplib.SMTPResponseException as error:
            raise self._refusal(error.smtp_code, error.smtp_error) from error
        except ssl.SSLError as error:
            raise UnavailableError(f"The mail server's certificate or TLS is not good: {error.reason}.") from error
        except (smtplib.SMTPException, OSError) as error:
            kind = type(error).__name__
            raise UnavailableError(
                f"The mail server at {self._host}:{self._port} does not take it ({kind})."
            ) from error

    def _connected(self) -> smtplib.SMTP:
        """Connect, agree on TLS, and say who we are."""
        if self._is_tls:
            line: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=PATIENCE_S, context=self._trust)
        else:
            line = smtplib.SMTP(self._host, self._port, timeout=PATIENCE_S)
        try:
            self._agree(line)
        except BaseException:
            line.close()
            raise
        return line

    def _agree(self, line: smtplib.SMTP) -> None:
        """Go over to TLS where that is not done yet, and show the password."""
        line.ehlo()
        if not self._is_tls:
            if line.has_extn("starttls"):
                line.starttls(context=self._trust)
                line.ehlo()
            elif not _is_here(self._host):
                raise smtplib.SMTPNotSupportedError
        if not self._user:
            return
        try:
            line.login(self._user, self._password)
        except smtplib.SMTPServerDisconnected as error:
            raise UnavailableError("The mail server hung up when it was shown user and password.") from error

    def _refusal(self, code: int, reason: bytes | str) -> ReturnedError | UnavailableError:
        """Return what a refusal means: 5xx is for ever (RFC 5321, 4.2.1)."""
        kind = ReturnedError if code >= 500 else UnavailableError
        return kind(self._said(code, reason))

    def _said(self, code: int, reason: bytes | str) -> str:
        """Quote the server, but for what is secret."""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        if self._password:
            text = text.replace(self._password, "…")
        return f"The mail server said {code}: {' '.join(text.split())[:_LONGEST_SHOWN]}"


def check_address(text: str, setting: str) -> None:
    """Refuse what is no address of a mailbox; raises ConfigurationError."""
    _, address = parseaddr(text)
    name, _, host = address.partition("@")
    if address != text.strip() or not name or not host or not address.isascii() or any(c.isspace() for c in address):
        raise ConfigurationError(f"{setting} has {text[:60]!r}, which is no address such as ops@mail.example.")


def _message(letter: Letter) -> EmailMessage:
    """Write a letter; a line break in a header raises ValueError."""
    message = EmailMessage()
    message["From"] = letter.sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.made_at)
    message["Message-ID"] = f"<{letter.id}@{letter.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"smtp_ca_file {ca_file} cannot be read: name a PEM file of certificates that this user may read."
            ) from error
    return context


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
