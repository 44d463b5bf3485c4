"""The connection: what a program needs, and the file that tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.world import World
from trunkline import connection
from trunkline.connection import Announcement, Place
from trunkline.errors import NotFoundError, UnavailableError

PLACE = Place(
    http="http://localhost:1", https="https://localhost:2", ca_file="/d/tls/ca.pem", bundle_file="/d/tls/ca-bundle.pem"
)


def test_the_variables_that_replace_roots_get_the_bundle(world: World) -> None:
    """Those that add a root get the CA alone."""
    found = world.house.resources.get("trunkline")
    env = connection.describe(found, PLACE, []).env
    assert env == {
        "REQUESTS_CA_BUNDLE": "/d/tls/ca-bundle.pem",
        "SSL_CERT_FILE": "/d/tls/ca-bundle.pem",
        "NODE_EXTRA_CA_CERTS": "/d/tls/ca.pem",
    }


def test_the_operators_own_certificate_needs_no_variables(world: World) -> None:
    """There is no CA of ours to trust then."""
    found = connection.describe(world.house.resources.get("trunkline"), Place(http=PLACE.http, https=PLACE.https), [])
    assert (found.env, found.ca_file) == ({}, "")


def test_the_file_is_for_its_owner_only_and_read_back_as_it_was(world: World, tmp_path: Path) -> None:
    """It holds keys."""
    described = connection.describe(world.house.resources.get("trunkline"), PLACE, [])
    announcement = Announcement(instance="i", local=PLACE.http, accounts={"trunkline": described})
    connection.write(tmp_path, announcement)
    assert (tmp_path / connection.FILE).stat().st_mode & 0o777 == 0o600
    assert connection.read(tmp_path) == announcement
    assert connection.account(announcement, "") == described
    with pytest.raises(NotFoundError, match="serve --demo"):
        connection.account(announcement, "demo")


def test_a_missing_or_foreign_file_is_explained(tmp_path: Path) -> None:
    """The sentence says what to do."""
    with pytest.raises(UnavailableError, match="trunkline serve"):
        connection.read(tmp_path)
    (tmp_path / connection.FILE).write_text("{}")
    with pytest.raises(UnavailableError, match="not written by this version"):
        connection.read(tmp_path)


def test_a_connection_does_not_show_its_keys_when_printed(world: World) -> None:
    """A log of the object tells no secret."""
    resource = world.house.resources.get("trunkline")
    shown = repr(connection.describe(resource, PLACE, []))
    assert resource.key1 not in shown
    assert resource.api_key not in shown
