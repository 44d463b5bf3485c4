"""Identity with Microsoft's own SDK, over TLS: its synchronous and its asynchronous client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.communication.chat import CommunicationTokenCredential
from azure.communication.identity import CommunicationIdentityClient, CommunicationTokenScope
from azure.communication.identity.aio import CommunicationIdentityClient as AsyncCommunicationIdentityClient
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from tests.support.issuer import Issuer
from trunkline.library.remote import Remote
from trunkline.library.served import Server, serve

APP, OBJECT = "0b1c2d3e-0000-4000-8000-00000000000a", "0b1c2d3e-0000-4000-8000-00000000000b"


class StandIn:
    """An Entra credential as Microsoft's own tests have it: its token is not signed."""

    def get_token(self, *scopes: str, **_given: Any) -> AccessToken:
        """Return the token."""
        assert scopes == ("https://communication.azure.com//.default",)
        return AccessToken("eyJhbGciOiJub25lIn0.e30.entra-dev", int(time.time()) + 3600)


@contextmanager
def talking(served: Server, credential: Any = None, endpoint: str = "") -> Iterator[CommunicationIdentityClient]:
    """Make a client; it has no close of its own."""
    client = CommunicationIdentityClient(
        endpoint or served.url,
        credential or AzureKeyCredential(served.connection.access_keys[0]),
        connection_verify=served.connection.ca_file,
        retry_total=0,
    )
    with closing(client._identity_service_client):
        yield client


def test_the_life_of_a_user(served: Server) -> None:
    """Created, given tokens, revoked, deleted."""
    with talking(served) as client:
        user = client.create_user()
        token = client.get_token(user, ["chat", CommunicationTokenScope.VOIP], token_expires_in=timedelta(hours=2))
        ends = datetime.fromisoformat(str(token.expires_on))  # the SDK hands on what stands on the wire
        assert abs(ends - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=10)
        client.revoke_tokens(user)
        client.get_token(user, ["chat"])
        client.delete_user(user)
        with pytest.raises(ResourceNotFoundError):
            client.get_token(user, ["chat"])


def test_a_connection_string_is_all_that_is_needed(served: Server) -> None:
    """The first call of every tutorial."""
    client = CommunicationIdentityClient.from_connection_string(
        served.connection.connection_string, connection_verify=served.connection.ca_file
    )
    with closing(client._identity_service_client):
        user, token = client.create_user_and_token(["chat"])
    assert user.properties["id"].startswith("8:acs:")
    assert token.token.count(".") == 2


def test_the_client_comes_in_by_each_door(served: Server) -> None:
    """Either key, a slash at the endpoint's end, plain http, the resource's own host, an Entra credential."""
    with talking(served, AzureKeyCredential(served.connection.access_keys[1]), f"{served.url}/") as client:
        assert client.create_user().properties["id"]
    with talking(served, endpoint=served.connection.http) as client:
        assert client.create_user().properties["id"]
    with talking(served, StandIn()) as client:
        assert client.create_user_and_token(["voip"])[1].token


def test_refusals_arrive_as_the_sdk_s_errors(served: Server) -> None:
    """401, 400 and their codes."""
    with talking(served, AzureKeyCredential("d3Jvbmcga2V5IHdyb25nIGtleQ==")) as client:
        with pytest.raises(ClientAuthenticationError) as denied:
            client.create_user()
        assert denied.value.error.code == "Denied"
    with talking(served) as client:
        user = client.create_user()
        for hours in (0.5, 25):
            with pytest.raises(HttpResponseError) as refused:
                client.get_token(user, ["chat"], token_expires_in=timedelta(hours=hours))
            assert (refused.value.status_code, refused.value.error.code) == (400, "BadRequest")
        with pytest.raises(HttpResponseError):
            client.get_token(user, [])
        with pytest.raises(ClientAuthenticationError):
            client.get_token_for_teams_user("", APP, OBJECT)


def test_the_asynchronous_client_does_the_same(served: Server) -> None:
    """It signs other forms of the path."""

    async def journey() -> None:
        async with AsyncCommunicationIdentityClient(
            served.url,
            AzureKeyCredential(served.connection.access_keys[0]),
            connection_verify=served.connection.ca_file,
            retry_total=0,
        ) as client:
            user, token = await client.create_user_and_token(["chat", "voip"])
            assert token.token.count(".") == 2
            await client.get_token(user, ["chat.join"])
            await client.revoke_tokens(user)
            await client.delete_user(user)
            with pytest.raises(ResourceNotFoundError):
                await client.delete_user(user)

    asyncio.run(journey())


def test_a_teams_user_without_an_eligible_licence_gets_no_token(tmp_path: Path, issuer: Issuer) -> None:
    """As the SDK's user meets it: what the operator registers decides, and Graph's address shows the same."""
    token = issuer.token(oid=OBJECT, appid=APP, exp=int(time.time()) + 600)
    with serve(tmp_path, issuers=(issuer.address,)) as served, talking(served) as client:
        own = Remote(served.url, served.connection.api_key, ca_file=served.connection.ca_file)
        assert client.get_token_for_teams_user(token, APP, OBJECT).token
        own.call("PUT", f"/api/v1/teams-users/{OBJECT}", {"plans": ["MCOEV"]})
        with pytest.raises(HttpResponseError) as refused:
            client.get_token_for_teams_user(token, APP, OBJECT)
        assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")
        assert plans(served, token) == ["MCOEV"]
        own.call("PUT", f"/api/v1/teams-users/{OBJECT}", {"plans": ["MCOEV", "TEAMS1"]})
        assert client.get_token_for_teams_user(token, APP, OBJECT).token
        assert plans(served, token) == ["MCOEV", "TEAMS1"]


def plans(served: Server, token: str) -> list[str]:
    """Return the names of the plans that Graph's address shows to a user."""
    mine = Remote(served.url, token, ca_file=served.connection.ca_file).call("GET", "/v1.0/me/licenseDetails")
    return [plan["servicePlanName"] for licence in mine["value"] for plan in licence["servicePlans"]]


def test_a_teams_user_s_token_ends_with_the_entra_token(tmp_path: Path, issuer: Issuer) -> None:
    """Against a server that trusts an issuer; bad tokens are 401, a wrong app or user 400."""
    ends = int(time.time()) + 4321
    good = issuer.token(oid=OBJECT, appid=APP, exp=ends)
    with serve(tmp_path, issuers=(issuer.address,)) as served, talking(served) as client:
        token = client.get_token_for_teams_user(good, APP, OBJECT)
        assert datetime.fromisoformat(str(token.expires_on)).timestamp() == ends
        assert CommunicationTokenCredential(token.token).get_token().expires_on == ends
        for wrong in ("invalid", issuer.token(oid=OBJECT, appid=APP, exp=int(time.time()) - 1), good[:-4] + "AAAA"):
            with pytest.raises(ClientAuthenticationError):
                client.get_token_for_teams_user(wrong, APP, OBJECT)
        for app, user in (("", OBJECT), ("invalid", OBJECT), (OBJECT, OBJECT), (APP, "invalid"), (APP, APP)):
            with pytest.raises(HttpResponseError) as refused:
                client.get_token_for_teams_user(good, app, user)
            assert refused.value.status_code == 400
        with talking(served, StandIn()) as unsigned, pytest.raises(ClientAuthenticationError):
            unsigned.create_user()
