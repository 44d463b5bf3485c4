"""Blobs are appended to where the caller says they go on, by signed requests; nothing is appended twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.support.blobs import KEY, Storage, storage
from trunkline.clock import RealClock
from trunkline.delivery.blobs import Blobs, account_of
from trunkline.errors import ConfigurationError, UnavailableError

NAME = "resourceId=/SUBSCRIPTIONS/1/y=2026/PT1H.json"


@pytest.fixture
def place() -> Iterator[Storage]:
    """Run a storage."""
    with storage() as running:
        yield running


def done(place: Storage, *work: tuple[int, bytes], text: str = "") -> list[Any]:
    """Append in order, and return what came of it."""

    async def each() -> list[Any]:
        blobs = Blobs(account_of(text or place.connection_string), RealClock())
        try:
            return [await caught(blobs.append("box", NAME, at, content)) for at, content in work]
        finally:
            await blobs.stop()

    return asyncio.run(each())


async def caught(work: Coroutine[Any, Any, int]) -> Any:
    """Return what comes of something, an error as its sentence."""
    try:
        return await work
    except UnavailableError as error:
        return error.message


def test_a_blob_and_its_container_are_made_when_they_are_needed(place: Storage) -> None:
    """And go on where they ended."""
    assert done(place, (0, b"one\n"), (4, b"two\n")) == [4, 8]
    assert place.blobs() == {f"box/{NAME}": b"one\ntwo\n"}


def test_what_is_there_is_not_appended_again(place: Storage) -> None:
    """Though its answer was never heard."""
    assert done(place, (0, b"one\n"), (0, b"one\n"), (4, b"two\n")) == [4, 4, 8]
    place.trouble = "after"
    assert done(place, (8, b"three\n")) == ["the storage account customerlogs answers 500."]
    place.trouble = ""
    assert done(place, (8, b"three\n")) == [14]
    assert place.blobs() == {f"box/{NAME}": b"one\ntwo\nthree\n"}


def test_a_blob_that_was_taken_away_begins_anew(place: Storage) -> None:
    """And one that somebody else wrote to goes on after that."""
    assert done(place, (100, b"one\n")) == [4]
    place.containers["box"][NAME] += b"theirs\n"
    assert done(place, (4, b"two\n")) == [15]
    assert place.blobs() == {f"box/{NAME}": b"one\ntheirs\ntwo\n"}


def test_a_wrong_key_or_nobody_there_is_told_without_the_key(place: Storage) -> None:
    """As something that may be better later."""
    wrong = place.connection_string.replace(KEY, "d3Jvbmc=")
    assert done(place, (0, b"x"), text=wrong) == ["the storage account customerlogs answers 403 AuthenticationFailed."]
    nobody = place.connection_string.replace(place.url, "http://127.0.0.1:1")
    (told,) = done(place, (0, b"x"), text=nobody)
    assert told.startswith("the storage account customerlogs cannot be reached")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1"),
        (f"AccountName=a;AccountKey={KEY};EndpointSuffix=core.example", "https://a.blob.core.example"),
        (f"BlobEndpoint=https://x.example/;AccountName=a;AccountKey={KEY}", "https://x.example"),
    ],
)
def test_a_connection_string_says_where_blobs_are(text: str, endpoint: str) -> None:
    """The emulator's, a cloud's, one's own; the key is not shown."""
    account = account_of(text)
    assert account.endpoint == endpoint
    assert KEY not in repr(account)


@pytest.mark.parametrize("text", ["", "AccountName=a", f"AccountKey={KEY}", "AccountName=a;AccountKey=!!!"])
def test_what_is_no_connection_string_is_refused(text: str) -> None:
    """Without showing it."""
    with pytest.raises(ConfigurationError, match="AccountName, AccountKey"):
        account_of(text)
