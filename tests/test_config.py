"""Settings: where they come from, which one wins, and what is said of those that are wrong."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.config import PREFIX, Settings, load, rows, strangers
from trunkline.errors import ConfigurationError

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="


def test_nothing_given_means_the_defaults() -> None:
    """Every setting has one."""
    assert load(environment={}) == Settings()


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    """Each source replaces those before it, setting by setting; None means not given."""
    file = tmp_path / "trunkline.toml"
    file.write_text('http_port = 1\nhttps_port = 1\nresource = "of-file"\nhost_names = ["a", "b"]\n')
    environment = {"TRUNKLINE_HTTPS_PORT": "2", "TRUNKLINE_RESOURCE": "of-environment"}
    settings = load(file, environment, resource="given", ephemeral=None)
    assert (settings.http_port, settings.https_port, settings.resource) == (1, 2, "given")
    assert settings.host_names == ("a", "b")
    assert settings.ephemeral is False


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    """Unless one is given."""
    (tmp_path / "one.toml").write_text("http_port = 1")
    (tmp_path / "two.toml").write_text("http_port = 2")
    environment = {"TRUNKLINE_CONFIG": str(tmp_path / "one.toml")}
    assert load(None, environment).http_port == 1
    assert load(tmp_path / "two.toml", environment).http_port == 2
    assert load(None, {"TRUNKLINE_CONFIG": ""}).http_port == 8080


def test_every_setting_can_be_set_by_its_variable() -> None:
    """With the value written as text, lists with commas."""
    written: dict[str, tuple[str, Any]] = {
        "list": ("x, y,,", ("x", "y")),
        "number": ("2048", 2048),
        "yes or no": ("Yes", True),
        "text": ("z", "z"),
    }
    special = {"public_url": "https://z", "certificate_file": "z", "certificate_key_file": "z"}
    special |= {"database": "postgresql+psycopg://z", "infobip_voice_since": "2024-02-29"}
    for row in rows():
        kind = "choice" if " | " in row.kind else row.kind
        last = row.kind.split(" | ")[-1]
        text, value = written.get(kind, (last, last))
        text, value = (special[row.name], special[row.name]) if row.name in special else (text, value)
        both = {row.variable: text} | {
            PREFIX + name.upper(): "z" for name in special if name.startswith("certificate") and row.name in special
        }
        assert getattr(load(environment={**both, row.variable: text}), row.name) == value, row.name


def test_an_empty_variable_clears_a_text_and_leaves_a_number_alone(tmp_path: Path) -> None:
    """As composed files write what was not filled in."""
    file = tmp_path / "trunkline.toml"
    file.write_text(
        'http_port = 1\nhost_names = ["a"]\nresource_group = "g"\nhmac_mode = "lenient"\nephemeral = true\n'
    )
    names = ("HTTP_PORT", "HOST_NAMES", "RESOURCE_GROUP", "HMAC_MODE", "EPHEMERAL")
    settings = load(file, {PREFIX + name: "" for name in names})
    assert (settings.http_port, settings.hmac_mode) == (1, "lenient")
    assert (settings.host_names, settings.resource_group, settings.ephemeral) == ((), "", False)


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("HTTP_PORT", "http", "http_port in the environment is 'http'; it must be a whole number."),
        ("HTTP_PORT", "80.5", "http_port in the environment is '80.5'; it must be a whole number."),
        ("HTTP_PORT", "٣", "http_port in the environment is '٣'; it must be a whole number."),
        ("HTTP_PORT", "9" * 5000, "it must be a whole number."),
        ("HTTP_PORT", "65536", "http_port in the environment is '65536'; it must be from 0 to 65535."),
        ("HTTPS_PORT", "-1", "it must be from 0 to 65535."),
        ("BACKLOG", "0", "it must be from 1 to "),
        ("HMAC_MODE", "off", "hmac_mode in the environment is 'off'; it can be strict | lenient."),
        ("EPHEMERAL", "maybe", "ephemeral in the environment is 'maybe'; it can be true or false."),
        ("PUBLIC_URL", "chat.example", "public_url is 'chat.example'; it must be an address without a path"),
        ("PUBLIC_URL", "https://chat.example/x", "it must be an address without a path"),
        ("PUBLIC_URL", "ftp://chat.example", "it must be an address without a path"),
        ("ACCESS_KEYS", f"{KEY},{KEY},{KEY}", "access_keys holds more than two keys"),
        ("CERTIFICATE_FILE", "x.pem", "certificate_file and certificate_key_file need each other"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(variable: str, text: str, sentence: str) -> None:
    """Which setting, from where, what it was, what it can be."""
    with pytest.raises(ConfigurationError) as wrong:
        load(environment={PREFIX + variable: text})
    assert sentence in wrong.value.message


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("http_port = 1.5", "http_port in {file} is 1.5; it must be a whole number."),
        ("http_port = true", "it must be a whole number."),
        ("host = 5", "host in {file} is 5; it must be text."),
        ("host_names = 5", "host_names in {file} is 5; it must be a list of texts."),
        ("host_names = [5]", "it must be a list of texts."),
        ("[host]\nx = 1", "it must be text."),
        ("log_level = []", "it can be debug | info | warning | error."),
        ("htpp_port = 1", "{file} sets 'htpp_port', which is no setting (is http_port meant?)"),
        ("http_port = ", "{file} is not valid TOML"),
    ],
)
def test_a_wrong_line_of_the_file_is_named_with_its_remedy(tmp_path: Path, toml: str, sentence: str) -> None:
    """A misspelt name too: nothing in the file is passed over in silence."""
    file = tmp_path / "trunkline.toml"
    file.write_text(toml)
    with pytest.raises(ConfigurationError) as wrong:
        load(file, {})
    assert sentence.format(file=file) in wrong.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", ".", "binary.toml"):
        with pytest.raises(ConfigurationError, match="settings file"):
            load(tmp_path / name, {})


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.text(), st.sampled_from(["https://[", "https://x:y", "https://x:99999", "https://"])))
def test_no_text_whatever_raises_anything_but_our_error(text: str) -> None:
    """Whichever setting it is meant for."""
    for row in rows():
        try:
            load(environment={row.variable: text})
        except ConfigurationError as error:
            assert row.name in error.message  # noqa: PT017 - many texts are fine


def test_secrets_show_neither_in_a_representation_nor_in_an_error(tmp_path: Path) -> None:
    """Settings may be logged as a whole."""
    secret = [row.name for row in rows() if row.secret]
    assert secret == ["database", "facts", "access_keys", "api_key", "smtp_url", "log_destinations"]
    shown = repr(Settings(access_keys=(KEY,), api_key="hunter2", database="postgresql+psycopg://a:hunter2@b/c"))
    assert KEY not in shown
    assert "hunter2" not in shown
    file = tmp_path / "trunkline.toml"
    file.write_text("api_key = 123456789")
    with pytest.raises(ConfigurationError) as wrong:
        load(file, {})
    assert "123456789" not in wrong.value.message


@pytest.mark.parametrize("given", [{"database": "mysql://a:hunter2@b"}, {"database": "hunter2", "ephemeral": True}])
def test_a_database_that_cannot_be_used_is_refused_without_its_password(given: dict[str, Any]) -> None:
    """The sentence shows what an address looks like."""
    with pytest.raises(ConfigurationError, match="database") as wrong:
        load(None, {}, **given)
    assert "hunter2" not in wrong.value.message


def test_what_postgresql_keeps_does_not_go_when_the_server_stops() -> None:
    """So nobody may ask for both."""
    with pytest.raises(ConfigurationError, match="database and ephemeral exclude each other"):
        load(None, {}, database="postgresql+psycopg://a", ephemeral=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "[::1]", "localhost", "LocalHost", "127.1.2.3", "0:0:0:0:0:0:0:1"]
)
def test_on_loopback_strangers_bearers_are_accepted_unless_told_otherwise(host: str) -> None:
    """Development is the default there, and ends with a configured issuer."""
    assert Settings(host=host).loopback_only
    assert Settings(host=host).development
    assert Settings(host=host).private_webhooks_allowed
    assert not Settings(host=host, issuers=("https://x",)).development
    assert not Settings(host=host, auth_mode="strict").development
    assert not Settings(host=host, private_webhooks="refuse").private_webhooks_allowed


@pytest.mark.parametrize(
    "host",
    ["::", "", "192.0.2.1", "0.0.0.1", "127.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "host"],
)
def test_anywhere_else_they_are_refused_unless_told_otherwise(host: str) -> None:
    """A name that only begins like loopback is none."""
    assert not Settings(host=host).loopback_only
    assert not Settings(host=host).development
    assert not Settings(host=host).private_webhooks_allowed
    assert Settings(host=host, auth_mode="development").development
    assert Settings(host=host, private_webhooks="allow").private_webhooks_allowed


def test_every_setting_is_documented_from_one_list() -> None:
    """With a sentence, a kind and a default of that kind."""
    kinds = typing.get_type_hints(Settings)
    assert [row.name for row in rows()] == [row.name for row in dataclasses.fields(Settings)]
    for row in rows():
        assert row.brief.endswith("."), row.name
        assert row.variable == PREFIX + row.name.upper()
        assert row.kind
        if row.kind == "number":
            assert type(row.default) is kinds[row.name] is int


@pytest.mark.parametrize(
    "exposed", [{"public_url": "https://chat.example"}, {"trusted_proxies": "127.0.0.1"}, {"host": "192.0.2.1"}]
)
def test_nothing_is_taken_on_trust_where_others_can_call(exposed: dict[str, str]) -> None:
    """Beyond this machine, neither unverified bearers nor private webhooks are accepted by themselves."""
    found = load(environment={}, **exposed)
    assert not found.development
    assert not found.private_webhooks_allowed


def test_a_variable_that_is_no_setting_is_named() -> None:
    """A slip is found; other programs' variables of the same beginning stop nothing."""
    environment = {"TRUNKLINE_HTTP_PORT": "1", "TRUNKLINE_CONFIG": "x", "TRUNKLINE_HTP_PORT": "1", "PATH": ""}
    assert strangers(environment) == ["TRUNKLINE_HTP_PORT"]
