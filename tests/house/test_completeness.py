"""The catalogue is complete: every operation is served, or says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.world import World
from trunkline.api.door import Door
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Operation, Service
from trunkline.delivery.parcel import Outcome

BUILT = [
    (service, row)
    for service in load().services.values()
    for row in service.operations.values()
    if service.built and row.route
]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> list[Door]:
    """Return the doors of a house, put together as in a running server."""
    world = World(tmp_path_factory.mktemp("house"))
    try:
        return list(world.house.application._doors)
    finally:
        world.close()


@pytest.mark.parametrize(("service", "row"), BUILT, ids=lambda part: part.name)
def test_every_operation_of_a_built_service_is_served_or_says_why_not(
    doors: list[Door], service: Service, row: Operation
) -> None:
    """Exactly one of the two: a handler, or a sentence under `unserved`."""
    door = next(door for door in doors if service.name in {known.name for known in door.services})
    is_served = row.name in door.handlers
    reason = service.unserved.get(row.name, "")
    assert is_served is not bool(reason), f"{service.name}.toml {row.name}"
    assert not reason or reason.endswith(".")


def test_no_handler_serves_what_the_catalogue_does_not_know(doors: list[Door]) -> None:
    """A misspelt name would never be called."""
    for door in doors:
        known = {row.name for service in door.services for row in service.operations.values()}
        assert set(door.handlers) <= known


def test_every_service_stands_behind_one_door(doors: list[Door]) -> None:
    """Built or not: what is not built answers that it is not served yet."""
    behind = [service.name for door in doors for service in door.services]
    assert sorted(behind) == sorted(load().services)


def test_no_two_doors_claim_the_same_path(doors: list[Door]) -> None:
    """Who answers does not depend on the order of the doors: one of them claims more of a path than the others."""
    for service in load().services.values():
        for prefix in service.prefixes:
            *_, second, first = sorted(door.claims(prefix) for door in doors)
            assert first > second, prefix


def test_what_is_not_built_answers_that_it_is_not_served(make_world: Callable[..., World]) -> None:
    """In the vendor's error body, with the operation's name."""
    world = make_world()
    answer = world.call("POST", "/rooms", json={}, key=True)
    assert (answer.status, answer.code) == (501, "NotImplemented")
    assert "CreateRoom" in answer.json["error"]["message"]


def test_every_outcome_but_delivery_counts_as_a_failed_attempt() -> None:
    """The measure lists the outcomes as words; a new one must not be forgotten there."""
    listed = load().measures["attempts.failed"].where["outcome"]
    assert isinstance(listed, list)
    assert set(listed) == {outcome.value for outcome in Outcome} - {Outcome.DELIVERED.value}
