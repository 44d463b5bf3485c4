"""A customer: someone with a resource of a server and Microsoft's own clients for it."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from azure.communication.chat import ChatClient, CommunicationTokenCredential, CommunicationUserIdentifier
from azure.communication.identity import CommunicationIdentityClient
from azure.core.credentials import AccessToken
from azure.core.rest import HttpRequest
from azure.mgmt.eventgrid import EventGridManagementClient
from azure.monitor.querymetrics import MetricAggregationType, MetricsClient

from tests.delivery.rig import until
from tests.support.asgi import Answer
from tests.support.signing import signed
from trunkline.catalogue.azure.ids import resource_id
from trunkline.delivery.queue import parcels
from trunkline.events import outbox
from trunkline.library.served import Server
from trunkline.state.transaction import Reader

UNSIGNED = "eyJhbGciOiJub25lIn0.e30.entra-dev"
"""What Microsoft's own tests send for an Entra token; nobody has signed it."""


DIMENSIONS = ("Operation", "StatusCode", "StatusCodeClass")
"""What the documented metrics of requests can be split by."""


class Bearer:
    """A credential that always hands out the same token."""

    def __init__(self, token: str = UNSIGNED) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_given: Any) -> AccessToken:
        """Return the token."""
        return AccessToken(self._token, int(time.time()) + 3600)


class Person:
    """A user with a token and a chat client."""

    def __init__(self, customer: Customer) -> None:
        user, token = customer.identity.create_user_and_token(["chat"])
        self.id: str = user.properties["id"]
        self.token: str = token.token
        self.identifier = CommunicationUserIdentifier(self.id)
        credential = CommunicationTokenCredential(self.token)
        self.chat = customer.enter(ChatClient(customer.served.url, credential, **customer.options))
        self._customer = customer

    def thread(self, thread_id: str) -> Any:
        """Return a client of a thread."""
        return self._customer.enter(self.chat.get_chat_thread_client(thread_id, **self._customer.options))


class Customer:
    """Clients over TLS for one resource; all are closed with the customer."""

    def __init__(self, served: Server, name: str, stack: ExitStack) -> None:
        self.served = served
        self.resource = served.run(served.house.resources.create(name))
        self.connection_string = f"endpoint={served.url}/;accesskey={self.resource.key1}"
        self.id = resource_id(self.resource.subscription_id, self.resource.resource_group, name)
        self.options: dict[str, Any] = {"connection_verify": served.connection.ca_file, "retry_total": 0}
        self._stack = stack
        self.identity = CommunicationIdentityClient.from_connection_string(self.connection_string, **self.options)
        stack.enter_context(closing(self.identity._identity_service_client))

    def enter(self, client: Any) -> Any:
        """Keep a client until the customer leaves."""
        return self._stack.enter_context(client)

    def person(self) -> Person:
        """Make a user."""
        return Person(self)

    def grid(self, token: str = UNSIGNED) -> EventGridManagementClient:
        """Return a client of Event Grid's control plane."""
        return self.managing(EventGridManagementClient, token)

    def managing(self, kind: Callable[..., Any], token: str = UNSIGNED) -> Any:
        """Return a client of a kind that manages what is in the subscription."""
        client = kind(
            Bearer(token),
            self.resource.subscription_id,
            base_url=self.served.url,
            credential_scopes=[f"{self.served.url}/.default"],
            **self.options,
        )
        return self.enter(client)

    def metrics(self, token: str = UNSIGNED) -> MetricsClient:
        """Return a client of Azure Monitor's metrics."""
        client = MetricsClient(self.served.url, Bearer(token), **self.options)
        self.enter(client)
        return client

    def counted(self, metric: str) -> dict[tuple[str, ...], float]:
        """Ask Azure Monitor how many requests of the last hour there were by operation, status and class."""
        (result,) = self.metrics().query_resources(
            resource_ids=[self.id],
            metric_namespace="Microsoft.Communication/CommunicationServices",
            metric_names=[metric],
            timespan=timedelta(hours=1),
            granularity=timedelta(minutes=1),
            aggregations=[MetricAggregationType.COUNT],
            filter=" and ".join(f"{name} eq '*'" for name in DIMENSIONS),
            max_results=1000,
        )
        series = result.metrics[metric].timeseries
        assert all(list(one.metadata_values) == [name.lower() for name in DIMENSIONS] for one in series)
        return {tuple(one.metadata_values.values()): sum(point.count or 0 for point in one.data) for one in series}

    def read(self, client: MetricsClient, what: str, **query: str) -> Any:
        """GET something of the resource's metrics with a client's own pipeline; raises what the client raises."""
        request = HttpRequest(
            "GET", f"{self.id}/providers/Microsoft.Insights/{what}", params={"api-version": "2024-02-01", **query}
        )
        response = client.send_request(request)
        response.raise_for_status()
        return response.json()

    def send(self, method: str, target: str, body: Any = None) -> Answer:
        """Put a request that no client has, signed with the access key."""
        content = b"" if body is None else msgspec.json.encode(body)
        host = self.served.url.removeprefix("https://")
        return self._put(
            method, target, content, signed(method, target, host, content, self.resource.key1, datetime.now(UTC))
        )

    def own(self, method: str, target: str, body: Any = None, key: str = "") -> Answer:
        """Put a request to Trunkline's own API, with the account's API key unless another is given."""
        content = b"" if body is None else msgspec.json.encode(body)
        return self._put(method, f"/api/v1/{target}", content, {"x-api-key": key or self.resource.api_key})

    def ask(self, *measures: str, by: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[float]]:
        """Ask Trunkline's own API for measures of the last hour, by the values they are split by."""
        question = msgspec.json.encode({"measures": measures, "by": by})
        answer = self._put("POST", "/api/v1/ask", question, {"x-api-key": self.resource.api_key})
        assert answer.status == 200, answer.body
        return {tuple(point["split"]): point["values"] for point in answer.json["points"]}

    def _put(self, method: str, target: str, content: bytes, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(  # noqa: S310 - the address is the test's own
            self.served.url + target,
            content or None,
            {**headers, "content-type": "application/json"},
            method=method,
        )
        trust = ssl.create_default_context(cafile=self.served.connection.ca_file)
        try:
            with urllib.request.urlopen(request, context=trust) as response:  # noqa: S310 - the same
                return Answer(response.status, _lower(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())

    def settle(self) -> None:
        """Wait until every event so far was told and every delivery of the resource has its outcome."""
        waits = sa.select(sa.func.count()).where(
            parcels.c.finished_at.is_(None), parcels.c.resource == self.resource.name
        )

        def is_quiet(reader: Reader) -> bool:
            return not outbox.untold(reader, 1) and reader.value(waits) == 0

        self.served.run(until(lambda: self.served.house.database.read(is_quiet)))


@contextmanager
def visiting(served: Server, name: str = "") -> Iterator[Customer]:
    """Let a customer in: with a resource of their own, or with the server's default one when no name is given."""
    with ExitStack() as stack:
        yield Customer(served, name or served.house.resources.default, stack)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
