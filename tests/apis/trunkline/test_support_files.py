"""Support files over Trunkline's own API: kept by their call, within bounds, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.apis.trunkline.conftest import PLACE
from tests.support.world import World
from trunkline.api import exchange
from trunkline.services.support_files import LONGEST_NAME, safe_name

LOG = b"12:00:00 ICE failed\n" * 100


def add(world: World, body: bytes = LOG, call_id: str = "c1", name: str = "log.txt", **given: Any) -> Any:
    """Hand a file over, as the default account unless a key is given."""
    key = given.pop("key", "") or world.house.resources.get("trunkline").api_key
    headers = {"x-api-key": key, "content-type": "text/plain; charset=utf-8", **given}
    return world.call(
        "POST", f"/api/v1/support-files?call_id={call_id}&name={quote(name, safe='')}", body=body, headers=headers
    )


def stored(world: World) -> list[str]:
    """Return what lies in the folder."""
    folder = world.folder / "support"
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def test_a_file_is_kept_listed_read_and_deleted(own: Any, world: World) -> None:
    """Its bytes lie under its id, in a folder that nobody else reads."""
    made = add(world)
    assert made.status == 201, made.body
    one = made.json
    assert (one["call_id"], one["name"], one["size"]) == ("c1", "log.txt", len(LOG))
    assert one["content_type"] == "text/plain"
    assert stored(world) == [one["id"]]
    assert (world.folder / "support").stat().st_mode & 0o077 == 0
    assert own("GET", "/support-files").json == {"support_files": [one]}
    assert own("GET", "/support-files?call_id=c1").json == {"support_files": [one]}
    assert own("GET", "/support-files?call_id=c2").json == {"support_files": []}
    assert own("GET", f"/support-files/{one['id'].upper()}").json == one
    read = own("GET", f"/support-files/{one['id']}/content")
    assert read.body == LOG
    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''log.txt"
    assert read.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert own("DELETE", f"/support-files/{one['id']}").status == 204
    assert own("GET", f"/support-files/{one['id']}").status == 404
    assert own("DELETE", f"/support-files/{one['id']}").status == 404
    assert stored(world) == []


def test_a_file_that_is_sent_again_is_kept_once(world: World) -> None:
    """A client that heard no answer sends it again; another name, or another call, is another file."""
    first, again = add(world), add(world)
    assert (again.status, again.json) == (200, first.json)
    assert add(world, name="other.txt").status == add(world, call_id="c2").status == 201
    assert len(stored(world)) == 3


def test_bounds_hold_and_leave_nothing_behind(make_world: Callable[..., World]) -> None:
    """Of a file whether or not it says its size, of a call, and of all together."""
    world = make_world(support_file_mb=1, support_files_per_call=2, support_mb=2)
    mebibyte = bytes(2**20)
    assert add(world, mebibyte + b"x").status == 413
    unsaid = add(world, mebibyte + b"x", **{"content-length": "0"})
    assert (unsaid.status, unsaid.json["detail"]) == (413, "A support file has at most 1048576 bytes.")
    assert add(world, b"").status == 400
    assert stored(world) == []
    assert add(world, b"1").status == add(world, b"2").status == 201
    refused = add(world, b"3")
    assert (refused.status, refused.json["target"]) == (409, "call_id")
    assert add(world, mebibyte, call_id="c2").status == 201
    assert add(world, mebibyte, call_id="c3").status == 409
    assert len(stored(world)) == 3


def test_a_file_needs_a_call(world: World) -> None:
    """By an id that can be one."""
    for call_id in ("", "x" * 201, "%00"):
        refused = add(world, call_id=call_id)
        assert (refused.status, refused.json["target"]) == (400, "call_id")


@pytest.mark.parametrize("end", ["disconnected", "silent"])
def test_a_body_that_breaks_off_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Whether the client has gone, or stands still for too long; nor does one that nobody may send."""
    monkeypatch.setattr(exchange, "BODY_PATIENCE_S", 0.02)
    assert add(world, key="nobody's").status == 401
    body = [{"type": "http.request", "body": b"x", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        if body:
            return body.pop()
        if end == "silent":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    key = world.house.resources.get("trunkline").api_key.encode()
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/api/v1/support-files",
        "raw_path": b"/api/v1/support-files",
        "query_string": b"call_id=c1",
        "headers": [(b"host", b"localhost:8443"), (b"x-api-key", key)],
        "client": ("127.0.0.1", 50_000),
    }
    world.run(world.house.application(scope, receive, send))
    assert sent[0]["status"] == (408 if end == "silent" else 400)
    assert stored(world) == []


def test_files_go_when_their_time_is_over_and_orphans_at_the_start(make_world: Callable[..., World]) -> None:
    """What was not finished when the server was killed goes, too."""
    world = make_world(support_retention_days=2)
    kept = add(world).json["id"]
    (world.folder / "support" / "left.unfinished").write_bytes(b"x")
    (world.folder / "support" / "orphan").write_bytes(b"x")
    world.restart()
    assert stored(world) == [kept]
    world.advance(2 * 86_400 + 61)
    world.until(lambda: not stored(world))
    assert add(world).status == 201


def test_a_file_that_is_not_in_the_folder_is_told_apart_from_none(own: Any, world: World) -> None:
    """A restored folder, or another process of the same database."""
    one = add(world).json["id"]
    (world.folder / "support" / one).unlink()
    answer = own("GET", f"/support-files/{one}/content")
    assert answer.status == 503
    assert "another process" in answer.json["detail"]
    assert own("GET", f"/support-files/{one}").status == 200


def test_a_backup_has_the_files(own: Any, world: World) -> None:
    """A server that is started on the copy gives them."""
    one = add(world).json["id"]
    made = own("POST", "/backups")
    assert made.status == 201, made.body
    assert (Path(made.json["folder"]) / "support" / one).read_bytes() == LOG


def test_nobody_meets_anothers_files(own: Any, world: World) -> None:
    """Pairwise: the parent sees the child's, and never the other way, nor a sibling."""
    world.house.place = PLACE
    accounts = {"north": "", "south": "", "below": "north"}
    keys, ids = {}, {}
    for name, parent in accounts.items():
        assert own("PUT", f"/accounts/{name}", json={"parent": parent}).status == 201
        keys[name] = world.house.resources.get(name).api_key
        ids[name] = add(world, key=keys[name]).json["id"]
    for name, key in keys.items():
        given = {"headers": {"x-api-key": key}}
        seen = {other for other, parent in accounts.items() if name in {other, parent}}
        listed = own("GET", "/support-files?call_id=c1", **given).json["support_files"]
        assert {one["account"] for one in listed} == seen
        for other, file_id in ids.items():
            expected = 200 if other in seen else 404
            assert own("GET", f"/support-files/{file_id}", **given).status == expected
            assert own("GET", f"/support-files/{file_id}/content", **given).status == expected
            if other not in seen:
                assert own("DELETE", f"/support-files/{file_id}", **given).status == 404
                assert own("GET", f"/support-files?account={other}", **given).status == 403
    assert len(own("GET", "/support-files").json["support_files"]) == 3


def test_a_key_that_only_writes_hands_over_and_reads_nothing(own: Any, world: World) -> None:
    """The key that a client's own server holds."""
    key = own("POST", "/keys", json={"name": "app", "role": "write"}).json["key"]
    made = add(world, key=key)
    assert made.status == 201
    for method, path in (("GET", ""), ("GET", f"/{made.json['id']}/content"), ("DELETE", f"/{made.json['id']}")):
        assert own(method, f"/support-files{path}", headers={"x-api-key": key}).status == 403


@given(st.text(max_size=400))
def test_a_name_is_safe_on_any_system(name: str) -> None:
    """Whatever was given: no path, no control character, no hidden file, not too long, and the same when made again."""
    safe = safe_name(name)
    assert 0 < len(safe) <= LONGEST_NAME
    assert not set(safe) & set('/\\:*?"<>|\0\r\n\t')
    assert safe[0] not in " ."
    assert safe.isprintable()
    assert safe_name(safe) == safe


def test_a_long_name_keeps_its_ending() -> None:
    """It says what the file is."""
    assert safe_name(f"../{'x' * 300}.log").endswith("x.log")
    assert safe_name("..\\..\\etc/passwd") == "passwd"
