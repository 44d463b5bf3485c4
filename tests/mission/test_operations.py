"""Every operation of the documentation's metric tables: called, and looked for in its metric.

Those that are served are called by Microsoft's own clients and asked for by Azure Monitor's; the others say that they
are not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import jwt
import pytest

from tests.mission.journey import OFFICE, answer, converse, subscribe, text
from tests.support.customer import Customer, visiting
from tests.support.issuer import KEY
from tests.support.webhook import webhook
from tests.support.world import World
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Operation, Service
from trunkline.library.served import serve

APP, OBJECT = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
LISTED = [(service, row) for service in load().services.values() for row in service.operations.values() if row.mission]
SERVED = [(service, row) for service, row in LISTED if service.built and row.name not in service.unserved]
ROUTED = [(service, row) for service, row in LISTED if row.route and (service, row) not in SERVED]
Counts = dict[str, dict[tuple[str, str, str], int]]


def identify(customer: Customer) -> None:
    """Call every operation of identities once or more."""
    user = customer.identity.create_user()
    customer.identity.get_token(user, ["chat"])
    customer.identity.revoke_tokens(user)
    customer.identity.delete_user(user)
    of_teams = jwt.encode({"oid": OBJECT, "appid": APP, "exp": int(time.time()) + 600}, KEY, algorithm="RS256")
    assert customer.identity.get_token_for_teams_user(of_teams, APP, OBJECT).token


def read_back(customer: Customer) -> None:
    """Call every operation of chat that changes nothing which is told of."""
    ann = customer.person()
    with closing(ann.thread(ann.chat.create_chat_thread("Order 1024").chat_thread.id)) as thread:
        message = thread.send_message("Hello").id
        assert thread.get_message(message).id == message
        assert next(one.id for one in thread.list_messages()) == message
        thread.send_read_receipt(message)
        thread.send_typing_notification()
        assert len(list(thread.list_read_receipts())) == 1
        assert len(list(thread.list_participants())) == 1
        assert thread.get_properties().topic == "Order 1024"
    assert len(list(ann.chat.list_chat_threads())) == 1


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counts]:
    """Every metric of a served operation, after a journey in which all of them were called."""
    folder = tmp_path_factory.mktemp("operations")
    with serve(folder, numbers=(OFFICE,)) as server, visiting(server) as customer, webhook() as hook:
        subscribe(customer, hook, "texts", "SMSReceived", "SMSDeliveryReportReceived")
        identify(customer)
        converse(customer)
        read_back(customer)
        text(customer, OFFICE, text="One")
        text(customer, OFFICE, text="Two")
        answer(customer, OFFICE)
        hook.wait(3)
        metrics = {service.metric.name for service, _ in SERVED if service.metric}
        yield {metric: customer.counted(metric) for metric in sorted(metrics)}


@pytest.mark.parametrize(("service", "row"), SERVED, ids=lambda part: part.name)
def test_an_operation_that_is_served_is_done_and_shows_in_its_metric(
    counts: Counts, service: Service, row: Operation
) -> None:
    """Under the document's own name, with a status and a class of success, and no failure beside it."""
    assert service.metric
    mine = {key: many for key, many in counts[service.metric.name].items() if key[0] == row.name}
    assert sum(mine.values()) >= 1
    assert {status_class for _, _, status_class in mine} == {"2xx"}
    assert all(status.startswith("2") for _, status, _ in mine)


def test_two_sends_with_reports_and_one_message_in_show_two_two_and_one(counts: Counts) -> None:
    """What has no request of its own is counted on what happened."""
    seen: dict[str, int] = {}
    for (operation, _, _), many in counts["APIRequestSMS"].items():
        seen[operation] = seen.get(operation, 0) + many
    assert seen == {"SMSMessageSent": 2, "SMSDeliveryReportsReceived": 2, "SMSMessagesReceived": 1}


@pytest.mark.parametrize(("service", "row"), ROUTED, ids=lambda part: part.name)
def test_an_operation_that_is_not_served_says_so_and_is_measured(
    shared_world: World, service: Service, row: Operation
) -> None:
    """501 in the SDKs' error body with the operation's name; Azure Monitor shows it, health does not count it."""
    route = row.path.replace("{", "").replace("}", "")
    refused = shared_world.call(row.method, route, key=True, **({"json": {}} if row.method != "GET" else {}))
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert row.name in refused.json["error"]["message"]
    asked = {
        "measures": ["requests.count", "requests.unserved", "requests.failed"],
        "where": [{"column": "operation", "values": [row.name]}, {"column": "service", "values": [service.name]}],
    }
    house = shared_world.house
    key = house.resources.get(house.resources.default).api_key
    found = shared_world.call("POST", "/api/v1/ask", json=asked, headers={"x-api-key": key})
    assert found.status == 200, found.body
    assert found.json["points"][0]["values"] == [1, 1, 0]
