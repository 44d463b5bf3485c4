"""Data folders that older versions left behind: today's code opens them, answers, and goes on."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.data.make_folder import ASKED, LATER, MESSAGES
from tests.support.world import World
from trunkline.catalogue.columns import columns
from trunkline.catalogue.facts import KINDS
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.rollups import rollups

FOLDERS = sorted((Path(__file__).parents[1] / "data").glob("*.tar.xz"))


@pytest.fixture(params=FOLDERS, ids=lambda file: file.name.split(".")[0])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, dict[str, Any]]]:
    """Open a folder of an older version that was killed, with facts in its inbox; with what is known of it."""
    with tarfile.open(request.param) as packed:
        if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(tmp_path)  # noqa: S202 - our own file
    world = World(tmp_path, seed=8)
    yield world, json.loads((tmp_path / "told.json").read_text())
    world.close()


def rows(world: World, question: str) -> list[tuple[Any, ...]]:
    """Ask the store itself, in a thread as readers do."""
    with ThreadPoolExecutor(1) as reader:
        return reader.submit(world.house.store.answer, Plan(question)).result()


def own(world: World, target: str, body: Any) -> Any:
    """Ask our own API as the owner of the default account."""
    key = {"x-api-key": world.house.resources.get(world.house.resources.default).api_key}
    answer = world.call("POST", f"{target}?", json=body, headers=key)
    assert answer.status == 200, answer.body
    return answer.json


def counted(world: World) -> dict[str, float]:
    """Count requests by operation."""
    return {point["split"][0]: point["values"][0] for point in own(world, "/api/v1/ask", ASKED)["points"]}


def messages(world: World, told: dict[str, Any]) -> list[str]:
    """List the messages of the thread, as the user who was there."""
    answer = world.call("GET", f"{told['thread']}/messages?maxPageSize=200&api-version=2024-03-07", token=told["token"])
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json["value"] if one["type"] == "text"]


def test_there_is_a_folder_to_open() -> None:
    """The tests below are not about nothing."""
    assert FOLDERS


def test_what_was_acknowledged_is_there_and_answered(older: tuple[World, dict[str, Any]]) -> None:
    """Messages, keys, tokens, and the facts: those that were loaded, and those that waited in the inbox, once."""
    world, told = older
    assert {one.name: one.key1 for one in world.house.resources.all()} == told["keys"]
    assert sorted(messages(world, told)) == sorted(told["messages"])
    assert len(told["messages"]) == MESSAGES + LATER
    found = counted(world)
    assert found["SendChatMessage"] == told["loaded"]["SendChatMessage"] + LATER == MESSAGES + LATER
    assert found["SMSMessageSent"] == 1


def test_what_newer_versions_added_is_there_for_old_facts_too(older: tuple[World, dict[str, Any]]) -> None:
    """Tables, columns, rollups equal to the facts, ids that find them."""
    world, _ = older
    counted(world)
    there = set(rows(world, "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main'"))
    assert {(kind.table, name) for kind in KINDS for name in columns(kind)} <= there
    for rollup in rollups().values():
        ((rolled, facts),) = rows(
            world,
            f"SELECT (SELECT coalesce(sum(facts), 0) FROM {rollup.name}), (SELECT count(*) FROM {rollup.table})",  # noqa: S608
        )
        assert rolled == facts
    for (cv,) in rows(world, "SELECT ms_cv FROM requests WHERE operation = 'SendChatMessage'"):
        found = own(
            world, "/api/v1/facts", {"fact": "requests", "id": cv, "start": ASKED["start"], "end": ASKED["end"]}
        )
        assert [row["operation"] for row in found["rows"]] == ["SendChatMessage"]


def test_an_older_folder_goes_on(older: tuple[World, dict[str, Any]]) -> None:
    """New messages, new kinds of facts, and another start."""
    world, told = older
    answer = world.call("POST", f"{told['thread']}/messages", json={"content": "new"}, token=told["token"])
    assert answer.status == 201, answer.body
    calls = [{"leg_id": "new", "outcome": "answered", "happened_at": "2026-11-21T11:00:00Z"}]
    assert own(world, "/api/v1/calls", calls)["accepted"] == 1
    for _ in range(2):
        assert counted(world)["SendChatMessage"] == MESSAGES + LATER + 1
        assert len(messages(world, told)) == MESSAGES + LATER + 1
        found = own(world, "/api/v1/facts", {"fact": "calls", "id": "new", "since": "2h"})
        assert len(found["rows"]) == 1
        world.restart()
