"""Licences of Teams users over Graph's door: the shape, who may ask, and what they are refused with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.asgi import Answer
from tests.support.issuer import Issuer
from tests.support.world import World

OBJECT, OTHER = "071cc716-8147-4397-a5ba-b2105951cc0b", "071cc716-8147-4397-a5ba-b2105951cc0c"
# as the documentation on troubleshooting shows it
DOCUMENTED = {
    "@odata.context": f"https://localhost:8443/v1.0/$metadata#users('{OBJECT}')/assignedLicenses",
    "value": [
        {
            "skuId": "b05e124f-c7cc-45a0-a6aa-8cf78c946968",
            "servicePlans": [
                {
                    "servicePlanId": "57ff2da0-773e-42df-b2af-ffb7a2317929",
                    "servicePlanName": "TEAMS1",
                    "provisioningStatus": "Success",
                    "appliesTo": "User",
                }
            ],
        }
    ],
}


@pytest.fixture
def trusting(make_world: Callable[..., World], issuer: Issuer) -> World:
    """Return a world that trusts the issuer, with one Teams user."""
    world = make_world(issuers=(issuer.address,))
    world.run(world.house.teams_users.add(OBJECT, ["TEAMS1"]))
    return world


def bearer(world: World, issuer: Issuer, oid: str = OBJECT, **claims: Any) -> str:
    """Return a user's bearer."""
    return issuer.token(exp=int(world.clock.now().timestamp()) + 600, oid=oid, **claims)


def ask(world: World, path: str, token: str, **given: Any) -> Answer:
    """Ask for licences."""
    return world.call("GET", f"/v1.0/{path}/licenseDetails?", token=token, **given)


def minted(world: World, role: str = "reader", resource: str = "") -> str:
    """Return a bearer of this server's own."""
    return world.house.keyring.mint(role, resource=resource)[0]


def test_a_user_sees_their_licences_as_documented(trusting: World, issuer: Issuer) -> None:
    """Key for key, at /me and under their id, in any case of letters."""
    token = bearer(trusting, issuer)
    for path in ("me", f"users/{OBJECT}", f"users/{OBJECT.upper()}"):
        answer = ask(trusting, path, token)
        assert (answer.status, answer.json) == (200, DOCUMENTED)


def test_a_user_named_by_principal_name_is_found_by_it(trusting: World, issuer: Issuer) -> None:
    """/me answers with the bearer's object id; a user without plans has no licence."""
    trusting.run(trusting.house.teams_users.add("megan@contoso.com", []))
    answer = ask(trusting, "me", bearer(trusting, issuer, OTHER, upn="Megan@contoso.com"))
    assert answer.json["value"] == []
    assert f"users('{OTHER}')" in answer.json["@odata.context"]
    assert ask(trusting, "users/megan%40contoso.com", minted(trusting)).status == 200


def test_the_operator_sees_every_user(trusting: World, issuer: Issuer) -> None:
    """With a bearer of the server's own, of any role; and an owner of the issuer's."""
    for token in (minted(trusting), minted(trusting, "owner"), bearer(trusting, issuer, OTHER, roles=["owner"])):
        assert ask(trusting, f"users/{OBJECT}", token).json == DOCUMENTED


def test_a_user_sees_nobody_else(trusting: World, issuer: Issuer) -> None:
    """Registered or not, there or not: the refusal does not tell who exists."""
    trusting.run(trusting.house.teams_users.add(OTHER, ["TEAMS1"]))
    contributor = bearer(trusting, issuer, "y", roles=["contributor"])
    for token in (bearer(trusting, issuer, OTHER), bearer(trusting, issuer, "x"), contributor):
        for name in (OBJECT, "nobody@contoso.com"):
            refused = ask(trusting, f"users/{name}", token)
            assert (refused.status, refused.code) == (403, "Authorization_RequestDenied")


def test_a_bearer_for_one_account_sees_nobody(trusting: World) -> None:
    """The directory is the server's, not an account's."""
    for path in ("me", f"users/{OBJECT}"):
        assert ask(trusting, path, minted(trusting, "owner", "trunkline")).status == 403


def test_a_bearer_of_the_server_is_no_user(trusting: World) -> None:
    """/me needs somebody who signed in."""
    refused = ask(trusting, "me", minted(trusting, "owner"))
    assert (refused.status, refused.code) == (400, "BadRequest")


def test_who_is_not_registered_is_not_found(trusting: World, issuer: Issuer) -> None:
    """With the command that registers them."""
    for path, token in (("me", bearer(trusting, issuer, OTHER)), (f"users/{OTHER}", minted(trusting))):
        refused = ask(trusting, path, token)
        assert (refused.status, refused.code) == (404, "Request_ResourceNotFound")
        assert "trunkline teams-user add" in refused.json["error"]["message"]


def test_bad_bearers_are_refused_in_graph_s_body(trusting: World, issuer: Issuer) -> None:
    """Missing, forged, expired, opaque; the ids of the request stand in the body and in the headers."""
    expired = issuer.token(exp=int(trusting.clock.now().timestamp()), oid=OBJECT)
    for token in ("", "opaque", bearer(trusting, issuer)[:-4] + "AAAA", expired):
        refused = ask(trusting, "me", token, headers={"client-request-id": "mine"})
        assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")
        inner = refused.json["error"]["innerError"]
        assert inner["client-request-id"] == refused.headers["client-request-id"] == "mine"
        assert inner["request-id"] == refused.headers["request-id"]
        assert inner["date"] == trusting.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_key_of_the_account_opens_nothing_here(trusting: World) -> None:
    """Neither an API key nor an access key is a bearer."""
    for key in (trusting.house.resources.get("trunkline").api_key, trusting.key):
        assert ask(trusting, "me", key).status == 401


def test_without_an_issuer_only_development_takes_a_bearer_s_word(
    make_world: Callable[..., World], issuer: Issuer
) -> None:
    """Where others can reach, nobody's."""
    for mode, status in (("development", 200), ("strict", 401)):
        world = make_world(auth_mode=mode)
        world.run(world.house.teams_users.add(OBJECT, ["TEAMS1"]))
        assert ask(world, "me", bearer(world, issuer)).status == status


def test_other_paths_and_methods_are_refused_in_graph_s_body(trusting: World, issuer: Issuer) -> None:
    """404 and 405."""
    token = bearer(trusting, issuer)
    assert trusting.call("GET", "/v1.0/me?", token=token).status == 404
    refused = trusting.call("POST", "/v1.0/me/licenseDetails?", token=token, json={})
    assert (refused.status, refused.headers["allow"]) == (405, "GET")
    assert refused.json["error"]["innerError"]["request-id"]


def test_the_requests_are_measured(trusting: World, issuer: Issuer) -> None:
    """Like any other."""
    ask(trusting, "me", bearer(trusting, issuer))
    asked = {"measures": ["requests.count"], "by": ["service", "operation", "status"]}
    key = trusting.house.resources.get("trunkline").api_key
    points = trusting.call("POST", "/api/v1/ask?", json=asked, token=key).json["points"]
    assert ["licences", "ListMyLicenseDetails", "200"] in [point["split"] for point in points]
