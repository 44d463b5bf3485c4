"""Certificates of the HTTPS listener: a development authority and its leaf, or the operator's own."""

from __future__ import annotations

import contextlib
import importlib
import ipaddress
import logging
import os
import re
import socket
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trunkline.durable import sync
from trunkline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD_NAMES = ("localhost", "*.communication.localhost", "127.0.0.1", "::1")
"""Names every leaf carries; a resource is named by the first label under the wildcard."""

AUTHORITY_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=90)  # far below the 398 days that Apple's clients accept
BACKDATE = timedelta(hours=1)  # clients' clocks run behind ours
EXPIRY_NOTICE = timedelta(days=14)

_log = logging.getLogger(__name__)
_AUTHORITY_TITLE = "Trunkline development CA"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")
_PEM_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a listener shows: the files (leaf first, PEM), and what the leaf says of itself."""

    chain_file: Path
    key_file: Path
    serial: int
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def is_due(self, now: datetime) -> bool:
        """Tell whether less than a third of its life is left, or it has not begun."""
        left = self.not_after - now
        return now < self.not_before or left < (self.not_after - self.not_before) / 3

    def expiry_notice(self, now: datetime) -> str:
        """Return a sentence for the log when it ends within 14 days and is due, else nothing."""
        left = self.not_after - now
        if left > EXPIRY_NOTICE or not self.is_due(now):
            return ""
        return f"The certificate in {self.chain_file} ends at {self.not_after:%Y-%m-%d %H:%M} UTC: renew it."


@dataclass(frozen=True, slots=True)
class Certificates:
    """The development authority's files (absolute paths) and the leaf it issued.

    `ca_file` is for variables that add a root (NODE_EXTRA_CA_CERTS), `bundle_file` for those that replace
    all roots (REQUESTS_CA_BUNDLE, SSL_CERT_FILE).
    """

    ca_file: Path
    bundle_file: Path
    leaf: Certificate


def ensure(folder: Path, names: Iterable[str], now: datetime) -> Certificates:
    """Return the certificates kept in the folder, having made or renewed whatever was needed.

    `names` are DNS names or addresses wanted beside `STANDARD_NAMES` and the host's name. A new leaf is made
    when the old one is due (`Certificate.is_due`), lacks a wanted name, does not fit its key or its
    authority, or cannot be read. Raises ConfigurationError when the authority's key is unreadable or foreign
    to its certificate, a name is none, or the folder cannot be written.
    """
    folder = folder.absolute()
    wanted = _general_names(names)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        key, authority = _ensure_authority(folder, now)
        leaf = _ensure_leaf(folder, key, authority, wanted, now)
        _ensure_bundle(folder / "ca-bundle.pem", authority)
    except OSError as error:
        raise ConfigurationError(
            f"The certificates in {folder} cannot be kept ({error.strerror or error}): let this user read "
            "and write that folder, or choose another data folder.",
        ) from error
    return Certificates(folder / "ca.pem", folder / "ca-bundle.pem", leaf)


def own(chain_file: Path, key_file: Path, now: datetime) -> Certificate:
    """Return the operator's own certificate, checked; nothing is written.

    Raises ConfigurationError when a file cannot be read, the key is encrypted or does not fit the first
    certificate, or the certificate is not valid at `now`.
    """
    chain_file, key_file = chain_file.absolute(), key_file.absolute()
    chain = _read_chain(chain_file)
    leaf = chain[0]
    public = _public_bytes(_read_key(key_file))
    if _public_bytes(leaf) != public:
        if any(_public_bytes(each) == public for each in chain):
            raise ConfigurationError(f"{chain_file} must begin with the server's certificate, its issuers after it.")
        raise ConfigurationError(
            f"The key in {key_file} does not fit the certificate in {chain_file}: name the pair that was "
            "issued together.",
        )
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise ConfigurationError(
            f"The certificate in {chain_file} is valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, which is not now: renew it, or set the "
            "machine's clock.",
        )
    return _describe(leaf, chain_file, key_file)


def _ensure_authority(folder: Path, now: datetime) -> tuple[_Key, x509.Certificate]:
    """Return the authority's key and certificate; the key stays when its certificate must be made again.

    A client that trusts the earlier certificate of the same key and name still accepts new leaves.
    """
    key_file, ca_file = folder / "ca-key.pem", folder / "ca.pem"
    remedy = f"or delete {key_file} and {ca_file} to get a new authority, which every client must then trust"
    if not key_file.exists():
        if ca_file.exists():
            raise ConfigurationError(f"{key_file}, the key of {ca_file}, is missing: put it back, {remedy}.")
        _write_key(key_file, ec.generate_private_key(ec.SECP256R1()))
    key = _read_key(key_file, f"put the key back, {remedy}")
    key_file.chmod(0o600)
    try:
        authority = _read_chain(ca_file)[0]
    except ConfigurationError:
        authority = None
    if authority is not None and _public_bytes(authority) != _public_bytes(key):
        raise ConfigurationError(f"{key_file} is not the key of {ca_file}: put the right one back, {remedy}.")
    if authority is None or not _outlives(authority, now):
        if authority is not None and authority.subject != _authority_name(key):
            raise ConfigurationError(
                f"{ca_file} does not outlive a new leaf, or has not begun: replace it and its key, {remedy}."
            )
        if ca_file.exists():
            _log.warning("%s was unusable or is about to end: made again over the same key and name", ca_file)
        authority = _make_authority(key, now)
        _write(ca_file, authority.public_bytes(Encoding.PEM), 0o644)
    return key, authority


def _ensure_leaf(
    folder: Path, ca_key: _Key, authority: x509.Certificate, wanted: list[x509.GeneralName], now: datetime
) -> Certificate:
    chain_file, key_file = folder / "leaf.pem", folder / "leaf-key.pem"
    try:
        chain = _read_chain(chain_file)
        fits = _public_bytes(_read_key(key_file)) == _public_bytes(chain[0])
        chain[0].verify_directly_issued_by(authority)
        leaf = _describe(chain[0], chain_file, key_file)
        missing = {_text(name) for name in wanted}.difference(leaf.names)
        if fits and not missing and chain[1:] == [authority] and not leaf.is_due(now):
            key_file.chmod(0o600)
            return leaf
    except (ConfigurationError, InvalidSignature, TypeError, ValueError):
        pass  # missing or damaged or of another authority: each is a reason for a new one
    key = ec.generate_private_key(ec.SECP256R1())
    made = _make_leaf(key, wanted, ca_key, authority, now)
    # A crash between the two leaves a key that does not fit, which the next start sees.
    _write_key(key_file, key)
    _write(chain_file, made.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM), 0o644)
    return _describe(made, chain_file, key_file)


def _ensure_bundle(file: Path, authority: x509.Certificate) -> None:
    ours = authority.public_bytes(Encoding.PEM).decode()
    bundle = "".join(block + "\n" for block in _system_roots(file)) + ours
    if not file.exists() or file.read_text() != bundle:
        _write(file, bundle.encode(), 0o644)


def _make_authority(key: _Key, now: datetime) -> x509.Certificate:
    name = _authority_name(key)
    return (
        _begin(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_leaf(
    key: _Key, names: list[x509.GeneralName], ca_key: _Key, authority: x509.Certificate, now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline")])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    with contextlib.suppress(x509.ExtensionNotFound):
        known_as = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_as)
    return (
        _begin(subject, authority.subject, key, now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _begin(subject: x509.Name, issuer: x509.Name, key: _Key, now: datetime, life: timedelta) -> x509.CertificateBuilder:
    now = now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_name(key: _Key) -> x509.Name:
    """Name the authority after its key, so that two of them in one trust store are told apart."""
    mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_AUTHORITY_TITLE} {mark}")])


def _outlives(authority: x509.Certificate, now: datetime) -> bool:
    return authority.not_valid_before_utc <= now and authority.not_valid_after_utc - now >= LEAF_LIFE


def _general_names(extra: Iterable[str]) -> list[x509.GeneralName]:
    host = socket.gethostname().lower()
    texts = [*STANDARD_NAMES, *extra, *([host] if _DNS_NAME.fullmatch(host) else [])]
    return list({_text(name): name for name in map(_general_name, texts)}.values())


def _general_name(text: str) -> x509.GeneralName:
    bare = text.strip().removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(bare))
    with contextlib.suppress(UnicodeError):
        ascii_name = bare.lower().rstrip(".").encode("idna").decode()
        if _DNS_NAME.fullmatch(ascii_name) and len(ascii_name) <= 253:
            return x509.DNSName(ascii_name)
    raise ConfigurationError(f"{text!r} cannot stand in a certificate: give a host name or an address.")


def _text(name: x509.GeneralName) -> str:
    return str(name.value).lower()


def _describe(leaf: x509.Certificate, chain_file: Path, key_file: Path) -> Certificate:
    names: tuple[str, ...] = ()
    with contextlib.suppress(x509.ExtensionNotFound):
        names = tuple(map(_text, leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value))
    return Certificate(
        chain_file, key_file, leaf.serial_number, names, leaf.not_valid_before_utc, leaf.not_valid_after_utc
    )


def _public_bytes(owner: _Key | x509.Certificate) -> bytes:
    return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read_chain(file: Path) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
        _public_bytes(chain[0])
        _ = chain[0].extensions  # parsed only when asked for; what is damaged shows here
        return chain
    except (OSError, ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a PEM certificate"
        raise ConfigurationError(
            f"The certificate {file} cannot be read ({reason}): name a PEM file this user may read."
        ) from error


def _read_key(file: Path, remedy: str = "name an unencrypted PEM file this user may read") -> _Key:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a PEM key"
        if isinstance(error, TypeError):
            reason = "it is encrypted"
        raise ConfigurationError(f"The private key {file} cannot be read ({reason}): {remedy}.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigurationError(f"The private key {file} is neither EC nor RSA: {remedy}.")
    return key


def _system_roots(bundle: Path) -> list[str]:
    """Return the PEM blocks that the machine trusts, without authorities made here.

    The operator's SSL_CERT_FILE and SSL_CERT_DIR are honoured, but not where they name our own bundle, which
    would keep yesterday's roots for ever.
    """
    blocks: dict[bytes, str] = {}
    for file in _root_files(bundle):
        with contextlib.suppress(OSError):
            for block in _PEM_BLOCK.findall(file.read_text(errors="replace")):
                with contextlib.suppress(ValueError):
                    blocks.setdefault(ssl.PEM_cert_to_DER_cert(block), block)
    return [block for der, block in blocks.items() if _AUTHORITY_TITLE.encode() not in der]


def _root_files(bundle: Path) -> Iterator[Path]:
    paths = ssl.get_default_verify_paths()
    found = False
    for candidate in dict.fromkeys((paths.cafile, paths.openssl_cafile)):
        if candidate and Path(candidate).is_file() and Path(candidate).resolve() != bundle.resolve():
            found = True
            yield Path(candidate)
            break
    if paths.capath:
        for file in sorted(Path(paths.capath).glob("*.[0-9]")):  # the hashed names that OpenSSL itself reads
            found = True
            yield file
    if not found:
        with contextlib.suppress(ImportError):
            yield Path(importlib.import_module("certifi").where())


def _write_key(file: Path, key: _Key) -> None:
    _write(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Put the content in the file's place as a whole, durably."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(file.parent, deep=False)
