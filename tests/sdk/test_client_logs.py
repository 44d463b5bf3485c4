"""A client's logs: AzureLogger redirected by our module, in Node.js, with Microsoft's own packages."""

from __future__ import annotations

import json

from tests.support import javascript
from tests.support.customer import Customer, visiting
from trunkline.library.served import Server


def test_the_module_waits_sends_and_lets_go_as_its_own_tests_say() -> None:
    """They turn its clock and answer in a server's place."""
    told = javascript.run("--test", "client_logs.test.mjs")
    assert "# fail 0" in told or "fail 0" in told
    assert "pass 11" in told


def test_what_an_sdk_logs_comes_in_batches_and_stands_in_the_story(served: Server) -> None:
    """From the vector of a request to the client's lines of it, and from a call to what its client said."""
    javascript.install()
    with visiting(served, "client-logs") as customer:
        before = _posts(customer)
        told = javascript.run(
            "customer.mjs",
            env={
                "CONNECTION_STRING": customer.connection_string,
                "CALL_ID": "0d9f3a52-7c1e-4b7d-9a10-5f1c2d3e4f50",
                "KEY": customer.resource.api_key,
                "URL": f"{served.url}/api/v1/logs",
                "SESSION": "of-the-test",
                "NODE_EXTRA_CA_CERTS": str(served.connection.ca_file),
            },
        )
        known = json.loads(told)
        assert known["counts"]["dropped"] == known["counts"]["refused"] == 0
        assert known["counts"]["sent"] > 201
        assert 1 <= _posts(customer) - before <= known["counts"]["sent"] / 20
        (vector,) = known["vectors"]
        story = customer.own("GET", f"search?q={vector.replace('+', '%2B')}").json["story"]
        assert {"requests", "log_lines"} <= {entry.get("fact") for entry in story}
        texts = [entry["text"] for entry in story if entry.get("fact") == "log_lines"]
        assert texts[0].startswith('A client logged (azure:communication-identity): Request: { "url": "https://')
        assert texts[1].startswith('A client logged (azure:communication-identity): Headers: { "date": ')
        story = customer.own("GET", "search?q=0d9f3a52-7c1e-4b7d-9a10-5f1c2d3e4f50").json
        assert story["found"] == [
            {"kind": "line of a log", "text": "the call id in a line of a log", "account": "client-logs"}
        ]
        assert story["story"][-1]["level"] == "error"
        assert story["story"][-1]["row"]["client_id"] == "laptop"
        listed = customer.own("GET", "search?q=of-the-test").json
        assert customer.resource.key1 not in json.dumps(listed)


def _posts(customer: Customer) -> float:
    """Count the posts of logs."""
    return sum(
        values[0] for names, values in customer.ask("requests.count", by=("operation",)).items() if "PostLogs" in names
    )
