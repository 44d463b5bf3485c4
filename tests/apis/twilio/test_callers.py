"""Who is let in, and whose calls they see: a parent those of its subaccounts, never the reverse, never a sibling's."""

from __future__ import annotations

import pytest

from tests.support.insights import HOST, Insights, basic, error_of
from trunkline.catalogue.twilio.sids import derived

AT = "2026-11-21T11:59:00Z"


def call(insights: Insights, leg: str) -> str:
    """Post a call; returns its SID."""
    insights.post("calls", {"leg_id": leg, "capability": "phone", "happened_at": AT, "ended_at": AT})
    return derived(leg)


def test_an_account_is_let_in_by_its_sid_and_token(insights: Insights) -> None:
    """What was the token before is none when it was replaced."""
    sid = call(insights, "leg")
    assert insights.get(sid)["sid"] == sid
    insights.world.run(insights.world.house.resources.regenerate(insights.account.name, "auth_token"))
    assert error_of(insights.ask(sid)) == (401, 20003)


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic x", "Basic ====", basic("", ""), basic("AC" + "0" * 32, "0" * 32), "Bearer x", "Digest x"],
)
def test_who_shows_nothing_that_opens_is_asked_to_authenticate(insights: Insights, header: str) -> None:
    """401 with the code that the SDKs know, and a challenge; whatever the path names."""
    answer = insights.call("GET", f"/v1/Voice/{call(insights, 'leg')}", headers={"authorization": header})
    assert error_of(answer) == (401, 20003)
    assert answer.json["message"] == "Authenticate"
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_an_api_key_is_let_in_by_its_sid_and_secret(insights: Insights) -> None:
    """For its own account and those below; a secret of another key opens nothing."""
    sid = call(insights, "leg")
    keys = insights.world.house.api_keys
    made = [insights.world.run(keys.make("ci", "read", resource=insights.account.name)) for _ in range(2)]
    (key, text), (other, _) = made
    secret = text.split("_", 2)[2]
    for name, status in ((key.sid, 200), (other.sid, 401), (key.sid[:-1] + "x", 401), ("SK", 401)):
        answer = insights.call("GET", f"/v1/Voice/{sid}", headers={"authorization": basic(name, secret)})
        assert answer.status == status
    writer, text = insights.world.run(keys.make("posts", "write"))
    header = basic(writer.sid, text.split("_", 2)[2])
    assert error_of(insights.call("GET", f"/v1/Voice/{sid}", headers={"authorization": header})) == (403, 17000)


def test_every_pair_of_accounts_sees_what_it_should(insights: Insights) -> None:
    """A parent sees all below it; nobody sees what is above, beside, or another family's."""
    accounts = {
        "top": insights.of("top"),
        "left": insights.of("left", "top"),
        "right": insights.of("right", "top"),
        "below": insights.of("below", "left"),
        "other": insights.of("other"),
    }
    sids = {name: call(account, f"leg-of-{name}") for name, account in accounts.items()}
    below = {
        "top": {"top", "left", "right", "below"},
        "left": {"left", "below"},
        "right": {"right"},
        "below": {"below"},
        "other": {"other"},
    }
    for viewer, account in accounts.items():
        for owner, sid in sids.items():
            for path in (sid, f"{sid}/Metrics", f"leg-of-{owner}"):
                answer = account.ask(path)
                if owner in below[viewer]:
                    assert answer.status == 200, (viewer, owner)
                else:
                    expected = (403, 17000) if path.startswith("CA") else (400, 20001)
                    assert error_of(answer) == expected, (viewer, owner)


def test_a_subaccount_s_call_is_shown_under_its_own_sid(insights: Insights) -> None:
    """The account of an answer is whose call it is, not who asked."""
    parent, child = insights.of("top"), insights.of("child", "top")
    sid = call(child, "leg")
    child.post("samples", {"call_id": "leg", "edge": "carrier", "direction": "inbound", "happened_at": AT})
    (found,) = parent.get(f"{sid}/Metrics")["metrics"]
    assert found["account_sid"] == child.sid


def test_two_accounts_may_use_the_same_ids(insights: Insights) -> None:
    """Each sees its own call under them."""
    mine, theirs = insights.of("mine"), insights.of("theirs")
    for number, account in enumerate((mine, theirs)):
        call(account, "leg")
        account.post(
            "samples",
            {"call_id": "leg", "edge": "carrier", "direction": "inbound", "happened_at": AT, "packets_lost": number},
        )
    for number, account in enumerate((mine, theirs)):
        (found,) = account.get(f"{derived('leg')}/Metrics")["metrics"]
        assert found["carrier_edge"]["interval"]["packets_lost"] == number
        assert found["account_sid"] == account.sid


@pytest.mark.parametrize(
    "path",
    [
        "/v1/Conferences",
        "/v1/Conferences/CF1/Participants/CP1",
        "/v1/Video/Rooms",
        "/v2/Voice/Reports/voiceinsights_report_1",
        "/v3/InsightsDomains/Conversations/Metadata",
    ],
)
def test_what_is_not_served_says_so_in_the_original_s_body(insights: Insights, path: str) -> None:
    """501, once it is known who asks; and measured, with the mark that nobody serves it."""
    answer = insights.call("GET", path)
    assert error_of(answer)[0] == 501
    assert "does not serve" in answer.json["message"]
    assert error_of(insights.call("GET", path, headers={"authorization": ""})) == (401, 20003)


def test_an_unknown_route_names_the_nearest(insights: Insights) -> None:
    """And one that takes another method says which."""
    answer = insights.call("GET", "/v1/Voice/CA1/Metric")
    assert error_of(answer) == (404, 20404)
    assert "ListMetric" in answer.json["message"]
    refused = insights.call("DELETE", "/v1/Voice/Settings")
    assert error_of(refused) == (405, 20004)
    assert refused.headers["allow"] == "GET, POST"


def test_addresses_are_on_the_caller_s_own_host(insights: Insights) -> None:
    """Also behind a proxy that is trusted; one that is not is not believed."""
    sid = call(insights, "leg")
    forwarded = {"x-forwarded-host": "insights.example", "x-forwarded-proto": "https"}
    plain = insights.call("GET", f"/v1/Voice/{sid}/Metrics", host="localhost:8080", scheme="http", headers=forwarded)
    assert plain.json["meta"]["url"] == f"http://localhost:8080/v1/Voice/{sid}/Metrics?PageSize=50&Page=0"
    insights.world.restart(trusted_proxies=("127.0.0.1",), host_names=(HOST, "insights.example"))
    behind = Insights(insights.world).call(
        "GET", f"/v1/Voice/{sid}/Metrics", host="localhost:8080", scheme="http", headers=forwarded
    )
    assert behind.json["meta"]["url"] == f"https://insights.example/v1/Voice/{sid}/Metrics?PageSize=50&Page=0"
