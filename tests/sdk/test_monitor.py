"""Metrics of real SDK traffic, asked for with Microsoft's own client, over TLS."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.monitor.querymetrics import MetricAggregationType, MetricsClient
from azure.monitor.querymetrics.aio import MetricsClient as AsyncMetricsClient

from tests.support.customer import UNSIGNED, Customer, visiting
from trunkline.library.served import Server

NAMESPACE = "Microsoft.Communication/CommunicationServices"
CHAT, AUTHENTICATION = "APIRequestChat", "APIRequestAuthentication"
TRAFFIC = {
    ("CreateChatThread", "201"): 2,
    ("SendChatMessage", "201"): 4,
    ("SendChatMessage", "413"): 1,
    ("GetChatThread", "200"): 3,
    ("GetChatThread", "404"): 2,
    ("ListChatMessages", "200"): 1,
    ("Bad Route", "404"): 1,
}
WHOLE = sum(TRAFFIC.values())
ALL = [
    MetricAggregationType.COUNT,
    MetricAggregationType.TOTAL,
    MetricAggregationType.AVERAGE,
    MetricAggregationType.MINIMUM,
    MetricAggregationType.MAXIMUM,
]


@pytest.fixture(scope="module")
def customer(served: Server) -> Iterator[Customer]:
    """Someone whose clients have made the traffic, and nothing else in this resource's chat."""
    with visiting(served, "metric-customer") as one:
        make_traffic(one)
        yield one


@pytest.fixture(scope="module")
def metrics(customer: Customer) -> MetricsClient:
    """Azure Monitor's client."""
    return customer.metrics()


def make_traffic(customer: Customer) -> None:
    """Do what TRAFFIC says, and make sure that it came out so."""
    ann = customer.person()
    seen: Counter[int] = Counter()
    noting = {"raw_response_hook": lambda response: seen.update([response.http_response.status_code])}
    ids = [ann.chat.create_chat_thread(f"topic {n}", **noting).chat_thread.id for n in range(2)]
    thread, nowhere = ann.thread(ids[0]), ann.thread("19:nowhere@thread.v2")
    for n in range(4):
        thread.send_message(f"message {n}", **noting)
    with pytest.raises(HttpResponseError):
        thread.send_message("x" * 30_000, **noting)
    for _ in range(3):
        thread.get_properties(**noting)
    for _ in range(2):
        with pytest.raises(ResourceNotFoundError):
            nowhere.get_properties(**noting)
    list(thread.list_messages(**noting))
    lost = customer.send("GET", "/chat/threads/x/nothing?api-version=2024-03-07")
    seen.update([lost.status])
    expected: Counter[int] = Counter()
    for (_, status), many in TRAFFIC.items():
        expected[int(status)] += many
    assert seen == expected


def ask(metrics: MetricsClient, customer: Customer, name: str = CHAT, **given: Any) -> dict[tuple[str, ...], list[Any]]:
    """Ask for one metric of the last hour; return the points of each series by the values it stands for."""
    wanted: dict[str, Any] = {"timespan": timedelta(hours=1), "aggregations": [MetricAggregationType.TOTAL], **given}
    (result,) = metrics.query_resources(
        resource_ids=[customer.id], metric_namespace=NAMESPACE, metric_names=[name], **wanted
    )
    return {tuple(one.metadata_values.values()): one.data for one in result.metrics[name].timeseries}


def totals(series: dict[tuple[str, ...], list[Any]]) -> dict[tuple[str, ...], float]:
    """Add the points of each series up."""
    return {split: sum(point.total or 0 for point in points) for split, points in series.items()}


def folded(key: Callable[[str, str], tuple[str, ...] | None]) -> dict[tuple[str, ...], float]:
    """Fold the traffic by a key; None leaves a row out."""
    found: Counter[tuple[str, ...]] = Counter()
    for (operation, status), many in TRAFFIC.items():
        if (split := key(operation, status)) is not None:
            found[split] += many
    return dict(found)


def class_of(status: str) -> str:
    """Return the class of a status as the metric tells it."""
    return f"{status[0]}xx"


def test_every_request_of_the_clients_was_counted(metrics: MetricsClient, customer: Customer) -> None:
    """Unsplit there is one series of all."""
    assert totals(ask(metrics, customer)) == {(): WHOLE}
    assert totals(ask(metrics, customer, AUTHENTICATION, filter="Operation eq '*'")) == {("CreateIdentity",): 1}


@pytest.mark.parametrize(
    ("text", "names", "key"),
    [
        ("Operation eq '*'", ["operation"], lambda operation, _: (operation,)),
        ("OperationName eq '*'", ["operation"], lambda operation, _: (operation,)),
        ("StatusCode eq '*'", ["statuscode"], lambda _, status: (status,)),
        ("Status Code eq '*'", ["statuscode"], lambda _, status: (status,)),
        ("StatusCodeClass eq '*'", ["statuscodeclass"], lambda _, status: (class_of(status),)),
        ("StatusSubClass eq '*'", ["statuscodeclass"], lambda _, status: (class_of(status),)),
        ("StatusCodeSubClass eq '*'", ["statuscodeclass"], lambda _, status: (class_of(status),)),
        (
            "Operation eq '*' and StatusCode eq '*' and StatusCodeClass eq '*'",
            ["operation", "statuscode", "statuscodeclass"],
            lambda operation, status: (operation, status, class_of(status)),
        ),
    ],
)
def test_requests_are_split_by_each_dimension_under_each_of_its_names(
    metrics: MetricsClient, customer: Customer, text: str, names: list[str], key: Any
) -> None:
    """The answer uses the metric's own names, in lower case as Azure Monitor does."""
    (result,) = metrics.query_resources(
        resource_ids=[customer.id],
        metric_namespace=NAMESPACE,
        metric_names=[CHAT],
        timespan=timedelta(hours=1),
        aggregations=[MetricAggregationType.TOTAL],
        filter=text,
        max_results=100,
    )
    for one in result.metrics[CHAT].timeseries:
        assert list(one.metadata_values) == names
    assert totals(ask(metrics, customer, filter=text, max_results=100)) == folded(key)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("StatusCode eq '404'", lambda _, status: (status,) if status == "404" else None),
        (
            "Operation eq 'SendChatMessage' or Operation eq 'GetChatThread'",
            lambda operation, _: (operation,) if operation in {"SendChatMessage", "GetChatThread"} else None,
        ),
        (
            "Operation eq 'SendChatMessage' and StatusSubClass eq '4XX'",
            lambda operation, status: (
                ("SendChatMessage", "4xx") if (operation, status[0]) == ("SendChatMessage", "4") else None
            ),
        ),
        (
            "Operation eq '*' and StatusCode eq '413' or StatusCode eq '404'",
            lambda operation, status: (operation, status) if status in {"413", "404"} else None,
        ),
        ("Operation eq 'Bad Route'", lambda operation, _: (operation,) if operation == "Bad Route" else None),
        ("StatusCode eq '418'", lambda _operation, _status: None),
    ],
)
def test_conditions_choose_what_is_counted(metrics: MetricsClient, customer: Customer, text: str, key: Any) -> None:
    """`and` between dimensions, `or` between the values of one, `'*'` for every value."""
    assert totals(ask(metrics, customer, filter=text, max_results=100)) == folded(key)


def test_every_aggregation_is_answered(metrics: MetricsClient, customer: Customer) -> None:
    """A request is one sample of value 1: Count and Total are their number, the other three are 1."""
    (points,) = ask(metrics, customer, aggregations=ALL, granularity=timedelta(days=1)).values()
    (point,) = points
    assert (point.count, point.total) == (WHOLE, WHOLE)
    assert (point.average, point.minimum, point.maximum) == (1, 1, 1)


def test_the_portal_s_words_for_aggregations_are_understood(metrics: MetricsClient, customer: Customer) -> None:
    """Sum, Avg, Min and Max beside Total, Average, Minimum and Maximum, in a plain GET."""
    answer = customer.read(
        metrics, "metrics", metricnames=CHAT, aggregation="Sum,Avg,Min,Max", interval="FULL", timespan="PT1H"
    )
    (point,) = answer["value"][0]["timeseries"][0]["data"]
    assert {name: value for name, value in point.items() if name != "timeStamp"} == {
        "total": WHOLE,
        "average": 1,
        "minimum": 1,
        "maximum": 1,
    }


@pytest.mark.parametrize(
    ("grain", "iso"),
    [
        (timedelta(minutes=1), "PT1M"),
        (timedelta(minutes=5), "PT5M"),
        (timedelta(minutes=15), "PT15M"),
        (timedelta(minutes=30), "PT30M"),
        (timedelta(hours=1), "PT1H"),
        (timedelta(hours=6), "PT6H"),
        (timedelta(hours=12), "PT12H"),
        (timedelta(days=1), "P1D"),
    ],
)
def test_every_grain_covers_the_span_and_adds_up(
    metrics: MetricsClient, customer: Customer, grain: timedelta, iso: str
) -> None:
    """As many points as there are grains, evenly apart from the span's first minute; the sum is always the whole."""
    end = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    (points,) = ask(metrics, customer, timespan=(end - timedelta(days=1), end), granularity=grain).values()
    assert [point.timestamp for point in points] == [
        end - timedelta(days=1) + grain * place for place in range(timedelta(days=1) // grain)
    ]
    assert sum(point.total or 0 for point in points) == WHOLE
    told = customer.read(metrics, "metrics", metricnames=CHAT, interval=iso, timespan="P1D")
    assert told["interval"] == iso


def test_full_is_one_point_for_the_whole_span(metrics: MetricsClient, customer: Customer) -> None:
    """It comes back as the length of the span."""
    answer = customer.read(
        metrics, "metrics", metricnames=CHAT, interval="FULL", timespan="PT4H", **{"$filter": "StatusCodeClass eq '*'"}
    )
    assert answer["interval"] == "PT4H"
    found = {
        one["metadatavalues"][0]["value"]: [point["count"] for point in one["data"]]
        for one in answer["value"][0]["timeseries"]
    }
    classes = folded(lambda _, status: (class_of(status),))
    assert found == {name: [many] for (name,), many in classes.items()}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "APIRequestNothing"}, "metric: APIRequestNothing, Valid metrics: .*APIRequestChat"),
        ({"filter": "Colour eq '*'"}, "does not support requested dimension combination: colour"),
        ({"filter": "Operation = 'x'"}, "only supports conditions of the form"),
        ({"filter": "Operation eq 'x' or StatusCode eq '200'"}, "cannot separate two different metadata names"),
        ({"granularity": timedelta(minutes=7)}, "Invalid time grain duration: PT7M, supported ones are: 00:01:00"),
    ],
)
def test_what_there_is_not_is_refused_in_azure_monitor_s_words(
    metrics: MetricsClient, customer: Customer, given: dict[str, Any], words: str
) -> None:
    """Tools read these texts; by the client and in a plain GET."""
    with pytest.raises(HttpResponseError, match=words) as refused:
        ask(metrics, customer, **given)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadRequest")
    query = {"metricnames": given.get("name", CHAT)}
    query |= {"$filter": given["filter"]} if "filter" in given else {}
    query |= {"interval": "PT7M"} if "granularity" in given else {}
    with pytest.raises(HttpResponseError, match=words) as refused:
        customer.read(metrics, "metrics", **query)
    assert refused.value.status_code == 400


def test_definitions_and_namespaces_are_listed(metrics: MetricsClient, customer: Customer) -> None:
    """What a picker shows before it asks."""
    defined = {
        one["name"]["value"]: [dimension["value"] for dimension in one["dimensions"]]
        for one in customer.read(metrics, "metricDefinitions")["value"]
    }
    assert defined[CHAT] == defined[AUTHENTICATION] == ["Operation", "StatusCode", "StatusCodeClass"]
    (namespace,) = customer.read(metrics, "metricNamespaces")["value"]
    assert namespace["properties"]["metricNamespaceName"] == NAMESPACE


def test_resources_are_asked_together_and_kept_apart(
    served: Server, metrics: MetricsClient, customer: Customer
) -> None:
    """One batch, an answer for each; the quiet one's is zero."""
    with visiting(served, "quiet-customer") as quiet:
        results = metrics.query_resources(
            resource_ids=[customer.id, quiet.id],
            metric_namespace=NAMESPACE,
            metric_names=[CHAT, AUTHENTICATION],
            aggregations=[MetricAggregationType.COUNT],
        )
        counted = [
            {one.name: sum(point.count for point in one.timeseries[0].data) for one in result.metrics}
            for result in results
        ]
    assert counted == [{CHAT: WHOLE, AUTHENTICATION: 1}, {CHAT: 0, AUTHENTICATION: 0}]


def test_who_may_ask(customer: Customer) -> None:
    """An unsigned bearer in development, a reader's; not an expired one, nor one for another resource."""
    keyring = customer.served.house.keyring
    for token in (UNSIGNED, keyring.mint("reader")[0], keyring.mint("reader", resource=customer.resource.name)[0]):
        assert totals(ask(customer.metrics(token), customer)) == {(): WHOLE}
    ended = keyring.sign({"iss": "trunkline", "roles": ["owner"], "exp": 1})
    with pytest.raises(ClientAuthenticationError):
        ask(customer.metrics(ended), customer)
    with pytest.raises(HttpResponseError) as refused:
        ask(customer.metrics(keyring.mint("owner", resource="trunkline")[0]), customer)
    assert refused.value.status_code == 403


def test_an_answer_contains_every_request_acknowledged_before(served: Server) -> None:
    """Asked at once after each of forty requests of four users at a time, no answer lacks one."""
    each, lock, acknowledged = 10, threading.Lock(), [0]
    with visiting(served, "eager-customer") as eager:
        people = [eager.person() for _ in range(4)]
        threads = [one.thread(one.chat.create_chat_thread("topic").chat_thread.id) for one in people]
        clients = [eager.metrics() for _ in people]

        def chatter(place: int) -> list[tuple[int, float]]:
            found = []
            for _ in range(each):
                threads[place].send_message("hello")
                with lock:
                    acknowledged[0] += 1
                    before = acknowledged[0]
                answer = totals(ask(clients[place], eager, filter="Operation eq 'SendChatMessage'"))
                found.append((before, answer[("SendChatMessage",)]))
            return found

        with ThreadPoolExecutor(len(people)) as pool:
            asked = [pair for found in pool.map(chatter, range(len(people))) for pair in found]
        assert len(asked) == each * len(people)
        assert [pair for pair in asked if not pair[0] <= pair[1] <= each * len(people)] == []
        assert totals(ask(clients[0], eager, filter="Operation eq 'SendChatMessage'")) == {
            ("SendChatMessage",): each * len(people)
        }


def test_the_asynchronous_client_asks_too(customer: Customer) -> None:
    """The same question, awaited."""

    class AsyncBearer:
        """The unsigned token, awaited."""

        async def get_token(self, *_scopes: str, **_given: Any) -> AccessToken:
            """Return the token."""
            return AccessToken(UNSIGNED, 2**31)

    async def journey() -> float:
        async with AsyncMetricsClient(customer.served.url, AsyncBearer(), **customer.options) as client:
            (result,) = await client.query_resources(
                resource_ids=[customer.id],
                metric_namespace=NAMESPACE,
                metric_names=[CHAT],
                aggregations=[MetricAggregationType.TOTAL],
            )
            return sum(point.total for point in result.metrics[CHAT].timeseries[0].data)

    assert asyncio.run(journey()) == WHOLE
