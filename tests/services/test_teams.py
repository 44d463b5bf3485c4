"""Teams users: how they are named, found by what a bearer says, and kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import World
from trunkline.catalogue.load import load
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError
from trunkline.services.teams import TeamsUsers, _named

OBJECT, OTHER = "071cc716-8147-4397-a5ba-b2105951cc0b", "071cc716-8147-4397-a5ba-b2105951cc0c"
TENANT = "0b1c2d3e-0000-4000-8000-000000000001"
MEGAN = "megan@contoso.com"


@pytest.fixture
def users(world: World) -> TeamsUsers:
    """Return the directory of a house."""
    return world.house.teams_users


def test_a_user_is_found_in_any_case_of_letters(world: World, users: TeamsUsers) -> None:
    """By object id or principal name; the plans too are written in any case."""
    made = world.run(users.add(OBJECT.upper(), ["teams1", "TEAMS1", "MCOEV"]))
    assert (made.name, made.plans) == (OBJECT, ("TEAMS1", "MCOEV"))
    assert made.tenant_id == world.house.resources.get("trunkline").tenant_id
    assert users.find(OBJECT.upper()) == made
    world.run(users.add("Megan@Contoso.com", []))
    assert [user.name for user in users.list()] == [OBJECT, MEGAN]


def test_another_add_gives_other_plans_and_keeps_the_day(world: World, users: TeamsUsers) -> None:
    """It is the same user as before."""
    first = world.run(users.add(MEGAN, ["TEAMS1"]))
    world.advance(60)
    second = world.run(users.add(MEGAN, ["MCOEV"], TENANT))
    assert (second.plans, second.tenant_id, second.added_at) == (("MCOEV",), TENANT, first.added_at)
    assert users.list() == [second]


def test_users_outlive_a_restart(world: World, users: TeamsUsers) -> None:
    """With plans and tenant."""
    world.run(users.add(MEGAN, ["TEAMS1", "MCOEV"], TENANT))
    world.run(users.add(OBJECT, []))
    world.run(users.remove(OBJECT))
    kept = users.list()
    world.restart()
    assert world.house.teams_users.list() == kept


def test_what_another_process_registered_is_known_after_a_look(world: World, users: TeamsUsers) -> None:
    """Each process holds the directory in memory."""
    other = TeamsUsers(world.house.database, world.clock, load().service_plans, lambda: TENANT)
    made = world.run(other.add(MEGAN, ["TEAMS1"]))
    assert users.find(MEGAN) is None
    world.run(users.refresh())
    assert users.find(MEGAN) == made


@pytest.mark.parametrize(
    ("name", "plans", "tenant", "target"),
    [
        ("", [], "", "user"),
        ("megan", [], "", "user"),
        ("megan@contoso", [], "", "user"),
        (f"{'m' * 120}@contoso.com", [], "", "user"),
        (OBJECT + "0", [], "", "user"),
        (MEGAN, ["TEAMS2"], "", "plans"),
        (MEGAN, ["TEAMS1 MCOEV"], "", "plans"),
        (MEGAN, [], "contoso", "tenant"),
    ],
)
def test_what_names_nobody_is_refused(
    world: World, users: TeamsUsers, name: str, plans: list[str], tenant: str, target: str
) -> None:
    """With what is wrong."""
    with pytest.raises(InvalidError) as refused:
        world.run(users.add(name, plans, tenant))
    assert refused.value.target == target
    assert users.list() == []


def test_who_is_not_there_cannot_be_removed(world: World, users: TeamsUsers) -> None:
    """A sentence says so."""
    with pytest.raises(NotFoundError, match=MEGAN):
        world.run(users.remove(MEGAN))


def test_a_bearer_speaks_for_a_user_by_object_id_then_by_principal_name(world: World, users: TeamsUsers) -> None:
    """The object id counts more; a principal name stands in `upn` or `preferred_username`."""
    by_id, by_name = world.run(users.add(OBJECT, [])), world.run(users.add(MEGAN, []))
    assert users.of_claims({"oid": OBJECT, "upn": MEGAN}) == by_id
    assert users.of_claims({"oid": OTHER, "upn": "Megan@contoso.com"}) == by_name
    assert users.of_claims({"preferred_username": MEGAN}) == by_name
    assert users.of_claims({"name": MEGAN, "sub": OBJECT}) is None
    assert users.of_claims({}) is None


def test_a_bearer_of_another_tenant_speaks_for_nobody(world: World, users: TeamsUsers) -> None:
    """Where it names its tenant at all."""
    made = world.run(users.add(MEGAN, [], TENANT))
    assert users.of_claims({"upn": MEGAN, "tid": TENANT.upper()}) == made
    assert users.of_claims({"upn": MEGAN, "tid": OTHER}) is None


@pytest.mark.parametrize("plan", load().service_plans)
def test_eligibility_is_decided_by_the_plan_s_name(world: World, users: TeamsUsers, plan: str) -> None:
    """By the table, and one eligible plan among others is enough."""
    eligible = plan.startswith("TEAMS")
    assert users.is_eligible(world.run(users.add(MEGAN, [plan]))) is eligible
    assert users.is_eligible(world.run(users.add(MEGAN, ["MCOSTANDARD", plan]))) is eligible


def test_nobody_is_refused_before_anybody_is_registered(world: World, users: TeamsUsers) -> None:
    """From the first one on, who is missing and who has no plan are."""
    users.check({"oid": OBJECT})
    world.run(users.add(OBJECT, ["TEAMS1"]))
    users.check({"oid": OBJECT})
    with pytest.raises(ForbiddenError, match="teams-user add"):
        users.check({"oid": OTHER})
    world.run(users.add(OTHER, ["MCOEV"]))
    with pytest.raises(ForbiddenError, match="TEAMS_FREE"):
        users.check({"oid": OTHER})


@given(st.text(max_size=130) | st.from_regex(r"[a-z.@-]{0,40}", fullmatch=True))
def test_whatever_is_given_as_a_name_is_a_short_line_or_refused(text: str) -> None:
    """It fits its column and the path of a request."""
    try:
        name = _named(text)
    except InvalidError:
        return
    assert 0 < len(name) <= 113
    assert name.isascii()
    assert not {"/", "\n", " "} & set(name)
