"""What Azure Monitor refuses, in the words that tools parse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apis.azure.world import VERSION, Answer, World

ALLOWED = "00:01:00,00:05:00,00:15:00,00:30:00,01:00:00,06:00:00,12:00:00,1.00:00:00"


def message(answer: Answer) -> str:
    """Return the message of a flat error."""
    assert answer.status == 400, answer.body
    assert set(answer.json) == {"code", "message"}
    assert answer.json["code"] == "BadRequest"
    return str(answer.json["message"])


def test_an_unknown_metric_is_told_the_known_ones(world: World) -> None:
    """Tools parse the list and ask again with it."""
    told = message(world.metrics("metricnames=Nonsense"))
    head, _, names = told.partition(", Valid metrics: ")
    assert head == (
        "Failed to find metric configuration for provider: Microsoft.Communication, resource Type: "
        "CommunicationServices, metric: Nonsense"
    )
    assert world.metrics(f"metricnames={names}&interval=FULL").status == 200
    assert len(names.split(",")) == 13


def test_an_unknown_dimension_is_told_the_supported_ones(world: World) -> None:
    """The name asked for is written in lower case, and the request's id stands at the end."""
    answer = world.metrics("metricnames=APIRequestChat&$filter=ApiName2 eq '*'")
    trace = answer.headers["x-ms-request-id"]
    assert message(answer) == (
        "Metric: APIRequestChat does not support requested dimension combination: apiname2, supported ones are: "
        f"Operation,StatusCode,StatusCodeClass, TraceId: {trace}"
    )


def test_an_unknown_dimension_is_ignored_when_dimensions_are_not_validated(world: World) -> None:
    """ValidateDimensions=false leaves the condition out."""
    world.happen("SendChatMessage")
    answer = world.metrics("metricnames=APIRequestChat&ValidateDimensions=false&$filter=ApiName2 eq '*'&interval=FULL")
    [one] = answer.json["value"][0]["timeseries"]
    assert one["data"][0]["count"] == 1


def test_a_grain_that_there_is_not_is_refused(world: World) -> None:
    """For one metric and for several the texts differ."""
    assert message(world.metrics("interval=PT10M")) == (
        f"Invalid time grain duration: PT10M, supported ones are: {ALLOWED}"
    )
    answer = world.metrics("metricnames=APIRequestChat,APIRequestSMS&interval=P2D")
    trace = answer.headers["x-ms-request-id"]
    assert message(answer) == (
        f"Commonly allowed time grains: {ALLOWED} between metrics: APIRequestChat,APIRequestSMS, can not support "
        "requested time grain: 2.00:00:00 please adjust your interval parameter to use one of the common grains, "
        f"TraceId: {trace}"
    )
    assert world.metrics("interval=PT10M&AutoAdjustTimegrain=true").json["interval"] == "PT5M"


def test_what_is_older_than_the_retention_is_refused(world: World) -> None:
    """The end of the span decides; a long span up to now is answered in whole."""
    told = message(world.metrics("timespan=2020-05-31T00:00:00Z/2020-06-01T00:00:00Z"))
    assert told == "Query endTime: 6/1/2020 12:00:00 AM is out of the Max metrics retention period: 93.00:00:00"
    assert world.metrics("timespan=P200D&interval=P1D").status == 200


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("$filter=Operation", "only supports conditions of the form '<name> eq <value>' or '<name> ne <value>' : "),
        ("top=2147483648&$filter=Operation eq '*'", "Detected invalid TopN value 2147483648 should be Int value"),
        ("top=x", "Detected invalid TopN value x should be Int value"),
        ("aggregation=Median", "Invalid aggregation type: Median, supported ones are: "),
        ("orderby=sum up", "orderby is one aggregation"),
        ("resultType=Both", "resultType is Data or Metadata"),
        ("timespan=yesterday", "Invalid timespan: yesterday"),
        ("timespan=2026-11-21T12:00:00Z/2026-11-21T11:00:00Z", "ends before it starts"),
        ("metricnamespace=Microsoft.Web/sites", "There is no metric namespace Microsoft.Web/sites"),
        ("AutoAdjustTimegrain=perhaps", "is true or false"),
        ("timespan=0001-01-01T00:00:00Z/9999-12-31T00:00:00Z", "one request gives at most 500000"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(world: World, query: str, told: str) -> None:
    """Each says what is wrong."""
    assert told in message(world.metrics(query))


def test_the_points_of_all_series_are_bounded(world: World) -> None:
    """A month by the minute is one series too many when it is split far enough."""
    for place in range(5):
        world.happen(f"Operation{place}")
    query = "metricnames=APIRequestChat&timespan=P90D&$filter=Operation eq '*'&top="
    assert world.metrics(query + "3").status == 200
    assert "500000" in message(world.metrics(query + "5"))


def batch(world: World, query: str, body: Any, **more: Any) -> Answer:
    """Send a batch."""
    return world.call("POST", f"/subscriptions/{world.resource.subscription_id}/metrics:getBatch?{query}", body, **more)


def test_a_batch_nests_its_errors_and_names_the_code_in_a_header(world: World) -> None:
    """The batch endpoint is another provider."""
    answer = batch(world, "metricnamespace=microsoft.communication/communicationservices", {"resourceids": [world.id]})
    assert answer.status == 400
    assert answer.json["error"]["code"] == answer.headers["x-ms-error-code"] == "BadRequest"
    assert "metricnames" in answer.json["error"]["message"]


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_takes_up_to_fifty_ids(world: World, count: int) -> None:
    """None and more than fifty are refused."""
    assert batch(world, "", {"resourceids": [world.id] * count}).status == 400


@pytest.mark.parametrize("body", [b"", b"[]", b'{"resourceids": [1]}', b'{"ids": []}', b"{"])
def test_a_batch_needs_its_body(world: World, body: bytes) -> None:
    """Anything but a list of ids is refused."""
    assert batch(world, "", body).status == 400


def test_a_batch_is_of_one_subscription(world: World) -> None:
    """The ids must be of the subscription in the path, and each once."""
    elsewhere = world.call("POST", "/subscriptions/other/metrics:getBatch", {"resourceids": [world.id]})
    assert elsewhere.status == 400
    assert batch(world, "", {"resourceids": [world.id, world.id.upper()]}).status == 400


@pytest.mark.parametrize("tail", ["metrics", "metricDefinitions"])
def test_the_scope_of_a_subscription_is_not_served(world: World, tail: str) -> None:
    """It answers 501 and says what to ask instead."""
    answer = world.get(f"/subscriptions/{world.resource.subscription_id}/providers/Microsoft.Insights/{tail}")
    assert answer.status == 501
    assert answer.json["error"]["code"] == "NotImplemented"
    assert "resource's own id" in answer.json["error"]["message"]


def test_an_unknown_route_names_what_comes_nearest(world: World) -> None:
    """A slip in the provider's path is answered with the operation that was meant."""
    answer = world.get(f"{world.id}/providers/Microsoft.Insights/metricDefinition?{VERSION}")
    assert answer.status == 404
    assert "metricdefinitions" in answer.json["error"]["message"]


def test_every_answer_carries_ids(world: World) -> None:
    """Request, correlation and routing ids, and the client's own."""
    answer = world.metrics(headers={"x-ms-client-request-id": "mine"})
    own = answer.headers["x-ms-request-id"]
    assert answer.headers["x-ms-correlation-request-id"] == own
    assert answer.headers["x-ms-routing-request-id"] == f"TRUNKLINE:20261121T120000Z:{own}"
    assert answer.headers["x-ms-client-request-id"] == "mine"


def test_an_api_version_is_needed(world: World) -> None:
    """The resource manager asks for one; any is taken."""
    answer = world.runner.run(world._call("GET", f"{world.id}/providers/microsoft.insights/metrics", None, {}, "x"))
    assert answer.status == 400
    assert "api-version" in answer.body.decode()


@pytest.mark.parametrize("metric", ["APIRequestChat", "DeliveryStatusUpdate"])
@pytest.mark.parametrize("split", ["", "&$filter=StatusCode eq '*'&validatedimensions=false"])
def test_an_endless_span_is_refused_also_where_nothing_was_measured(world: World, metric: str, split: str) -> None:
    """A thousand million minutes are laid out for no one, whether or not a series has anything in them."""
    answer = world.metrics(f"metricnames={metric}&timespan=0001-01-01T00:00:00Z/2026-11-21T12:00:00Z{split}")
    assert answer.status == 400
    assert "at most 500000" in answer.json["message"]
