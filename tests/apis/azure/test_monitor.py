"""Metric values: what a client asks of Azure Monitor, and what it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.apis.azure.world import NOW, VERSION, Answer, World
from trunkline.clock import rfc3339

NAMESPACE = "Microsoft.Communication/CommunicationServices"
HOUR = f"timespan={rfc3339(NOW - timedelta(hours=1), 0)}/{rfc3339(NOW, 0)}"


def series(answer: Answer, metric: int = 0) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Return the data of each series by the values it stands for."""
    assert answer.status == 200, answer.body
    found = answer.json["value"][metric]["timeseries"]
    return {tuple(item["value"] for item in one["metadatavalues"]): one["data"] for one in found}


def total(points: list[dict[str, Any]], key: str = "total") -> float:
    """Add the points of a series up."""
    return sum(float(point.get(key, 0)) for point in points)


def test_requests_are_counted_by_the_minute(world: World) -> None:
    """Each bucket of the span is listed, the empty ones with zeros."""
    world.happen("SendChatMessage", 201, ago_s=150, times=3)
    answer = world.metrics(f"metricnames=APIRequestChat&aggregation=Count,Total&{HOUR}")
    points = series(answer)[()]
    assert len(points) == 60
    assert points[57] == {"timeStamp": "2026-11-21T11:57:00Z", "count": 3.0, "total": 3.0}
    assert points[0] == {"timeStamp": "2026-11-21T11:00:00Z", "count": 0.0, "total": 0.0}
    assert total(points) == 3


def test_a_metric_says_what_it_is(world: World) -> None:
    """The frame around the values is the documented one."""
    answer = world.metrics(f"metricnames=apirequestchat&{HOUR}").json
    value = answer.pop("value")
    assert answer == {
        "cost": 60,
        "timespan": "2026-11-21T11:00:00Z/2026-11-21T12:00:00Z",
        "interval": "PT1M",
        "namespace": NAMESPACE,
        "resourceregion": "global",
    }
    assert {key: value[0][key] for key in value[0] if key != "timeseries"} == {
        "id": f"{world.id}/providers/Microsoft.Insights/metrics/APIRequestChat",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": "APIRequestChat", "localizedValue": "Chat API Requests"},
        "displayDescription": "Count of all requests against the Communication Services Chat endpoint.",
        "unit": "Count",
        "errorCode": "Success",
    }


def test_every_aggregation_follows_from_samples_of_one(world: World) -> None:
    """Count and Total are n; Average, Minimum and Maximum are 1 with samples and absent without."""
    world.happen("GetChatThread", times=4)
    points = series(world.metrics(f"metricnames=APIRequestChat&aggregation=sum,AVG,Min,max,count&{HOUR}"))[()]
    assert points[59] == {
        "timeStamp": "2026-11-21T11:59:00Z",
        "total": 4.0,
        "average": 1.0,
        "minimum": 1.0,
        "maximum": 1.0,
        "count": 4.0,
    }
    assert set(points[0]) == {"timeStamp", "total", "count"}


def test_without_an_aggregation_the_primary_one_is_given(world: World) -> None:
    """The job router's metric has Total as its primary one, the others Count."""
    answer = world.metrics("metricnames=ApiRequestRouter,APIRequestChat&interval=FULL")
    assert [set(answer.json["value"][place]["timeseries"][0]["data"][0]) for place in (0, 1)] == [
        {"timeStamp", "total"},
        {"timeStamp", "count"},
    ]


@pytest.mark.parametrize("grain", ["PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D", "FULL", "pt1h"])
def test_every_grain_adds_up_to_the_same(world: World, grain: str) -> None:
    """The sum over the buckets does not depend on their width."""
    for ago_s in (1, 61, 3600, 7200, 80_000):
        world.happen("SendChatMessage", 201, ago_s=ago_s)
    answer = world.metrics(f"metricnames=APIRequestChat&aggregation=Total&timespan=P1D&interval={grain}")
    assert total(series(answer)[()]) == 5


def test_full_is_one_point_and_comes_back_as_the_length_of_the_span(world: World) -> None:
    """FULL over four hours is told back as PT4H."""
    answer = world.metrics("metricnames=APIRequestChat&timespan=PT4H&interval=FULL")
    assert answer.json["interval"] == "PT4H"
    assert len(series(answer)[()]) == 1


def test_a_split_has_a_series_for_each_value_seen(world: World) -> None:
    """Names of dimensions come back in lower case, values as they are."""
    world.happen("SendChatMessage", 201, times=2)
    world.happen("GetChatMessage", 404)
    answer = world.metrics(f"metricnames=APIRequestChat&$filter=Operation eq '*'&aggregation=Total&{HOUR}")
    found = series(answer)
    assert {key: total(points) for key, points in found.items()} == {
        ("SendChatMessage",): 2,
        ("GetChatMessage",): 1,
    }
    assert answer.json["value"][0]["timeseries"][0]["metadatavalues"] == [
        {"name": {"value": "operation", "localizedValue": "operation"}, "value": "SendChatMessage"}
    ]


def test_a_split_over_several_dimensions_adds_up_to_the_whole(world: World) -> None:
    """The sum over all series equals the unsplit one."""
    for place, status in enumerate((200, 201, 400, 404, 500, 201)):
        world.happen(f"Operation{place % 3}", status, times=place + 1)
    query = "metricnames=APIRequestChat&aggregation=Total&interval=FULL&top=100"
    whole = total(series(world.metrics(query))[()])
    parts = series(world.metrics(query + "&$filter=Operation eq '*' and StatusCode eq '*' and StatusCodeClass eq '*'"))
    assert whole == sum(map(total, parts.values())) == 21
    assert ("Operation0", "200", "2xx") in parts


def test_no_data_for_a_filter_is_an_empty_list(world: World) -> None:
    """A value that nobody used has no series."""
    world.happen("SendChatMessage", 201)
    assert series(world.metrics("metricnames=APIRequestChat&$filter=StatusCode eq '418'")) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("StatusCode eq '201'", {"201"}),
        ("Status Code eq '201' or status code eq '404'", {"201", "404"}),
        ("StatusCode ne '201'", {"404", "401"}),
        ("StatusCode ne '201' and StatusCode ne '404'", {"401"}),
        ("StatusCode sw '40'", {"404", "401"}),
        ("StatusCode startswith '2' or StatusCode eq '401'", {"201", "401"}),
        ("statuscode EQ '*'", {"201", "404", "401"}),
        ("StatusCode eq '*' and StatusCodeClass eq '4XX'", {"404", "401"}),
    ],
)
def test_conditions_choose_the_series(world: World, text: str, expected: set[str]) -> None:
    """Equal, not equal, starts with, any: in any case, combined with and and or."""
    for status in (201, 404, 401):
        world.happen("SendChatMessage", status)
    found = series(world.metrics(f"metricnames=APIRequestChat&$filter={text}"))
    assert {key[0] for key in found} == expected


@pytest.mark.parametrize("name", ["StatusCodeClass", "StatusSubClass", "StatusCodeSubClass", "Status Code Class"])
def test_the_class_of_a_status_goes_under_every_name(world: World, name: str) -> None:
    """Each request metric understands the others' names and answers with its own."""
    world.happen("SendChatMessage", 201)
    world.happen("UpsertJob", 201, service="router")
    answer = world.metrics(f"metricnames=APIRequestChat,ApiRequestRouter&$filter={name} eq '*'")
    names = [value["timeseries"][0]["metadatavalues"][0]["name"]["value"] for value in answer.json["value"]]
    assert names == ["statuscodeclass", "statuscodesubclass"]


def test_rolled_up_values_are_one_series(world: World) -> None:
    """The dimensions of rollupby merge what the filter let through."""
    world.happen("SendChatMessage", 201, times=2)
    world.happen("GetChatMessage", 200, times=3)
    world.happen("GetChatThread", 200)
    text = "Operation eq 'SendChatMessage' or Operation eq 'GetChatMessage'"
    query = f"metricnames=APIRequestChat&aggregation=Total&$filter={text}"
    assert {key: total(points) for key, points in series(world.metrics(query + "&rollupby=operation")).items()} == {
        (): 5
    }
    both = series(world.metrics(query + " and StatusCode eq '*'&rollupby=Operation&interval=FULL"))
    assert {key: total(points) for key, points in both.items()} == {("201",): 2, ("200",): 3}


def test_the_busiest_series_come_first_and_top_cuts(world: World) -> None:
    """Ten series unless top says otherwise; orderby turns the order."""
    for place in range(12):
        world.happen(f"Operation{place:02d}", times=place + 1)
    query = "metricnames=APIRequestChat&interval=PT5M&$filter=Operation eq '*'"
    assert list(series(world.metrics(query))) == [(f"Operation{place:02d}",) for place in range(11, 1, -1)]
    least = series(world.metrics(query + "&top=2&orderby=sum asc&aggregation=total"))
    assert {key: total(points) for key, points in least.items()} == {("Operation00",): 1, ("Operation01",): 2}
    assert len(series(world.metrics(query + "&top=2147483647&orderby=COUNT DESC"))) == 12


def test_metadata_has_no_data(world: World) -> None:
    """resultType=Metadata tells the values seen, without points, cost and interval."""
    world.happen("SendChatMessage", 201)
    answer = world.metrics("metricnames=APIRequestChat&resultType=metadata&$filter=Operation eq '*'").json
    assert not {"cost", "interval"} & set(answer)
    [one] = answer["value"][0]["timeseries"]
    assert one["metadatavalues"][0]["value"] == "SendChatMessage"
    assert "data" not in one


@pytest.mark.parametrize(
    "text",
    [
        "timespan=PT3600.0S",
        "timespan=2026-11-21T11:00:00/2026-11-21T12:00:00",
        "timespan=2026-11-21T11:00:00%2B00:00/PT1H",
        "timespan=2026-11-21T11:00:00+00:00/2026-11-21T12:00:00+00:00",
        "timespan=PT1H/2026-11-21T12:00:00.000000Z",
        "timespan=2026-11-21T11%253A00%253A00.000000%252F2026-11-21T12%253A00%253A00.000000",
        "",
    ],
)
def test_a_timespan_can_be_written_in_many_ways(world: World, text: str) -> None:
    """Bare, with a duration, without a zone, with an offset, encoded twice, or not at all."""
    world.happen("SendChatMessage", ago_s=1)
    world.happen("SendChatMessage", ago_s=3601)
    answer = world.metrics(f"metricnames=APIRequestChat&aggregation=Total&{text}")
    assert answer.json["timespan"] == "2026-11-21T11:00:00Z/2026-11-21T12:00:00Z"
    assert total(series(answer)[()]) == 1


def test_buckets_are_counted_from_the_minute_of_the_start(world: World) -> None:
    """A span that starts at 22:35 has buckets at 22:35, 04:35 and 10:35, not at the clock's hours."""
    answer = world.metrics("metricnames=APIRequestChat&interval=PT6H&timespan=2026-11-20T22:35:40Z/PT13H")
    assert [point["timeStamp"][11:16] for point in series(answer)[()]] == ["22:35", "04:35", "10:35"]


def test_of_the_future_nothing_is_told(world: World) -> None:
    """A bucket that has not begun has no value, not even zero."""
    answer = world.metrics("metricnames=APIRequestChat&timespan=2026-11-21T11:59:00Z/PT3M")
    assert [set(point) - {"timeStamp"} for point in series(answer)[()]] == [{"count"}, {"count"}, set()]


def test_without_names_the_first_metric_is_answered(world: World) -> None:
    """It is the authentication metric."""
    assert [value["name"]["value"] for value in world.metrics().json["value"]] == ["APIRequestAuthentication"]


def test_requests_of_another_resource_are_not_counted(world: World) -> None:
    """Each resource has its own metrics."""
    world.runner.run(world.resources.create("fabrikam"))
    world.happen("SendChatMessage", resource="fabrikam")
    assert total(series(world.metrics("metricnames=APIRequestChat&aggregation=Total"))[()]) == 0


def test_an_unknown_chat_route_is_counted_as_bad_route(world: World) -> None:
    """The operation's name is the documented one, with a blank."""
    world.happen("Bad Route", 404)
    assert set(series(world.metrics("metricnames=APIRequestChat&$filter=Operation eq '*'"))) == {("Bad Route",)}


def test_a_metric_that_counts_no_requests_answers_no_series(world: World) -> None:
    """What becomes of e-mails is listed, and empty."""
    answer = world.metrics("metricnames=DeliveryStatusUpdate&$filter=MessageStatus eq '*'")
    assert answer.status == 200
    assert answer.json["value"][0]["timeseries"] == []


def test_a_service_that_is_not_built_answers_its_traffic(world: World) -> None:
    """A request that was refused with 501 counts under the metric of its service."""
    world.happen("SMSMessageSent", 501, service="sms", served=False)
    assert total(series(world.metrics("metricnames=APIRequestSMS&aggregation=Total"))[()]) == 1
    assert total(series(world.metrics("metricnames=ApiRequestRooms&aggregation=Total"))[()]) == 0


def test_names_of_the_query_may_be_encoded(world: World) -> None:
    """One client sends %24filter and api%2Dversion."""
    world.happen("SendChatMessage")
    world.happen("GetChatThread")
    target = (
        f"{world.id}/providers/microsoft.insights/METRICS?metricnames=APIRequestChat"
        "&%2524filter=Operation%20eq%20'GetChatThread'&api%2Dversion=2024-02-01"
    )
    assert set(series(world.get(target))) == {("GetChatThread",)}


def test_several_resources_are_answered_at_once(world: World) -> None:
    """A batch gives each resource its own frame and values."""
    world.runner.run(world.resources.create("fabrikam"))
    other = world.id.replace("contoso", "Fabrikam")
    world.happen("SendChatMessage", 201, times=2)
    world.happen("GetChatThread", 200, resource="fabrikam", times=5)
    subscription = world.resource.subscription_id
    query = (
        f"metricnamespace={NAMESPACE.lower()}&metricnames=APIRequestChat,APIRequestSMS&aggregation=count"
        "&starttime=2026-11-21T11:00:00.000Z&endtime=2026-11-21T12:00:00Z&filter=Operation eq '*'&interval=PT1H"
    )
    answer = world.call(
        "POST", f"/subscriptions/{subscription}/metrics:getBatch?{query}&{VERSION}", {"resourceids": [world.id, other]}
    )
    assert answer.status == 200, answer.body
    first, second = answer.json["values"]
    assert {key: second[key] for key in second if key != "value"} == {
        "starttime": "2026-11-21T11:00:00Z",
        "endtime": "2026-11-21T12:00:00Z",
        "interval": "PT1H",
        "namespace": NAMESPACE,
        "resourceregion": "global",
        "resourceid": other,
    }
    assert first["value"][0]["timeseries"][0]["data"] == [{"timeStamp": "2026-11-21T11:00:00Z", "count": 2.0}]
    assert second["value"][0]["timeseries"][0]["data"] == [{"timeStamp": "2026-11-21T11:00:00Z", "count": 5.0}]
    assert second["value"][1]["timeseries"] == []


def test_the_metrics_are_described(world: World) -> None:
    """Definitions list every metric with its dimensions and grains, under the metric's own names."""
    answer = world.get(f"{world.id}/providers/Microsoft.Insights/metricDefinitions?metricnamespace={NAMESPACE.upper()}")
    found = {row["name"]["value"]: row for row in answer.json["value"]}
    assert {"APIRequestChat", "ApiRequestRooms", "DeliveryStatusUpdate", "AcsCallAutomationCallbackEvent"} <= set(found)
    router = found["ApiRequestRouter"]
    assert router["id"] == f"{world.id}/providers/microsoft.insights/metricdefinitions/ApiRequestRouter"
    assert router["primaryAggregationType"] == "Total"
    assert [row["value"] for row in router["dimensions"]] == [
        "OperationName",
        "StatusCode",
        "StatusCodeSubClass",
        "ApiVersion",
    ]
    assert router["metricAvailabilities"][0] == {"timeGrain": "PT1M", "retention": "P93D"}
    assert len(router["metricAvailabilities"]) == 8


def test_the_namespace_is_listed(world: World) -> None:
    """There is one, of the platform."""
    answer = world.get(f"{world.id}/providers/microsoft.insights/metricNamespaces?startTime=2026-11-21T00:00:00Z")
    [item] = answer.json["value"]
    assert item["name"] == "Microsoft.Communication-CommunicationServices"
    assert item["properties"] == {"metricNamespaceName": NAMESPACE}


def test_an_answer_holds_everything_that_was_measured_before(world: World) -> None:
    """Requests recorded just now are in the next answer, however often it is asked."""
    for count in range(1, 6):
        world.happen("SendChatMessage", ago_s=0.001)
        answer = world.metrics("metricnames=APIRequestChat&aggregation=Count&interval=FULL")
        assert total(series(answer)[()], "count") == count


def test_the_answer_is_json_that_anyone_reads(world: World) -> None:
    """Numbers are floats and the media type is JSON's."""
    world.happen("SendChatMessage")
    answer = world.metrics("metricnames=APIRequestChat&aggregation=Count&interval=FULL")
    assert answer.headers["content-type"].startswith("application/json")
    assert b'"count":1.0' in answer.body
    assert msgspec.json.decode(answer.body)["value"]
