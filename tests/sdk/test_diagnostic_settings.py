"""Diagnostic settings made with Microsoft's own client; what its chat client did is found where they say, over TLS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.monitor import models as m

from tests.support.blobs import Storage, storage
from tests.support.customer import UNSIGNED, Customer, visiting
from trunkline.clock import TurnedClock
from trunkline.library.served import Server, serve

NUMBERS = itertools.count(1)
STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/"


@pytest.fixture(scope="module")
def place() -> Iterator[Storage]:
    """Run a storage account."""
    with storage() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, place: Storage) -> Iterator[Server]:
    """Run a server that knows it, and a folder."""
    folder = tmp_path_factory.mktemp("logs")
    clock = TurnedClock(datetime.now(UTC).replace(minute=30, second=0, microsecond=0))
    destinations = (f"blobs={place.connection_string}", f"folder={folder / 'out'}")
    # the clients sign by the real clock
    with serve(folder / "data", clock=clock, clock_skew_s=20_000, log_destinations=destinations) as running:
        yield running


@pytest.fixture
def customer(server: Server) -> Iterator[Customer]:
    """Someone with a resource of their own."""
    with visiting(server, f"logs-{next(NUMBERS)}") as one:
        yield one


def client_of(customer: Customer, token: str = UNSIGNED) -> Any:
    """Return Microsoft's client."""
    return customer.managing(MonitorManagementClient, token)


def setting(account: str = "blobs", **given: Any) -> m.DiagnosticSettingsResource:
    """Describe a setting: every category to a storage account."""
    whole: dict[str, Any] = {
        "storage_account_id": f"{STORAGE}{account}",
        "logs": [m.LogSettings(category_group="allLogs", enabled=True)],
    }
    return m.DiagnosticSettingsResource(**{**whole, **given})


def test_a_setting_is_made_read_listed_and_deleted(customer: Customer) -> None:
    """As it was written, with its id; twice deleted is once."""
    settings = client_of(customer).diagnostic_settings
    logs = [
        m.LogSettings(category="SMSOperational", enabled=True),
        m.LogSettings(category="ChatOperational", enabled=False),
    ]
    made = settings.create_or_update(customer.id, "To Storage", setting(logs=logs))
    assert made.id == f"{customer.id}/providers/Microsoft.Insights/diagnosticSettings/To Storage"
    assert (made.name, made.type) == ("To Storage", "Microsoft.Insights/diagnosticSettings")
    found = settings.get(customer.id, "to storage")
    assert found == made
    assert found.storage_account_id == f"{STORAGE}blobs"
    assert [(one.category, one.enabled) for one in found.logs] == [("SMSOperational", True), ("ChatOperational", False)]
    settings.create_or_update(customer.id, "To Storage", setting())
    (listed,) = settings.list(customer.id)
    assert [(one.category_group, one.enabled) for one in listed.logs] == [("allLogs", True)]
    settings.delete(customer.id, "To Storage")
    settings.delete(customer.id, "To Storage")
    with pytest.raises(ResourceNotFoundError, match="To Storage"):
        settings.get(customer.id, "To Storage")
    assert list(settings.list(customer.id)) == []


def test_the_categories_are_listed(customer: Customer) -> None:
    """Each for itself too, in any case."""
    categories = client_of(customer).diagnostic_settings_category
    found = {one.name: one for one in categories.list(customer.id)}
    assert len(found) == 26
    assert (found["CallSummary"].category_type, found["CallSummary"].category_groups) == ("Logs", ["allLogs"])
    assert categories.get(customer.id, "callsummary") == found["CallSummary"]
    with pytest.raises(ResourceNotFoundError, match="callsumary"):
        categories.get(customer.id, "CallSumary")


@pytest.mark.parametrize("account", ["blobs", "folder"])
def test_what_a_client_did_is_found_in_the_storage(
    server: Server, customer: Customer, place: Storage, account: str
) -> None:
    """By the MS-CV that its answer had, in the file of its hour."""
    settings = client_of(customer).diagnostic_settings
    settings.create_or_update(customer.id, account, setting(account))
    seen: list[str] = []
    person = customer.person()
    person.chat.create_chat_thread(
        "Lunch", raw_response_hook=lambda answer: seen.append(answer.http_response.headers["MS-CV"])
    )
    at = server.clock.now()
    turn(server)
    name = f"insights-logs-chatoperational/resourceId={customer.id.upper()}/{at:y=%Y/m=%m/d=%d/h=%H}/m=00/PT1H.json"
    out = Path(server.house.folder.path).parent / "out"
    body = place.blobs()[name] if account == "blobs" else (out / name).read_bytes()
    records = [msgspec.json.decode(line) for line in body.splitlines()]
    assert [(one["operationName"], one["correlationId"]) for one in records] == [("CreateChatThread", seen[0])]
    settings.delete(customer.id, account)


def turn(server: Server) -> None:
    """Let an hour pass, and write what is to be written then."""
    server.clock.advance(3600)
    assert server.run(server.house.log_export.run())


@pytest.mark.parametrize(
    ("given", "status", "wanted"),
    [
        ({"workspace_id": "/subscriptions/s/x"}, 501, "Log Analytics"),
        ({"event_hub_authorization_rule_id": "/subscriptions/s/x"}, 501, "event hub"),
        ({"metrics": [m.MetricSettings(category="AllMetrics", enabled=True)]}, 501, "Metrics"),
        ({"storage_account_id": None}, 400, "storageAccountId"),
        ({"account": "elsewhere"}, 400, "log_destinations"),
        ({"logs": []}, 400, "allLogs"),
        ({"logs": [m.LogSettings(category="SMSOperationl", enabled=True)]}, 400, "SMSOperational"),
        ({"logs": [m.LogSettings(category_group="audit", enabled=True)]}, 400, "allLogs"),
        ({"logs": [m.LogSettings(enabled=True)]}, 400, "category or a categoryGroup"),
    ],
)
def test_what_is_not_served_says_so(customer: Customer, given: dict[str, Any], status: int, wanted: str) -> None:
    """In the resource manager's body."""
    with pytest.raises(HttpResponseError, match=wanted) as caught:
        client_of(customer).diagnostic_settings.create_or_update(customer.id, "x", setting(**given))
    assert caught.value.status_code == status


def test_a_reader_and_another_resource_s_bearer_change_nothing(server: Server, customer: Customer) -> None:
    """And whose resource it is not sees nothing of it."""
    keyring = server.house.keyring
    reader = keyring.mint("reader", resource=customer.resource.name)[0]
    with pytest.raises(HttpResponseError) as caught:
        client_of(customer, reader).diagnostic_settings.create_or_update(customer.id, "x", setting())
    assert caught.value.status_code == 403
    assert list(client_of(customer, reader).diagnostic_settings.list(customer.id)) == []
    with visiting(server, "other-customer") as other:
        stranger = keyring.mint("owner", resource=other.resource.name)[0]
        with pytest.raises(HttpResponseError) as caught:
            list(client_of(customer, stranger).diagnostic_settings.list(customer.id))
        assert caught.value.status_code == 403
