"""Identity through the door: users, tokens, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.world import HOST, World


@pytest.fixture(scope="module")
def world(shared_world: World) -> World:
    """Share one world: these tests leave it as it was."""
    return shared_world


def test_a_user_is_created_without_a_body(world: World) -> None:
    """The plainest call: no scopes, no token; the id has exactly one underscore."""
    answer = world.call("POST", "/identities", key=True)
    assert answer.status == 201
    assert list(answer.json) == ["identity"]
    assert re.fullmatch(r"8:acs:[0-9a-f-]{36}_[0-9a-f-]{36}", answer.json["identity"]["id"])


def test_scopes_bring_a_token_in_the_same_request(make_world: Callable[..., World]) -> None:
    """One request, counted as CreateIdentity."""
    world = make_world()
    asked: list[Any] = []
    world.house.application._recorder.record = asked.append  # type: ignore[method-assign,assignment]
    answer = world.call("POST", "/identities", json={"createTokenWithScopes": ["chat", "voip", "chat"]}, key=True)
    assert answer.status == 201
    assert answer.json["accessToken"]["token"].count(".") == 2
    assert [(fact.operation, fact.status) for fact in asked] == [("CreateIdentity", 201)]


@pytest.mark.parametrize(("minutes", "status"), [(59, 400), (60, 200), (1440, 200), (1441, 400), (-1, 400)])
def test_a_token_lives_for_an_hour_to_a_day(world: World, minutes: int, status: int) -> None:
    """Outside the range the request is refused, whether at creation or later."""
    user = world.user()
    body = {"scopes": ["chat"], "expiresInMinutes": minutes}
    answer = world.call("POST", f"/identities/{user.path}/:issueAccessToken", json=body, key=True)
    assert answer.status == status
    created = world.call(
        "POST", "/identities", json={"createTokenWithScopes": ["chat"], "expiresInMinutes": minutes}, key=True
    )
    assert (created.status == 201) == (status == 200)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scopes": []},
        {"scopes": None},
        {"scopes": ["fly"]},
        {"scopes": "chat"},
        {"scopes": [7]},
        {"scopes": ["chat"], "expiresInMinutes": "60"},
        {"scopes": ["chat"], "expiresInMinutes": 60.5},
        {"scopes": ["chat"], "expiresInMinutes": 10**30},
        [],
        None,
        "chat",
    ],
)
def test_a_token_is_not_issued_for_a_body_that_is_wrong(world: World, body: Any) -> None:
    """400 that names the place."""
    answer = world.call("POST", f"/identities/{world.user().path}/:issueAccessToken", json=body, key=True)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.json["error"]["target"]


def test_scopes_are_those_of_the_original(world: World) -> None:
    """All five are granted, and stand in the token in their order."""
    scopes = ["voip.join", "chat", "voip", "chat.join", "chat.join.limited"]
    assert world.user(*scopes).token


def test_identities_of_another_resource_are_not_found(world: World) -> None:
    """A key sees its own resource's users only."""
    other = world.run(world.house.resources.create("other"))
    user = world.user()
    for method, action, body in (
        ("POST", "/:issueAccessToken", {"scopes": ["chat"]}),
        ("POST", "/:revokeAccessTokens", {}),
        ("DELETE", "", {}),
    ):
        answer = world.call(method, f"/identities/{user.path}{action}", json=body, key=other.key1)
        assert (answer.status, answer.code) == (404, "NotFound")


def test_every_answer_carries_the_ids_by_which_it_is_found_again(world: World) -> None:
    """MS-CV, the request's id, the client's own id, the versions; refusals carry them too."""
    for given in ({"key": True}, {}):
        answer = world.call("POST", "/identities", headers={"x-ms-client-request-id": "abc-1"}, **given)
        assert re.fullmatch(r"[\w+/]{22}\.0", answer.headers["ms-cv"])
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-ms-request-id"])
        assert answer.headers["x-ms-client-request-id"] == "abc-1"
        assert "2023-10-01" in answer.headers["api-supported-versions"]


def test_a_client_id_that_is_no_header_is_not_echoed(world: World) -> None:
    """Nothing that could break the answer comes back."""
    for given in ("x" * 257, "ä"):
        answer = world.call("POST", "/identities", key=True, headers={"x-ms-client-request-id": given})
        assert "x-ms-client-request-id" not in answer.headers


@pytest.mark.parametrize("version", ["2021-03-07", "2023-10-01", "2099-01-01", "anything"])
def test_any_api_version_is_taken(world: World, version: str) -> None:
    """The wire is frozen; the version is recorded."""
    assert world.call("POST", f"/identities?api-version={version}", key=True).status == 201


def test_an_api_version_is_needed(world: World) -> None:
    """Its absence is told by a code of its own, to callers who are known."""
    answer = world.call("POST", "/identities?x=1", key=True)
    assert (answer.status, answer.code) == (400, "ApiVersionUnspecified")
    assert world.call("POST", "/identities?x=1").status == 401


def test_an_unknown_route_names_the_nearest_operation(world: World) -> None:
    """404 for a path, 405 for a method."""
    answer = world.call("POST", "/identities/abc/:issueToken", key=True)
    assert (answer.status, answer.code) == (404, "NotFound")
    assert "Bad Route" in answer.json["error"]["message"]
    assert "CreateToken" in answer.json["error"]["message"]
    answer = world.call("GET", "/identities", key=True)
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "MethodNotAllowed", "POST")


def test_a_body_beyond_the_limit_is_refused(world: World) -> None:
    """413 in the vendor's body."""
    answer = world.call("POST", "/identities", body=b" " * (4 * 1024 * 1024 + 1), key=True, host=HOST)
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")
