"""Settings: one list with a brief each, read from defaults, a file, the environment and the command line."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from trunkline.errors import ConfigurationError

PREFIX = "TRUNKLINE_"
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def _setting(default: Any, brief: str, *, secret: bool = False, least: int = 0, most: int = 2**31 - 1) -> Any:
    """Declare one setting: its default, one sentence for the documentation, and the range of a number."""
    metadata = {"brief": brief, "secret": secret, "least": least, "most": most}
    return field(default=default, metadata=metadata, repr=not secret)  # secrets reach no log


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set; lists are written with commas in the environment."""

    # where it listens
    host: str = _setting("127.0.0.1", "The address both listeners bind to.")
    http_port: int = _setting(8080, "The port of plain HTTP; 0 picks a free one.", most=65_535)
    https_port: int = _setting(8443, "The port of HTTPS; 0 picks a free one.", most=65_535)
    public_url: str = _setting(
        "",
        "The https address that clients use, when a proxy or a container stands in front; its host is accepted.",
    )
    host_names: tuple[str, ...] = _setting(
        (),
        "More names or addresses by which clients reach the server; accepted as Host and put into the leaf.",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses or networks whose X-Forwarded-For, -Host and -Proto headers are believed."
    )
    certificate_file: str = _setting("", "Your own certificate chain (PEM) instead of the development one.")
    certificate_key_file: str = _setting("", "The private key (PEM) of your own certificate.")
    # where it keeps
    data: str = _setting("data", "The data folder: state, facts, keys, certificates.")
    database: str = _setting(
        "",
        "Where state is kept: empty is SQLite in the data folder; postgresql+psycopg://user:password@host/name is "
        "PostgreSQL, which several processes may share.",
        secret=True,
    )
    facts: str = _setting(
        "",
        "A ClickHouse database that keeps the facts instead of the data folder: "
        "clickhouse://user:password@host:port/database, or the same with https.",
        secret=True,
    )
    ephemeral: bool = _setting(False, "Keep everything in a temporary folder that goes when the server stops.")
    # who may call
    resource: str = _setting("trunkline", "The name of the default resource.")
    access_keys: tuple[str, ...] = _setting(
        (),
        "One or two access keys (base64) of the default resource; made at first start when empty.",
        secret=True,
    )
    api_key: str = _setting("", "The key of Trunkline's own API; made at first start when empty.", secret=True)
    subscription_id: str = _setting("", "The Azure subscription id in resource ids; made at first start when empty.")
    tenant_id: str = _setting("", "The Entra tenant id that is shown to clients; made at first start when empty.")
    resource_group: str = _setting("trunkline", "The resource group in resource ids.")
    numbers: tuple[str, ...] = _setting(
        ("+18005550199",),
        "Numbers from which the default resource sends text messages: in E.164, short codes, or sender names; "
        "`trunkline numbers add` adds more.",
    )
    auth_mode: Literal["auto", "development", "strict"] = _setting(
        "auto",
        "Whether Entra bearers that nobody here can verify are accepted: development accepts them, strict refuses "
        "them, auto is development only while every listener is on loopback, no proxy or public address is set and no "
        "issuer is configured.",
    )
    hmac_mode: Literal["strict", "lenient"] = _setting(
        "strict",
        "Whether a wrong access-key signature is refused (strict) or accepted, counted and shown (lenient).",
    )
    clock_skew_s: int = _setting(300, "How far x-ms-date may be from the server's clock.", least=1)
    issuers: tuple[str, ...] = _setting(
        (), "Issuers (https addresses with an OpenID configuration) whose bearers are verified and accepted."
    )
    audiences: tuple[str, ...] = _setting(
        (),
        "Audiences that a bearer of a configured issuer may carry; empty means any audience of that issuer.",
    )
    owners: tuple[str, ...] = _setting(
        (),
        "Object ids, application ids or subjects whose bearers of a configured issuer are owners; every other bearer "
        "has the role that its roles claim names, or is a reader.",
    )
    # how it behaves
    service_limits: bool = _setting(False, "Apply the documented service limits: 429 with Retry-After above them.")
    preview_event_types: bool = _setting(
        False,
        "Send the two preview type names of chat members to every subscription, not only to those that name them.",
    )
    sms_event_casing: Literal["pascal", "camel"] = _setting(
        "pascal",
        "The case of the keys in the payloads of SMS events: pascal as they are documented (MessageId), or camel as in "
        "the SDKs' models (messageId).",
    )
    lenient_subjects: bool = _setting(
        True,
        "Ignore one leading slash on both sides when subjects are filtered, as the documented samples need.",
    )
    private_webhooks: Literal["auto", "allow", "refuse"] = _setting(
        "auto",
        "Whether events go to private addresses; auto allows them only while every listener is on loopback.",
    )
    plain_webhooks: bool = _setting(True, "Whether events go to plain http addresses.")
    webhook_ca_file: str = _setting("", "More roots (PEM) that webhooks' certificates may chain to.")
    dead_letter_delay_s: int = _setting(300, "How long after the last attempt an event counts as dead.")
    max_body_bytes: int = _setting(4 * 1024 * 1024, "The largest request body.", least=1024)
    event_retention_hours: int = _setting(24 * 7, "How long told events and finished deliveries are kept.", least=1)
    report_retention_hours: int = _setting(
        24 * 7, "How long answered queries of the Infobip Metrics API are kept, with their results.", least=1
    )
    retention_days: tuple[str, ...] = _setting(
        (),
        "How many days facts are kept, hour by hour: `90` for every kind, `calls=400,samples=30` for one each; 0 or "
        "nothing is for ever.",
    )
    support_file_mb: int = _setting(64, "The largest support file (MiB).", least=1, most=4096)
    support_files_per_call: int = _setting(50, "How many support files a call may have.", least=1)
    support_mb: int = _setting(2048, "How much (MiB) all support files may have together.", least=1)
    support_retention_days: int = _setting(30, "How long support files are kept.", least=1, most=36_500)
    facts_memory_mb: int = _setting(
        0,
        "How much memory (MiB) questions and loading may use together; 0 is a quarter of the machine's, from 256 to "
        "4096.",
    )
    facts_temp_mb: int = _setting(
        8192, "How much disk (MiB) questions may use that need more memory, in facts.tmp of the data folder."
    )
    # when it is unwell, and who hears of it
    outage_permille: int = _setting(
        30, "Of a thousand requests, how many may fail beyond retrying; more is an outage if it lasts."
    )
    outage_minutes: int = _setting(
        5, "For how many minutes, one after the other, that must be so.", least=1, most=10_000
    )
    outage_least_requests: int = _setting(20, "How many requests must have come in these minutes.", least=1)
    outage_quiet_minutes: int = _setting(
        10, "After how many minutes without it an outage is over.", least=1, most=10_000
    )
    outage_statuses: tuple[str, ...] = _setting(
        ("500", "502", "504-599"), "Which statuses retrying cannot mend: 500, 5xx, 504-599."
    )
    incident_retention_days: int = _setting(90, "How long incidents that are over are kept.", least=1)
    alert_sms_from: str = _setting("", "The default resource's number from which incidents are told by text message.")
    alert_sms_to: tuple[str, ...] = _setting((), "Numbers that get these text messages.")
    alert_mail_to: tuple[str, ...] = _setting((), "Addresses to which incidents are told by e-mail.")
    alert_mail_from: str = _setting("", "The address from which these e-mails come.")
    smtp_url: str = _setting(
        "",
        "The mail server: smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465 (TLS at once).",
        secret=True,
    )
    smtp_ca_file: str = _setting("", "More roots (PEM) that the mail server's certificate may chain to.")
    log_destinations: tuple[str, ...] = _setting(
        (),
        "Where diagnostic settings write log tables: name=connection string of a storage account (Azurite's is "
        "UseDevelopmentStorage=true) or name=folder; the name * is every other storage account.",
        secret=True,
    )
    backlog: int = _setting(20_000, "How many writes may wait before the server answers 503.", least=1)
    graceful_timeout_s: int = _setting(10, "How long requests in flight may take when the server stops.")
    infobip_voice_since: str = _setting(
        "2025-05-15",
        "The day (UTC) from which the Infobip Metrics API answers for calls, as the original does; empty is without a "
        "bound.",
    )
    infobip_rates: Literal["fraction", "percent"] = _setting(
        "fraction", "Whether rates of the Infobip Metrics API are fractions (1.0 is all) or percentages."
    )
    # how it tells
    log_format: Literal["text", "json"] = _setting("text", "Logs as text or as JSON lines.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "The lowest level that is logged.")

    @property
    def loopback_only(self) -> bool:
        """Tell whether every listener is on loopback."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def reached_from_here_only(self) -> bool:
        """Tell whether nobody but this machine can call: loopback, and no proxy said to stand in front."""
        return self.loopback_only and not self.public_url and not self.trusted_proxies

    @property
    def development(self) -> bool:
        """Tell whether bearers that nobody here can verify are accepted."""
        if self.auth_mode == "auto":
            return self.reached_from_here_only and not self.issuers
        return self.auth_mode == "development"

    @property
    def private_webhooks_allowed(self) -> bool:
        """Tell whether events may go to private addresses."""
        if self.private_webhooks == "auto":
            return self.reached_from_here_only
        return self.private_webhooks == "allow"


@dataclass(frozen=True)
class SettingRow:
    """One setting as the documentation shows it."""

    name: str
    variable: str
    kind: str
    default: Any
    brief: str
    secret: bool


def rows() -> list[SettingRow]:
    """List every setting in the order of its declaration."""
    kinds = typing.get_type_hints(Settings)
    return [
        SettingRow(
            row.name,
            PREFIX + row.name.upper(),
            _kind(kinds[row.name]),
            row.default,
            row.metadata["brief"],
            row.metadata["secret"],
        )
        for row in dataclasses.fields(Settings)
    ]


def strangers(environment: Mapping[str, str]) -> list[str]:
    """List the variables that look like settings and are none: a slip, or another program's."""
    known = {PREFIX + "CONFIG", *(row.variable for row in rows())}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def load(file: Path | None = None, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read the settings: defaults, then the file (TOML), then TRUNKLINE_* variables, then what was given.

    A value of None in `given` means not given. Raises ConfigurationError naming the setting and the remedy.
    """
    environment = os.environ if environment is None else environment
    if file is None and environment.get(PREFIX + "CONFIG"):
        file = Path(environment[PREFIX + "CONFIG"])
    kinds = typing.get_type_hints(Settings)
    known = {row.name: _Reader(row, kinds[row.name]) for row in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in _from_file(file).items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (is {near[0]} meant?)" if near else ""
            raise ConfigurationError(f"{file} sets {name!r}, which is no setting{hint}; docs/operations.md lists them.")
        values[name] = known[name].read(value, str(file))
    for name, reader in known.items():
        text = environment.get(PREFIX + name.upper())
        if text is not None and (text or reader.may_be_empty):
            values[name] = reader.read(text, "the environment")
    for name, value in given.items():
        if value is not None:
            values[name] = known[name].read(value, "the command line")
    return _checked(Settings(**values))


def _checked(settings: Settings) -> Settings:
    """Check what types and ranges cannot say; raises ConfigurationError."""
    if settings.public_url and not _is_address(settings.public_url):
        raise ConfigurationError(
            f"public_url is {settings.public_url!r}; it must be an address without a path, like https://chat.example."
        )
    if settings.database and not settings.database.startswith("postgresql+psycopg://"):
        raise ConfigurationError(
            "database is no address that can be used; it is empty, or like postgresql+psycopg://user:password@host/name."
        )
    if settings.database and settings.ephemeral:
        raise ConfigurationError("database and ephemeral exclude each other: what PostgreSQL keeps stays.")
    if settings.infobip_voice_since and not _is_day(settings.infobip_voice_since):
        raise ConfigurationError(
            f"infobip_voice_since is {settings.infobip_voice_since!r}; it must be a day like 2025-05-15, or empty."
        )
    if len(settings.access_keys) > 2:
        raise ConfigurationError("access_keys holds more than two keys; a resource has one or two.")
    if bool(settings.certificate_file) is not bool(settings.certificate_key_file):
        raise ConfigurationError("certificate_file and certificate_key_file need each other; set both or neither.")
    return settings


def _is_day(text: str) -> bool:
    """Tell whether a text is a day as ISO 8601 writes it."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    """Tell whether a text is http(s)://host[:port]."""
    try:
        url = urlsplit(text)
        return (
            url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0 and not text[8:].partition("/")[2]
        )
    except ValueError:
        return False


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The settings file {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {file} is not valid TOML: {error}.") from error


def _kind(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return " | ".join(typing.get_args(kind))
    if typing.get_origin(kind) in {tuple, types.UnionType}:
        return "list"
    return {str: "text", int: "number", bool: "yes or no"}[kind]


class _Reader:
    """Turns values of the file, the environment or the command line into one setting's type."""

    def __init__(self, row: dataclasses.Field[Any], kind: Any) -> None:
        self._name = row.name
        self._kind = kind
        self._about = row.metadata

    @property
    def may_be_empty(self) -> bool:
        """Tell whether an empty variable is a value; of numbers and choices it means "not given"."""
        return self._kind in {str, bool} or typing.get_origin(self._kind) is tuple

    def read(self, value: Any, where: str) -> Any:
        """Return the value in its type; raises ConfigurationError that says what it can be."""
        if typing.get_origin(self._kind) is Literal:
            if value not in typing.get_args(self._kind):
                raise self._wrong(value, where, f"it can be {_kind(self._kind)}")
            return value
        if typing.get_origin(self._kind) is tuple:
            return self._list(value, where)
        if self._kind is bool:
            text = str(value).strip().lower()
            if text not in _TRUE | _FALSE:
                raise self._wrong(value, where, "it can be true or false")
            return text in _TRUE
        if self._kind is int:
            return self._number(value, where)
        if not isinstance(value, str | Path):
            raise self._wrong(value, where, "it must be text")
        return str(value)

    def _list(self, value: Any, where: str) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise self._wrong(value, where, "it must be a list of texts")
        return tuple(part.strip() for part in parts if part.strip())

    def _number(self, value: Any, where: str) -> int:
        text = value.strip() if isinstance(value, str) else str(value)
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise self._wrong(value, where, "it must be a whole number")
        least, most = self._about["least"], self._about["most"]
        if not least <= int(text) <= most:
            raise self._wrong(value, where, f"it must be from {least} to {most}")
        return int(text)

    def _wrong(self, value: Any, where: str, remedy: str) -> ConfigurationError:
        shown = "not usable" if self._about["secret"] else repr(value)
        return ConfigurationError(f"{self._name} in {where} is {shown}; {remedy}.")
