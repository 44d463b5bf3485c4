"""Entra bearers: taken on trust in development only, verified against an issuer wherever one is configured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.asgi import Answer
from tests.support.issuer import KEY, Issuer
from tests.support.world import World

STAND_IN = "eyJhbGciOiJub25lIn0.e30.entra-dev"
APP, OBJECT = "0b1c2d3e-0000-4000-8000-00000000000a", "0b1c2d3e-0000-4000-8000-00000000000b"
Worlds = Callable[..., World]


def create(world: World, token: str, **given: Any) -> Answer:
    """Create an identity with a bearer."""
    return world.call("POST", "/identities", token=token, **given)


def claims(world: World, life_s: int = 3600, **more: Any) -> dict[str, Any]:
    """State what an Entra user's token states."""
    return {"exp": int(world.clock.now().timestamp()) + life_s, "oid": OBJECT, "appid": APP, **more}


# --- development ---


def test_a_stand_in_is_accepted_on_loopback(world: World) -> None:
    """What Microsoft's own tests send; it works for identity, not for chat."""
    assert create(world, STAND_IN).status == 201
    assert world.call("GET", "/chat/threads", token=STAND_IN).status == 401


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"host": "0.0.0.0"}, 401),  # noqa: S104 - not bound here
        ({"auth_mode": "strict"}, 401),
        ({"host": "0.0.0.0", "auth_mode": "development"}, 201),  # noqa: S104
    ],
)
def test_a_stand_in_is_refused_where_others_can_reach(make_world: Worlds, settings: Any, status: int) -> None:
    """Unless someone said development in so many words."""
    answer = create(make_world(**settings), STAND_IN)
    assert answer.status == status
    if status == 401:
        assert "issuers" in answer.json["error"]["message"]


def test_a_stand_in_is_refused_under_a_foreign_host(world: World) -> None:
    """A name that is not the server's is refused in every mode."""
    assert create(world, STAND_IN, host="evil.example.com").status == 421


def test_a_bearer_that_says_it_has_ended_is_refused_in_development(world: World) -> None:
    """Nobody here can check its signature, but everyone can read its date."""
    now = int(world.clock.now().timestamp())
    secret = "x" * 32
    assert create(world, jwt.encode({"exp": now + 1}, secret)).status == 201
    assert create(world, jwt.encode({"exp": now}, secret)).status == 401


def test_a_bearer_of_ours_is_verified_in_every_mode(make_world: Worlds) -> None:
    """`trunkline token` works where Entra bearers are refused; a reader may not write."""
    world = make_world(auth_mode="strict")
    keyring = world.house.keyring
    assert create(world, keyring.mint("owner")[0]).status == 201
    assert create(world, keyring.mint("contributor", resource="trunkline")[0]).status == 201
    assert create(world, keyring.mint("reader")[0]).status == 403
    assert create(world, keyring.mint("owner")[0][:-4] + "AAAA").status == 401
    world.run(world.house.resources.create("other"))
    foreign = keyring.mint("owner", resource="other")[0]
    assert create(world, foreign, host="trunkline.communication.localhost").status == 401
    made = create(world, foreign).json["identity"]["id"]
    assert world.house.resources.get("other").immutable_id in made
    short = keyring.mint("owner", life=timedelta(minutes=1))[0]
    world.advance(60)
    assert create(world, short).status == 401


# --- a real issuer ---


@pytest.fixture
def trusting(make_world: Worlds, issuer: Issuer) -> World:
    """Give a world that others can reach, and that trusts the issuer."""
    return make_world(host="0.0.0.0", issuers=(issuer.address,), audiences=("https://communication.azure.com",))  # noqa: S104


def good(world: World, issuer: Issuer, **more: Any) -> str:
    """Return a token that is right in every way, but for what is given."""
    stated = {"aud": "https://communication.azure.com", "roles": ["Contributor"], **claims(world), **more}
    return issuer.token(**stated)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"roles": None}, 403),
        ({"roles": ["Reader"]}, 403),
        ({"roles": None, "scp": "Teams.ManageCalls Teams.ManageChats"}, 403),
        ({"roles": None, "oid": "0b1e5a5e-0000-4000-8000-00000000000a"}, 201),
        ({"roles": None, "appid": "0B1E5A5E-0000-4000-8000-00000000000A"}, 201),
    ],
)
def test_an_issuers_user_changes_nothing_unless_named(
    make_world: Worlds, issuer: Issuer, more: dict[str, Any], status: int
) -> None:
    """Anybody's bearer of the issuer is a reader's; a role in it or the setting owners makes it more."""
    world = make_world(
        host="192.0.2.1",
        issuers=(issuer.address,),
        audiences=("https://communication.azure.com",),
        owners=("0b1e5a5e-0000-4000-8000-00000000000a",),
    )
    assert create(world, good(world, issuer, **more)).status == status


def test_a_verified_bearer_is_accepted_until_it_ends(trusting: World, issuer: Issuer) -> None:
    """Signed by a published key, for our audience, within its time; told by our own clock."""
    token = good(trusting, issuer)
    assert create(trusting, token).status == 201
    trusting.advance(3599)
    assert create(trusting, token).status == 201
    trusting.advance(1)
    assert create(trusting, token).status == 401


def test_no_other_bearer_is_accepted(trusting: World, issuer: Issuer) -> None:
    """Another key, algorithm, issuer, audience or time: 401 in the vendor's body."""
    now = int(trusting.clock.now().timestamp())
    stranger = rsa.generate_private_key(65537, 2048)
    wrong = {
        "stand-in": STAND_IN,
        "another key": good(trusting, issuer, key=stranger),
        "another algorithm": good(trusting, issuer, key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        "a shared secret": good(trusting, issuer, key="x" * 32, algorithm="HS256"),
        "unknown key": good(trusting, issuer, key_id="key-2"),
        "another issuer": good(trusting, issuer, iss="https://issuer.example.com"),
        "another audience": good(trusting, issuer, aud="https://graph.microsoft.com"),
        "no audience": issuer.token(**claims(trusting)),
        "no end": issuer.token(aud="https://communication.azure.com"),
        "an end that is no number": good(trusting, issuer, exp="tomorrow"),
        "an end beyond time": good(trusting, issuer, exp=10**30),
        "not valid yet": good(trusting, issuer, nbf=now + 3600),
        "no token": "abc",
    }
    for name, token in wrong.items():
        answer = create(trusting, token)
        assert (answer.status, answer.code) == (401, "Unauthorized"), name


def test_keys_are_fetched_once_and_again_when_one_is_new(trusting: World, issuer: Issuer) -> None:
    """A new key id is looked up, but no flood of unknown ids reaches the issuer."""
    for _ in range(5):
        assert create(trusting, good(trusting, issuer)).status == 201
    assert issuer.asked == 1
    issuer.key_id = "key-2"
    for _ in range(5):
        assert create(trusting, good(trusting, issuer)).status == 401
    trusting.advance(31)
    assert create(trusting, good(trusting, issuer)).status == 201
    assert issuer.asked == 2


def test_an_issuer_out_of_reach_is_no_verdict(trusting: World, issuer: Issuer) -> None:
    """503 while no key is known; keys that are known go on working while the issuer is away."""
    issuer.working = False
    for _ in range(2):
        assert create(trusting, good(trusting, issuer)).status == 503
    issuer.working = True
    trusting.advance(31)
    assert create(trusting, good(trusting, issuer)).status == 201
    issuer.working = False
    trusting.advance(3601)
    assert create(trusting, good(trusting, issuer)).status == 201


@pytest.mark.parametrize("published", [{}, {"keys": 7}, {"keys": [{}]}, {"keys": ["a"]}, [], {"keys": []}])
def test_what_an_issuer_publishes_may_be_nonsense(trusting: World, issuer: Issuer, published: Any) -> None:
    """Then there are no keys, and the answer says that the issuer is at fault."""
    issuer.published = published
    answer = create(trusting, good(trusting, issuer))
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")


def test_an_issuer_may_not_flood_the_server(trusting: World, issuer: Issuer) -> None:
    """A document beyond every reason is not read to its end, however right it begins."""
    issuer.published = {**issuer.document("/keys"), "more": "x" * 300_000}
    assert create(trusting, good(trusting, issuer)).status == 503


# --- Teams users ---


def exchange(world: World, token: str, app: str = APP, user: str = OBJECT) -> Answer:
    """Exchange a Teams user's token."""
    body = {"token": token, "appId": app, "userId": user}
    return world.call("POST", "/teamsUser/:exchangeAccessToken", json=body, key=True)


def test_a_teams_user_is_known_in_any_case_of_letters(world: World) -> None:
    """As who spells the GUID in capitals has them join, they read the thread; and they join once."""
    megan = exchange(world, jwt.encode(claims(world), "x" * 32)).json["token"]
    ann = world.user()
    thread = world.thread(ann)
    for form in (
        {"microsoftTeamsUser": {"userId": OBJECT.upper()}},
        {"rawId": f"8:orgid:{OBJECT.upper()}"},
        {"rawId": f"8:orgid:{OBJECT}"},
    ):
        body = {"participants": [{"communicationIdentifier": form}]}
        assert world.call("POST", f"{thread}/participants/:add", json=body, token=ann.token).status == 201
    assert world.call("GET", thread, token=megan).status == 200
    people = world.call("GET", f"{thread}/participants", token=megan).json["value"]
    assert [one["communicationIdentifier"]["rawId"] for one in people] == [ann.id, f"8:orgid:{OBJECT}"]


def test_a_teams_token_ends_exactly_when_the_entra_token_does(trusting: World, issuer: Issuer) -> None:
    """Neither a default life nor a rounded one; and it opens chat until then."""
    token = good(trusting, issuer, exp=int(trusting.clock.now().timestamp()) + 4321)
    answer = exchange(trusting, token)
    assert answer.status == 200
    assert answer.json["expiresOn"] == "2026-11-21T13:12:01.0000000+00:00"
    trusting.advance(4320)
    assert trusting.call("GET", "/chat/threads", token=answer.json["token"]).status == 200
    trusting.advance(1)
    assert trusting.call("GET", "/chat/threads", token=answer.json["token"]).status == 401


@pytest.mark.parametrize("verified", [True, False])
def test_a_teams_exchange_is_refused_as_the_official_tests_say(
    make_world: Worlds, issuer: Issuer, verified: bool
) -> None:
    """401 for a token that is empty, invalid or expired; 400 for an appId or userId that is not its own."""
    world = make_world(issuers=(issuer.address,)) if verified else make_world()
    token = issuer.token(**claims(world))
    expired = issuer.token(**claims(world, life_s=0))
    endless = issuer.token(oid=OBJECT, appid=APP)
    for wrong in ("", "invalid", expired, endless, issuer.token(**claims(world, exp=float("1e300")))):
        assert exchange(world, wrong).status == 401, wrong
    for app, user in (("", OBJECT), ("invalid", OBJECT), (OBJECT, OBJECT), (APP, ""), (APP, "invalid"), (APP, APP)):
        assert exchange(world, token, app, user).status == 400, (app, user)
    assert exchange(world, token, APP.upper(), OBJECT.upper()).status == 200


def test_a_teams_exchange_needs_an_issuer_where_others_can_reach(make_world: Worlds) -> None:
    """No unverified token becomes one of ours there."""
    world = make_world(auth_mode="strict")
    assert exchange(world, jwt.encode(claims(world), KEY, algorithm="RS256")).status == 401


def test_once_teams_users_are_registered_only_those_with_an_eligible_plan_get_a_token(
    trusting: World, issuer: Issuer
) -> None:
    """Nobody is asked for a licence before that; then 403 in the SDK's error body, with what is missing."""
    token, users = good(trusting, issuer), trusting.house.teams_users
    assert exchange(trusting, token).status == 200
    trusting.run(users.add(APP, ["TEAMS1"]))
    refused = exchange(trusting, token)
    assert (refused.status, refused.code) == (403, "Forbidden")
    assert "not among the Teams users" in refused.json["error"]["message"]
    trusting.run(users.add(OBJECT, ["EXCHANGE_S_STANDARD"]))
    refused = exchange(trusting, token)
    assert (refused.status, refused.code) == (403, "Forbidden")
    assert "TEAMS1" in refused.json["error"]["message"]
    trusting.run(users.add(OBJECT, ["EXCHANGE_S_STANDARD", "TEAMS1"]))
    assert exchange(trusting, token).status == 200
    trusting.run(users.remove(OBJECT))
    assert exchange(trusting, token).status == 403
    trusting.run(users.remove(APP))
    assert exchange(trusting, token).status == 200


def test_a_wrong_token_is_told_of_before_the_licence(trusting: World, issuer: Issuer) -> None:
    """Nobody learns who is registered without a token that verifies and fits."""
    trusting.run(trusting.house.teams_users.add(APP, ["TEAMS1"]))
    assert exchange(trusting, "invalid").status == 401
    assert exchange(trusting, good(trusting, issuer), APP, APP).status == 400


def test_a_teams_user_takes_part_in_chat(trusting: World, issuer: Issuer) -> None:
    """Their id is that of the tenant's user, and they are told of as such."""
    token = exchange(trusting, good(trusting, issuer)).json["token"]
    thread = trusting.call("POST", "/chat/threads", json={"topic": "t"}, token=token)
    assert thread.status == 201
    creator = thread.json["chatThread"]["createdByCommunicationIdentifier"]
    assert creator["rawId"] == f"8:orgid:{OBJECT}"
    assert creator["microsoftTeamsUser"]["userId"] == OBJECT
