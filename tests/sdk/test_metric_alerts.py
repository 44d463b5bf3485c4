"""Alert rules made with Microsoft's own client, and met by what Microsoft's chat client does, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.monitor import models as m

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
    with visiting(server, "alert-customer") as one:
        yield one


def client_of(customer: Customer, token: str = UNSIGNED) -> Any:
    """Return Microsoft's client."""
    return customer.managing(MonitorManagementClient, token)


def rule(customer: Customer, **given: Any) -> m.MetricAlertResource:
    """Describe a rule: more than four failed lists of threads in five minutes."""
    row: dict[str, Any] = {
        "metric_name": "APIRequestChat",
        "metric_namespace": "Microsoft.Communication/CommunicationServices",
        "time_aggregation": "Count",
        "operator": "GreaterThan",
        "threshold": 4,
        "dimensions": [
            m.MetricDimension(name="Operation", operator="Include", values=["ListChatThreads"]),
            m.MetricDimension(name="StatusCodeClass", operator="Exclude", values=["2xx"]),
        ],
    }
    criterion = m.MetricCriteria(name="failures", **{**row, **given.pop("criterion", {})})
    whole: dict[str, Any] = {
        "location": "global",
        "description": "Threads cannot be listed.",
        "severity": 1,
        "enabled": True,
        "scopes": [customer.id],
        "evaluation_frequency": timedelta(minutes=1),
        "window_size": timedelta(minutes=5),
        "criteria": m.MetricAlertSingleResourceMultipleMetricCriteria(all_of=[criterion]),
        "actions": [m.MetricAlertAction(action_group_id="/subscriptions/x/actionGroups/y")],
        "tags": {"team": "chat"},
    }
    return m.MetricAlertResource(**{**whole, **given})


def test_a_rule_is_made_read_listed_and_deleted(customer: Customer) -> None:
    """As it was written, with its id; twice deleted is once."""
    alerts, group = client_of(customer).metric_alerts, customer.resource.resource_group
    made = alerts.create_or_update(group, "Failed lists", rule(customer))
    assert made.id.endswith(f"/resourceGroups/{group}/providers/Microsoft.Insights/metricAlerts/Failed lists")
    found = alerts.get(group, "failed lists")
    assert found == made
    assert (found.name, found.type, found.severity, found.enabled) == (
        "Failed lists",
        "Microsoft.Insights/metricAlerts",
        1,
        True,
    )
    assert (found.window_size, found.evaluation_frequency) == (timedelta(minutes=5), timedelta(minutes=1))
    assert (found.scopes, found.tags, found.auto_mitigate) == ([customer.id], {"team": "chat"}, True)
    (criterion,) = found.criteria.all_of
    assert (criterion.metric_name, criterion.operator, criterion.threshold) == ("APIRequestChat", "GreaterThan", 4)
    assert [one.name for one in criterion.dimensions] == ["Operation", "StatusCodeClass"]
    assert [one.name for one in alerts.list_by_resource_group(group)] == ["Failed lists"]
    alerts.create_or_update(group, "Failed lists", rule(customer, severity=4))
    assert [one.severity for one in alerts.list_by_subscription()] == [4]
    with pytest.raises(ResourceNotFoundError, match="elsewhere"):
        list(alerts.list_by_resource_group("elsewhere"))
    alerts.delete(group, "Failed lists")
    alerts.delete(group, "Failed lists")
    with pytest.raises(ResourceNotFoundError):
        alerts.get(group, "Failed lists")


def test_a_rule_is_met_and_is_over(server: Server, customer: Customer) -> None:
    """By what the chat client met; the incident tells, and shows its question."""
    client, group = client_of(customer), customer.resource.resource_group
    client.metric_alerts.create_or_update(group, "failed", rule(customer))
    assert [one.properties.status for one in client.metric_alerts_status.list(group, "failed").value] == ["Healthy"]
    break_down(server)
    suffer(server, customer, minutes=1)
    assert [one.properties.status for one in client.metric_alerts_status.list(group, "failed").value] == ["Unhealthy"]
    (one,) = server.run(server.house.incidents.since(server.clock.now()))
    assert (one.kind, one.rule, one.resource, one.value, one.level) == (
        "alert",
        "failed",
        "alert-customer",
        5,
        "critical",
    )
    asked = customer._put(
        "POST",
        "/api/v1/ask",
        msgspec.json.encode(one.question),
        {"x-api-key": customer.resource.api_key},
    )
    assert sum(point["values"][0] for point in asked.json["points"]) == 5
    pass_minute(server, 5)
    assert [one.properties.status for one in client.metric_alerts_status.list(group, "failed").value] == ["Healthy"]


def test_every_measure_of_the_catalogue_is_a_metric_of_our_own_namespace(server: Server, customer: Customer) -> None:
    """With the columns of its fact as dimensions."""
    client, group = client_of(customer), customer.resource.resource_group
    own = {"metric_namespace": "Trunkline", "metric_name": "calls.busy_rate", "dimensions": None}
    made = client.metric_alerts.create_or_update(group, "busy", rule(customer, criterion=own))
    assert made.criteria.all_of[0].metric_name == "calls.busy_rate"
    (kept,) = server.run(server.house.alert_rules.all())
    assert str(kept) == "calls.busy_rate above 4 over 5 min"
    with pytest.raises(HttpResponseError, match=r"requests\.failed"):
        client.metric_alerts.create_or_update(
            group, "x", rule(customer, criterion={**own, "metric_name": "requests.faild"})
        )


def test_another_resource_s_rules_are_nobody_else_s_business(server: Server, customer: Customer) -> None:
    """A bearer for one resource sees, changes and deletes its own."""
    group = customer.resource.resource_group
    client_of(customer).metric_alerts.create_or_update(group, "mine", rule(customer))
    with visiting(server, "alert-neighbour") as neighbour:
        theirs = client_of(neighbour, server.house.keyring.mint("owner", resource="alert-neighbour")[0]).metric_alerts
        assert list(theirs.list_by_resource_group(group)) == []
        with pytest.raises(ResourceNotFoundError):
            theirs.get(group, "mine")
        theirs.delete(group, "mine")
        with pytest.raises(HttpResponseError) as caught:
            theirs.create_or_update(group, "mine", rule(customer))
        assert caught.value.status_code == 403
        theirs.create_or_update(group, "mine", rule(neighbour))
        theirs.delete(group, "mine")
    assert [one.scopes for one in client_of(customer).metric_alerts.list_by_resource_group(group)] == [[customer.id]]
    reader = client_of(customer, server.house.keyring.mint("reader")[0]).metric_alerts
    with pytest.raises(HttpResponseError) as caught:
        reader.delete(group, "mine")
    assert caught.value.status_code == 403


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"severity": 7}, 400),
        ({"window_size": timedelta(minutes=7)}, 400),
        ({"window_size": timedelta()}, 400),
        ({"evaluation_frequency": timedelta(days=1)}, 400),
        ({"evaluation_frequency": timedelta(days=-1)}, 400),
        ({"scopes": []}, 501),
        ({"scopes": ["/subscriptions/x"]}, 404),
        ({"auto_mitigate": False}, 501),
        ({"criterion": {"metric_name": "APIRequestNothing"}}, 400),
        ({"criterion": {"metric_name": ""}}, 400),
        ({"criterion": {"metric_namespace": "Elsewhere"}}, 400),
        ({"criterion": {"time_aggregation": "Average"}}, 501),
        ({"criterion": {"operator": "Near"}}, 400),
        ({"criterion": {"dimensions": [m.MetricDimension(name="Colour", operator="Include", values=["x"])]}}, 400),
        ({"criterion": {"dimensions": [m.MetricDimension(name="Operation", operator="Include", values=["*"])]}}, 501),
        ({"criterion": {"criterion_type": "DynamicThresholdCriterion"}}, 501),
    ],
)
def test_what_cannot_be_followed_is_refused(served: Server, given: dict[str, Any], status: int) -> None:
    """In Azure's error body, when the rule is made."""
    with visiting(served, "alert-refused") as customer:
        wanted = rule(customer, **{key: value for key, value in given.items() if key != "criterion"})
        for name, value in given.get("criterion", {}).items():
            setattr(wanted.criteria.all_of[0], name, value)
        with pytest.raises(HttpResponseError) as caught:
            client_of(customer).metric_alerts.create_or_update(customer.resource.resource_group, "x", wanted)
        assert caught.value.status_code == status, caught.value
        assert caught.value.error is not None
