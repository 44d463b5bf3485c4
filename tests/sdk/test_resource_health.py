"""Outages of a real server as Microsoft's own client of Resource Health sees them, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resourcehealth import ResourceHealthMgmtClient

from tests.sdk.outage import break_down, pass_minute, serving, suffer
from tests.support.customer import UNSIGNED, Customer, visiting
from trunkline.library.served import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server of the test's own."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def customer(server: Server) -> Iterator[Customer]:
    """Someone with a resource of their own."""
    with visiting(server, "health-customer") as one:
        yield one


def client_of(customer: Customer, token: str = UNSIGNED) -> Any:
    """Return Microsoft's client."""
    return customer.managing(ResourceHealthMgmtClient, token)


def test_an_outage_is_seen_begins_and_is_over(server: Server, customer: Customer) -> None:
    """From the 500s that the chat client got, to the events and the availability that the health client reads."""
    health = client_of(customer)
    scope = customer.id.lstrip("/")
    assert list(health.events.list_by_subscription_id()) == []
    status = health.availability_statuses.get_by_resource(scope)
    assert (status.name, status.properties.availability_state, status.location) == ("current", "Available", "global")
    break_down(server)
    suffer(server, customer)
    found = {one.event_source: one for one in health.events.list_by_single_resource(scope)}
    assert set(found) == {"ServiceHealth", "ResourceHealth"}
    event = found["ResourceHealth"]
    assert (event.event_type, event.status, event.level) == ("ServiceIssue", "Active", "Critical")
    assert event.title == "ACTIVE: Chat: requests fail beyond retrying"
    assert "25 of 25 requests (100.0 %)" in event.summary
    assert event.impact[0].impacted_service == "Chat"
    assert event.impact[0].impacted_regions[0].impacted_subscriptions == [customer.resource.subscription_id]
    assert (server.clock.now() - event.impact_start_time).total_seconds() == 310
    assert event.impact_mitigation_time is None
    same = health.event.get_by_subscription_id_and_tracking_id(event.name)
    assert (same.id, same.last_update_time) == (
        f"/subscriptions/{customer.resource.subscription_id}/providers/Microsoft.ResourceHealth/events/{event.name}",
        event.last_update_time,
    )
    status = health.availability_statuses.get_by_resource(scope).properties
    assert (status.availability_state, status.reason_type) == ("Degraded", "Unplanned")  # identities are made
    assert status.service_impacting_events[0].correlation_id == found["ServiceHealth"].name
    pass_minute(server, 10)
    status = health.availability_statuses.get_by_resource(scope).properties
    assert (status.availability_state, status.reason_type) == ("Available", "")
    assert status.recently_resolved.unavailable_occured_time == event.impact_start_time
    resolved = list(health.events.list_by_subscription_id(filter="status eq 'Resolved'"))
    assert {one.name for one in resolved} == {one.name for one in found.values()}
    assert all(one.impact_mitigation_time and one.duration == 300 for one in resolved)
    history = list(health.availability_statuses.list(scope))
    assert [one.properties.availability_state for one in history] == ["Available", "Available", "Unavailable"]


def test_what_is_announced_is_an_event_too(server: Server, customer: Customer) -> None:
    """Planned maintenance and advisories, with their own types; the filter chooses among them."""
    health = client_of(customer)
    notices = server.house.notices
    made = server.run(notices.add("maintenance", "Disks.", service="chat"))
    server.run(notices.add("advisory", "Certificates."))
    found = {one.event_type: one for one in health.events.list_by_subscription_id()}
    assert set(found) == {"PlannedMaintenance", "HealthAdvisory"}
    planned = found["PlannedMaintenance"]
    assert (planned.name, planned.status, planned.summary) == (made.id, "Active", "Disks.")
    for text, types in (
        ("eventType eq 'HealthAdvisory'", {"HealthAdvisory"}),
        ("service eq 'Chat' or region eq 'West US'", {"PlannedMaintenance"}),
        ("properties/status eq 'Active' and eventLevel ne 'Informational'", set()),
        (f"trackingId eq '{made.id}'", {"PlannedMaintenance"}),
    ):
        assert {one.event_type for one in health.events.list_by_subscription_id(filter=text)} == types, text
    tomorrow = "12/31/2099"
    assert list(health.events.list_by_subscription_id(query_start_time=tomorrow)) == []
    server.run(notices.end(made.id))
    assert health.event.get_by_subscription_id_and_tracking_id(made.id).status == "Resolved"
    assert {one.event_type for one in health.events.list_by_tenant_id()} == {"PlannedMaintenance", "HealthAdvisory"}


def test_the_resources_of_a_subscription_and_a_group_are_listed(server: Server, customer: Customer) -> None:
    """Each with its state; a bearer for one resource sees that one."""
    health = client_of(customer)
    ids = [one.id for one in health.availability_statuses.list_by_subscription_id()]
    tail = "/providers/Microsoft.ResourceHealth/AvailabilityStatuses/current"
    assert f"{customer.id}{tail}" in ids
    assert len(ids) == 2
    group = customer.resource.resource_group
    assert [one.id for one in health.availability_statuses.list_by_resource_group(group)] == ids
    with pytest.raises(ResourceNotFoundError, match="elsewhere"):
        list(health.availability_statuses.list_by_resource_group("elsewhere"))
    own = client_of(customer, server.house.keyring.mint("reader", resource="health-customer")[0])
    assert [one.id for one in own.availability_statuses.list_by_subscription_id()] == [f"{customer.id}{tail}"]


def test_one_resource_s_outage_is_no_business_of_another(server: Server, customer: Customer) -> None:
    """It sees that the service is out of order, but neither its neighbour's event nor how much failed."""
    break_down(server)
    suffer(server, customer)
    with visiting(server, "health-neighbour") as neighbour:
        theirs = client_of(neighbour, server.house.keyring.mint("owner", resource="health-neighbour")[0])
        (event,) = theirs.events.list_by_subscription_id()
        assert event.event_source == "ServiceHealth"
        assert "25" not in event.summary
        (known,) = client_of(customer).events.list_by_subscription_id(filter="eventSource eq 'ResourceHealth'")
        with pytest.raises(ResourceNotFoundError):
            theirs.event.get_by_subscription_id_and_tracking_id(known.name)
        with pytest.raises(HttpResponseError) as caught:
            list(theirs.events.list_by_single_resource(customer.id.lstrip("/")))
        assert caught.value.status_code == 403


def test_what_cannot_be_answered_is_refused_in_azure_s_words(server: Server, customer: Customer) -> None:
    """A filter that is none, a moment that is none, an event that nobody knows, what is not served."""
    health = client_of(customer)
    for text in ("status", "colour eq 'red'", "status ge 'Active'", "(status eq 'Active')", "lastUpdateTime ge 'soon'"):
        with pytest.raises(HttpResponseError) as caught:
            list(health.events.list_by_subscription_id(filter=text))
        assert (caught.value.status_code, caught.value.error.code) == (400, "BadRequest"), text
    with pytest.raises(HttpResponseError, match="queryStartTime"):
        list(health.events.list_by_subscription_id(query_start_time="soon"))
    with pytest.raises(ResourceNotFoundError):
        health.event.get_by_subscription_id_and_tracking_id("0000-0000")
    with pytest.raises(HttpResponseError) as caught:
        list(health.emerging_issues.list())
    assert caught.value.status_code == 501
