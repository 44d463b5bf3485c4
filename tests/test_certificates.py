"""Certificates: what is made, kept, renewed and refused."""

from __future__ import annotations

import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from trunkline import certificates
from trunkline.certificates import ensure, own
from trunkline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def shake_hands(chain_file: Path, key_file: Path, ca_file: Path, name: str) -> str:
    """Shake hands in memory, strictly, and return the TLS version; raises what the client raises."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain_file, key_file)
    client_context = ssl.create_default_context(cafile=str(ca_file))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(back, there, server_hostname=name)
    server = server_context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.version() or ""


def verify(chain: bytes, root: bytes, name: str, moment: datetime) -> None:
    """Verify the chain as of that moment."""
    store = Store([x509.load_pem_x509_certificate(root)])
    verifier = PolicyBuilder().store(store).time(moment).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(chain), [])


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "::1", "demo.communication.localhost", "10.1.2.3", "phones.example"]
)
def test_a_strict_client_accepts_the_leaf(tmp_path: Path, name: str) -> None:
    """Python's client with VERIFY_X509_STRICT accepts every standard and every configured name."""
    made = ensure(tmp_path / "tls", ["10.1.2.3", "Phones.example"], datetime.now(UTC))
    assert shake_hands(made.leaf.chain_file, made.leaf.key_file, made.ca_file, name) == "TLSv1.3"


def test_a_strict_client_refuses_another_name(tmp_path: Path) -> None:
    """A name that the leaf does not carry is refused, so the test above can fail."""
    made = ensure(tmp_path, [], datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        shake_hands(made.leaf.chain_file, made.leaf.key_file, made.ca_file, "phones.example")


def test_the_leaf_carries_the_host_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own name stands among the leaf's names; one that is no host name is left out."""
    monkeypatch.setattr("socket.gethostname", lambda: "Desk.local")
    assert "desk.local" in ensure(tmp_path, [], NOW).leaf.names
    monkeypatch.setattr("socket.gethostname", lambda: "no host name")
    assert "desk.local" in ensure(tmp_path, [], NOW).leaf.names


def test_private_keys_are_closed_to_others(tmp_path: Path) -> None:
    """Keys are 0600 in a 0700 folder, and closed again when someone opened them."""
    folder = tmp_path / "tls"
    ensure(folder, [], NOW)
    keys = [folder / "ca-key.pem", folder / "leaf-key.pem"]
    for key in keys:
        assert key.stat().st_mode & 0o777 == 0o600
        key.chmod(0o644)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    ensure(folder, [], NOW)
    assert [each.stat().st_mode & 0o777 for each in (folder, *keys)] == [0o700, 0o600, 0o600]


def test_a_young_leaf_is_kept(tmp_path: Path) -> None:
    """Nothing is written again while everything fits."""
    first = ensure(tmp_path, ["phones.example"], NOW)
    before = {file: file.stat().st_ino for file in tmp_path.iterdir()}
    assert ensure(tmp_path, ["phones.example"], NOW + timedelta(days=59)) == first
    assert {file: file.stat().st_ino for file in tmp_path.iterdir()} == before


def test_a_leaf_in_its_last_third_is_renewed(tmp_path: Path) -> None:
    """After two thirds of 90 days the leaf is new, of the same authority, and lives as long again."""
    first = ensure(tmp_path, [], NOW)
    root = first.ca_file.read_bytes()
    later = NOW + timedelta(days=61)
    second = ensure(tmp_path, [], later)
    assert second.leaf.serial != first.leaf.serial
    assert second.leaf.not_after == later + timedelta(days=90)
    assert first.ca_file.read_bytes() == root
    verify(second.leaf.chain_file.read_bytes(), root, "localhost", later)


def test_a_leaf_from_the_future_is_replaced(tmp_path: Path) -> None:
    """A clock that was wrong at first start leaves certificates that have not begun; new ones are made."""
    wrong = ensure(tmp_path, [], NOW + timedelta(days=400))
    right = ensure(tmp_path, [], NOW)
    assert right.leaf.serial != wrong.leaf.serial
    verify(right.leaf.chain_file.read_bytes(), right.ca_file.read_bytes(), "localhost", NOW)


def test_a_missing_name_makes_a_new_leaf(tmp_path: Path) -> None:
    """A newly configured name makes a new leaf; one no longer configured does not."""
    first = ensure(tmp_path, [], NOW)
    second = ensure(tmp_path, ["[fd00::7]", "bücher.example"], NOW)
    assert second.leaf.serial != first.leaf.serial
    assert {"fd00::7", "xn--bcher-kva.example"} <= set(second.leaf.names)
    assert ensure(tmp_path, [], NOW).leaf.serial == second.leaf.serial


@pytest.mark.parametrize("name", ["", "two words", "https://phones.example", "a.*.example", "x" * 64])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    """What cannot stand in a certificate is told with the name, before anything is written."""
    with pytest.raises(ConfigurationError, match="cannot stand in a certificate"):
        ensure(tmp_path / "tls", [name], NOW)
    assert not (tmp_path / "tls").exists()


def other_key() -> bytes:
    """Return a private key of nobody here."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "leaf.pem").unlink(),
        lambda folder: (folder / "leaf.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n"),
        lambda folder: (folder / "leaf.pem").write_bytes((folder / "ca.pem").read_bytes()),
        lambda folder: (folder / "leaf-key.pem").unlink(),
        lambda folder: (folder / "leaf-key.pem").write_bytes(b"\x00"),
        lambda folder: (folder / "leaf-key.pem").write_bytes(other_key()),
    ],
)
def test_a_damaged_leaf_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """A leaf or key that is missing, damaged or foreign is replaced, and clients notice nothing."""
    now = datetime.now(UTC)
    first = ensure(tmp_path, [], now)
    damage(tmp_path)
    second = ensure(tmp_path, [], now)
    assert second.leaf.serial != first.leaf.serial
    assert shake_hands(second.leaf.chain_file, second.leaf.key_file, first.ca_file, "localhost")


def test_another_authority_makes_a_new_leaf(tmp_path: Path) -> None:
    """When the authority's pair is exchanged, the leaf and the bundle follow."""
    first = ensure(tmp_path / "one", [], NOW)
    other = ensure(tmp_path / "two", [], NOW)
    for name in ("ca.pem", "ca-key.pem"):
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    second = ensure(tmp_path / "one", [], NOW)
    verify(second.leaf.chain_file.read_bytes(), other.ca_file.read_bytes(), "localhost", NOW)
    assert second.leaf.serial != first.leaf.serial
    assert second.bundle_file.read_text().endswith(other.ca_file.read_text())


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: key.unlink(),
        lambda key: key.write_bytes(b"\x00\xff"),
        lambda key: key.write_bytes(other_key()),
        lambda key: key.write_bytes(encrypted_key()),
        lambda key: key.write_bytes(edwards_key()),
        lambda key: (key.unlink(), key.mkdir()),
    ],
)
def test_an_unreadable_authority_key_is_told_with_its_remedy(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """The error names the key's file and what to delete, and the leaf in use is left alone."""
    first = ensure(tmp_path, [], NOW)
    chain = first.leaf.chain_file.read_bytes()
    damage(tmp_path / "ca-key.pem")
    with pytest.raises(ConfigurationError, match=r"ca-key\.pem.* delete .*ca\.pem") as raised:
        ensure(tmp_path, [], NOW)
    assert "PRIVATE" not in raised.value.message
    assert first.leaf.chain_file.read_bytes() == chain


def encrypted_key() -> bytes:
    """Return a private key that needs a password."""
    key = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


def edwards_key() -> bytes:
    """Return a private key of a kind that many clients do not take."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_lost_authority_certificate_is_made_again_from_its_key(tmp_path: Path) -> None:
    """Clients that still trust the lost certificate accept the new leaf."""
    now = datetime.now(UTC)
    first = ensure(tmp_path, [], now)
    kept = tmp_path / "kept.pem"
    kept.write_bytes(first.ca_file.read_bytes())
    first.ca_file.unlink()
    second = ensure(tmp_path, [], now)
    assert second.ca_file.read_bytes() != kept.read_bytes()
    assert second.leaf.chain_file.read_bytes().endswith(second.ca_file.read_bytes())
    for root in (kept, second.ca_file):
        assert shake_hands(second.leaf.chain_file, second.leaf.key_file, root, "localhost")


def test_the_authority_is_made_again_before_a_leaf_outlives_it(tmp_path: Path) -> None:
    """In its tenth year the authority gets a new certificate over the same key, and the leaf follows."""
    first = ensure(tmp_path, [], NOW)
    root = first.ca_file.read_bytes()
    late = NOW + timedelta(days=3652 - 89)
    with pytest.raises(VerificationError):
        verify(first.leaf.chain_file.read_bytes(), root, "localhost", late)
    second = ensure(tmp_path, [], late)
    renewed = second.ca_file.read_bytes()
    assert renewed != root
    for each in (root, renewed):
        verify(second.leaf.chain_file.read_bytes(), each, "localhost", late)


def system_roots(folder: Path, count: int) -> Path:
    """Write that many roots of a made-up system into one file."""
    roots = [folder / f"root-{number}" for number in range(count)]
    text = ""
    for root in roots:
        root.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, root.name)])
        built = certificates._begin(name, name, key, NOW, timedelta(days=1)).sign(key, hashes.SHA256())
        text += f"# {root.name}\n" + built.public_bytes(serialization.Encoding.PEM).decode()
    file = folder / "roots.pem"
    file.write_text(text)
    return file


def subjects(bundle: Path) -> list[str]:
    """Return the common names in the bundle without their last words."""
    found = x509.load_pem_x509_certificates(bundle.read_bytes())
    return [str(each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)[:24] for each in found]


def test_the_bundle_holds_the_systems_roots_and_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SSL_CERT_FILE names counts as the system's roots; ours comes last, once."""
    monkeypatch.setenv("SSL_CERT_FILE", str(system_roots(tmp_path, 2)))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    made = ensure(tmp_path / "tls", [], NOW)
    assert subjects(made.bundle_file) == ["root-0", "root-1", "Trunkline development CA"]
    assert made.bundle_file.read_text().endswith(made.ca_file.read_text())


def test_the_bundle_does_not_feed_on_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authorities made here are not taken for the system's, though SSL_CERT_FILE may name our bundle."""
    monkeypatch.setenv("SSL_CERT_FILE", str(system_roots(tmp_path, 1)))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    other = ensure(tmp_path / "other", [], NOW)
    monkeypatch.setenv("SSL_CERT_FILE", str(other.bundle_file))
    made = ensure(tmp_path / "tls", [], NOW)
    assert subjects(made.bundle_file) == ["root-0", "Trunkline development CA"]
    assert made.bundle_file.read_text().endswith(made.ca_file.read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle_file))
    ensure(tmp_path / "tls", [], NOW)
    bundle = made.bundle_file.read_text()
    assert bundle.count(made.ca_file.read_text()) == 1
    assert (tmp_path / "roots.pem").read_text().split("\n", 1)[1] not in bundle


def test_the_bundle_of_a_system_without_roots_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the system nor certifi has roots, the bundle is the authority's certificate."""
    nothing = SimpleNamespace(cafile=None, openssl_cafile="/nowhere", capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    monkeypatch.setitem(sys.modules, "certifi", None)
    made = ensure(tmp_path, [], NOW)
    assert made.bundle_file.read_bytes() == made.ca_file.read_bytes()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are replaced as a whole: when that fails, the old one stands and nothing lies about."""
    first = ensure(tmp_path, [], NOW)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        ensure(tmp_path, [], NOW + timedelta(days=80))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert own(first.leaf.chain_file, first.leaf.key_file, NOW).serial == first.leaf.serial


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A folder under a file is a sentence with the folder's name, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file/tls cannot be kept"):
        ensure(tmp_path / "file" / "tls", [], NOW)


def test_an_own_certificate_is_accepted(tmp_path: Path) -> None:
    """The operator's pair is described from its leaf."""
    leaf = ensure(tmp_path, ["phones.example"], NOW).leaf
    assert own(leaf.chain_file, leaf.key_file, NOW) == leaf


def test_an_own_certificate_near_its_end_is_reported(tmp_path: Path) -> None:
    """Fourteen days before the end there is a sentence for the log, earlier there is none."""
    leaf = ensure(tmp_path, [], NOW).leaf
    assert own(leaf.chain_file, leaf.key_file, NOW).expiry_notice(NOW + timedelta(days=75)) == ""
    notice = leaf.expiry_notice(NOW + timedelta(days=77))
    assert str(leaf.chain_file) in notice
    assert "2027-02-19" in notice


@pytest.mark.parametrize("moment", [NOW + timedelta(days=91), NOW - timedelta(days=1)])
def test_an_own_certificate_out_of_its_time_is_refused(tmp_path: Path, moment: datetime) -> None:
    """One that has ended or has not begun is told with its days."""
    leaf = ensure(tmp_path, [], NOW).leaf
    with pytest.raises(ConfigurationError, match=r"leaf\.pem is valid from 2026-11-21 11:00 to 2027-02-19"):
        own(leaf.chain_file, leaf.key_file, moment)


def test_an_own_pair_must_fit(tmp_path: Path) -> None:
    """A key of another certificate, an encrypted one and a chain in the wrong order are each told apart."""
    made = ensure(tmp_path, [], NOW)
    chain, key = made.leaf.chain_file, made.leaf.key_file
    with pytest.raises(ConfigurationError, match="does not fit the certificate"):
        own(made.ca_file, key, NOW)
    turned = tmp_path / "turned.pem"
    turned.write_bytes(made.ca_file.read_bytes() + chain.read_bytes())
    with pytest.raises(ConfigurationError, match=r"turned\.pem must begin with"):
        own(turned, key, NOW)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(encrypted_key())
    with pytest.raises(ConfigurationError, match=r"locked\.pem cannot be read \(it is encrypted\)"):
        own(chain, locked, NOW)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_own_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or senseless file is named, be it the certificate's or the key's."""
    leaf = ensure(tmp_path / "tls", [], NOW).leaf
    file = tmp_path / "mine.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"The certificate .*mine\.pem cannot be read"):
        own(file, leaf.key_file, NOW)
    with pytest.raises(ConfigurationError, match=r"The private key .*mine\.pem cannot be read"):
        own(leaf.chain_file, file, NOW)
