"""The SMTP carrier against a real mail server: TLS, passwords, refusals; secrets stay where they are."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from tests.support.mail import PASSWORD, USER, serving_mail
from trunkline.certificates import ensure
from trunkline.delivery.carriers import smtp
from trunkline.delivery.carriers.smtp import SmtpMailer
from trunkline.delivery.mailer import Letter, ReturnedError
from trunkline.errors import ConfigurationError, TrunklineError, UnavailableError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LETTER = Letter(
    id="0A1B-2C3D.opened",
    sender="trunkline@example.com",
    recipient="ops@example.com",
    subject="Ü",
    text="Ä\n.\n",
    made_at=NOW,
)
SECRET = f"{USER}:{quote(PASSWORD, safe='')}@"


class Trust(NamedTuple):
    """A server's side of TLS, and the roots that its certificate chains to."""

    tls: ssl.SSLContext
    ca_file: str


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """Make a certificate for localhost."""
    made = ensure(tmp_path_factory.mktemp("tls"), ["localhost"], datetime.now(UTC))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.leaf.chain_file, made.leaf.key_file)
    return Trust(tls, str(made.ca_file))


def send(url: str, ca_file: str = "", letter: Letter = LETTER) -> None:
    """Hand a letter over."""
    asyncio.run(SmtpMailer(url, ca_file).send(letter))


def test_a_letter_arrives_as_it_was_written() -> None:
    """With a date, and an id by which the second copy is known."""
    with serving_mail() as server:
        send(f"smtp://127.0.0.1:{server.port}")
        (letter,) = server.came
    assert (letter["From"], letter["To"], letter["Subject"]) == ("trunkline@example.com", "ops@example.com", "Ü")
    assert letter["Message-ID"] == "<0A1B-2C3D.opened@example.com>"
    assert letter["Date"] == "Sat, 21 Nov 2026 12:00:00 +0000"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n") == "Ä\n.\n"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # TLS from the start is none to the test's server
@pytest.mark.parametrize("at_once", [False, True])
def test_tls_and_the_password_are_used(trust: Trust, at_once: bool) -> None:
    """STARTTLS with smtp, TLS from the start with smtps."""
    with serving_mail(trust.tls, at_once=at_once, locked=True) as server:
        send(f"{'smtps' if at_once else 'smtp'}://{SECRET}localhost:{server.port}", trust.ca_file)
        assert (len(server.came), server.was_tls[0] or at_once) == (1, True)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # TLS from the start is none to the test's server
@pytest.mark.parametrize("at_once", [False, True])
def test_a_certificate_that_nobody_vouches_for_gets_nothing(trust: Trust, at_once: bool) -> None:
    """Neither the password nor the letter."""
    with serving_mail(trust.tls, at_once=at_once, locked=True) as server:
        with pytest.raises(UnavailableError, match="certificate") as caught:
            send(f"{'smtps' if at_once else 'smtp'}://{SECRET}localhost:{server.port}")
        assert server.offers == 0
    tells_nothing(caught.value)


def test_a_server_elsewhere_without_tls_is_not_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody between might have taken STARTTLS out."""
    monkeypatch.setattr(smtp, "_is_here", lambda _host: False)
    with serving_mail() as server:
        with pytest.raises(UnavailableError, match="SMTPNotSupportedError"):
            send(f"smtp://127.0.0.1:{server.port}")
        assert server.offers == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 no such user", ReturnedError), ("554 spam", ReturnedError), ("451 later", UnavailableError)],
)
def test_what_the_server_refuses_is_final_or_not(answer: str, kind: type[TrunklineError]) -> None:
    """5xx for ever, 4xx for now; the sentence quotes it."""
    with serving_mail() as server:
        server.refusals.append(answer)
        with pytest.raises(kind, match=answer[4:]):
            send(f"smtp://127.0.0.1:{server.port}")


def test_a_wrong_password_is_told_and_not_shown(trust: Trust) -> None:
    """Whoever mends it gets the letter."""
    with serving_mail(trust.tls, locked=True) as server:
        with pytest.raises(UnavailableError, match="535") as caught:
            send(f"smtp://{USER}:wr0ngpassword@localhost:{server.port}", trust.ca_file)
        assert server.offers == 0
    assert "wr0ngpassword" not in str(caught.value)


def test_nobody_there_is_for_now() -> None:
    """A server that is down comes up again."""
    with serving_mail() as server:
        port = server.port
    with pytest.raises(UnavailableError) as caught:
        send(f"smtp://{SECRET}127.0.0.1:{port}")
    tells_nothing(caught.value)


def test_a_line_break_makes_no_header() -> None:
    """The letter is given up, and nothing is injected."""
    with serving_mail() as server:
        for change in ({"subject": "x\nBcc: all@example.com"}, {"recipient": "ops@example.com\r\nBcc: x@y.example"}):
            letter = Letter(**{**{name: getattr(LETTER, name) for name in LETTER.__struct_fields__}, **change})
            with pytest.raises(ReturnedError):
                send(f"smtp://127.0.0.1:{server.port}", letter=letter)
        assert server.offers == 0


def tells_nothing(error: TrunklineError) -> None:
    """Check that neither the password nor the address with it stands in an error."""
    assert PASSWORD not in str(error)
    assert quote(PASSWORD, safe="") not in str(error)


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://h:x", "smtp://h/path", ""])
def test_an_address_that_is_none_stops_the_start(url: str, tmp_path: Path) -> None:
    """And so do roots that cannot be read."""
    with pytest.raises(ConfigurationError, match="smtp_url"):
        SmtpMailer(url)
    with pytest.raises(ConfigurationError, match="smtp_ca_file"):
        SmtpMailer("smtp://mail.example", str(tmp_path / "missing.pem"))
