"""Who may call the control plane, and for which resource."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from tests.apis.azure.world import SUBSCRIPTION, Answer, World
from trunkline.errors import UnauthenticatedError
from trunkline.services.access import Principal

STRICT = {"auth_mode": "strict"}


def code(answer: Answer) -> tuple[int, str]:
    """Return an answer's status and the code of its nested error."""
    return answer.status, answer.json["error"]["code"]


def mint(world: World, role: str, **more: Any) -> str:
    """Mint a bearer."""
    return world.keyring.mint(role, **more)[0]


def test_without_a_bearer_nobody_calls(world: World) -> None:
    """The answer says where bearers come from."""
    answer = world.metrics(bearer=None)
    assert code(answer) == (401, "AuthenticationFailed")
    assert answer.headers["www-authenticate"].startswith(
        f'Bearer authorization_uri="https://localhost:8443/{world.resource.tenant_id}"'
    )


def test_another_scheme_is_no_bearer(world: World) -> None:
    """A shared key does not open the control plane."""
    answer = world.metrics(bearer=None, headers={"authorization": "HMAC-SHA256 Signature=x"})
    assert code(answer) == (401, "AuthenticationFailed")


def test_any_bearer_will_do_in_development(world: World) -> None:
    """Nobody here can verify it, and every listener is on loopback."""
    assert world.metrics(bearer="anything").status == 200


def test_a_bearer_that_has_ended_is_refused_in_development_too(world: World) -> None:
    """It says so itself."""
    ended = jwt.encode({"exp": world.clock.now().timestamp() - 1}, "secret" * 8)
    assert code(world.metrics(bearer=ended)) == (401, "InvalidAuthenticationToken")
    good = jwt.encode({"exp": world.clock.now().timestamp() + 60}, "secret" * 8)
    assert world.metrics(bearer=good).status == 200


def test_a_foreign_bearer_is_refused_in_strict_mode(make_world: Callable[..., World]) -> None:
    """Without an issuer only minted bearers are accepted."""
    world = make_world(**STRICT)
    assert code(world.metrics(bearer="anything")) == (401, "InvalidAuthenticationToken")
    assert world.metrics(bearer=mint(world, "reader")).status == 200


def test_a_minted_bearer_ends(make_world: Callable[..., World]) -> None:
    """After its life it is refused, in every mode."""
    for given in ({}, STRICT):
        world = make_world(**given)
        bearer = mint(world, "owner", life=timedelta(minutes=5))
        world.clock.advance(301)
        assert code(world.metrics(bearer=bearer)) == (401, "InvalidAuthenticationToken")


def test_a_forged_bearer_is_refused_in_development_too(world: World) -> None:
    """Who names our key must have signed with it."""
    bearer = mint(world, "reader")
    head, body, _ = bearer.split(".")
    assert code(world.metrics(bearer=f"{head}.{body}.AAAA")) == (401, "InvalidAuthenticationToken")


def test_a_bearer_for_one_resource_opens_no_other(world: World) -> None:
    """It does not even tell whether the other exists."""
    world.runner.run(world.resources.create("fabrikam"))
    bearer = mint(world, "owner", resource="fabrikam")
    assert code(world.metrics(bearer=bearer)) == (403, "AuthorizationFailed")
    for name in ("fabrikam", "FABRIKAM"):
        answer = world.get(f"{world.id.replace('contoso', name)}/providers/microsoft.insights/metrics", bearer=bearer)
        assert answer.status == 200
    missing = world.get(f"{world.id.replace('contoso', 'nobody')}/providers/microsoft.insights/metrics", bearer=bearer)
    assert code(missing) == (403, "AuthorizationFailed")


def test_a_bearer_for_one_resource_opens_no_other_in_a_batch(world: World) -> None:
    """Every id of a batch is checked."""
    world.runner.run(world.resources.create("fabrikam"))
    bearer = mint(world, "reader", resource="fabrikam")
    other = world.id.replace("contoso", "fabrikam")
    query = "metricnamespace=microsoft.communication/communicationservices&metricnames=APIRequestChat"
    target = f"/subscriptions/{SUBSCRIPTION}/metrics:getBatch?{query}"
    assert world.call("POST", target, {"resourceids": [other]}, bearer=bearer).status == 200
    both = world.call("POST", target, {"resourceids": [other, world.id]}, bearer=bearer)
    assert code(both) == (403, "AuthorizationFailed")


def test_a_reader_may_ask_for_a_batch(world: World) -> None:
    """Asking with POST changes nothing."""
    query = "metricnamespace=microsoft.communication/communicationservices&metricnames=APIRequestChat"
    target = f"/subscriptions/{SUBSCRIPTION}/metrics:getBatch?{query}"
    answer = world.call("POST", target, {"resourceids": [world.id]}, bearer=mint(world, "reader"))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("contoso", "nobody"),
        ("Main-Group", "other-group"),
        (SUBSCRIPTION, "99999999-2222-3333-4444-555555555555"),
        ("Microsoft.Communication", "Microsoft.Storage"),
    ],
)
def test_a_scope_that_is_no_resource_here_is_not_found(world: World, old: str, new: str) -> None:
    """Name, group, subscription and type must be those of a resource; the answer names the scope."""
    answer = world.get(f"{world.id.replace(old, new)}/providers/microsoft.insights/metrics")
    assert code(answer) == (404, "ResourceNotFound")
    assert new in answer.json["error"]["message"]


def test_a_scope_matches_in_any_case(world: World) -> None:
    """As the resource manager does it."""
    assert world.get(f"{world.id.upper()}/PROVIDERS/MICROSOFT.INSIGHTS/METRICS").status == 200


class OneIssuer:
    """An issuer that knows one bearer."""

    configured = True

    async def principal(self, token: str) -> Principal:
        """Return who the bearer it knows speaks for."""
        if token != "known":
            raise UnauthenticatedError("The bearer is not valid.")
        return Principal(name="someone", role="reader")


def test_an_issuers_bearer_is_verified_and_bound_by_its_role(world: World) -> None:
    """Once an issuer is configured, an unknown bearer is refused, even in development mode."""
    world.callers._issuers = OneIssuer()  # type: ignore[assignment]
    assert world.metrics(bearer="known").status == 200
    assert code(world.metrics(bearer="unknown")) == (401, "InvalidAuthenticationToken")
    target = f"{world.id}/providers/Microsoft.EventGrid/eventSubscriptions/es1"
    assert code(world.call("DELETE", target, bearer="known")) == (403, "AuthorizationFailed")
    assert world.metrics(bearer=mint(world, "reader")).status == 200
