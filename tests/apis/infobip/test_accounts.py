"""Whose traffic it is: an account sees its own, that of those below it when it asks for them, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.apis.infobip.conftest import REQUESTS, Client
from tests.support.world import World

CALLS = {"parent": 1, "child": 2, "sibling": 4, "grandchild": 8, "stranger": 16, "trunkline": 32}
PARENTS = {"parent": "", "child": "parent", "sibling": "parent", "grandchild": "child", "stranger": ""}
FAMILIES = {
    "parent": {"parent", "child", "sibling", "grandchild"},
    "child": {"child", "grandchild"},
    "sibling": {"sibling"},
    "grandchild": {"grandchild"},
    "stranger": {"stranger"},
    "trunkline": {"trunkline"},
}
Clients = dict[str, Client]


@pytest.fixture
def family(world: World, clients: Callable[[str], Client]) -> Clients:
    """Make accounts below each other, each with calls of its own."""
    for name, parent in PARENTS.items():
        world.run(world.house.resources.create(name, parent))
    found = {name: clients(name) for name in CALLS}
    for name, many in CALLS.items():
        found[name].put("calls", [{"leg_id": str(n), "direction": "outbound"} for n in range(many)])
    return found


@pytest.mark.parametrize("name", CALLS)
def test_an_account_sees_its_own(family: Clients, name: str) -> None:
    """And with includeSubaccounts those below it, at any depth."""
    client = family[name]
    assert client.total() == CALLS[name]
    assert client.total(includeSubaccounts=False) == CALLS[name]
    assert client.total(includeSubaccounts=True) == sum(CALLS[one] for one in FAMILIES[name])


def test_whoever_names_accounts_may_name_those_below(family: Clients) -> None:
    """By their keys or their names, any of them, with those below them or without."""
    keys = {name: client.account.sid[2:].upper() for name, client in family.items()}
    parent = family["parent"]
    assert parent.total(accountKeys=[keys["child"]]) == 2
    assert parent.total(accountKeys=[keys["child"]], includeSubaccounts=True) == 10
    assert parent.total(accountKeys=[keys["child"], "sibling", keys["child"]]) == 6
    assert parent.total(accountKeys=["parent", "child"], includeSubaccounts=True) == 15
    by = parent.ask(by=["ACCOUNT_KEY", "ACCOUNT_NAME"], includeSubaccounts=True)
    assert by == {(keys[name], name): [CALLS[name]] for name in FAMILIES["parent"]}


@pytest.mark.parametrize("who", CALLS)
@pytest.mark.parametrize("whose", CALLS)
def test_nobody_asks_for_anothers(family: Clients, who: str, whose: str) -> None:
    """Neither upwards nor sideways; whether there is such an account is not told."""
    client, key = family[who], family[whose].account.sid[2:].upper()
    for named in (key, whose):
        answer = client.query(accountKeys=[named], includeSubaccounts=True)
        if whose in FAMILIES[who]:
            assert answer.status == 201
            continue
        assert answer.status == 400
        (violation,) = answer.json["violations"]
        assert violation["property"] == "request.filterBy.accountKeys[0]"
        unknown = client.query(accountKeys=["F" * 32]).json["violations"][0]["violation"]
        assert violation["violation"].replace(named, "F" * 32) == unknown


def test_a_result_is_its_accounts_and_of_those_above(family: Clients) -> None:
    """A parent may look after its child's queries; never the reverse."""
    for who, client in family.items():
        started = client.query().json["requestId"]
        for other, reader in family.items():
            expected = 200 if who in FAMILIES[other] else 404
            for tail in ("", "/result"):
                assert reader.send("GET", f"{REQUESTS}{started}{tail}").status == expected, (who, other)


def test_a_host_names_an_account_of_ones_own(family: Clients) -> None:
    """As it does for every API here."""
    headers: dict[str, Any] = {"host": "child.communication.localhost"}
    started = family["parent"].send("POST", "/metrics/1/query-aggregate-data?", json={}, headers=headers)
    assert started.status == 400
    refused = family["sibling"].send("POST", "/metrics/1/query-aggregate-data?", json={}, headers=headers)
    assert (refused.status, refused.json["errorCode"]) == (403, "E403")


def test_a_bearer_for_no_account_asks_for_any(family: Clients, world: World) -> None:
    """The default one unless it names others."""
    client = family["trunkline"]
    client.authorization = f"Bearer {world.house.keyring.mint('reader')[0]}"
    assert client.total() == 32
    assert client.total(accountKeys=["stranger"]) == 16
