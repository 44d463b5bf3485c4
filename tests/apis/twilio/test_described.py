"""Every served operation walked with whatever its description allows: nothing falls over, and answers fit it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.support.insights import basic
from tests.support.specs import misfits, twilio
from tests.support.twilio import Office, office
from trunkline.catalogue.load import load
from trunkline.library.served import serve

SERVED = list(load().services["voice_insights"].operations.values())
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
EACH = 50


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Give an account with a subaccount, a call with readings and events that ended, and one that runs."""
    with serve(tmp_path_factory.mktemp("described")) as server:
        one = office(server, "ours")
        office(server, "below", "ours")
        at = datetime.now(UTC) - timedelta(minutes=5)
        one.post(
            "calls",
            {"leg_id": "ended", "capability": "webrtc", "happened_at": at, "ended_at": at + timedelta(minutes=1)},
            {"leg_id": "runs", "capability": "phone", "happened_at": at},
        )
        for leg in ("ended", "runs"):
            for edge in ("sdk", "carrier", "client", "sip"):
                seen = {"call_id": leg, "edge": edge, "happened_at": at + timedelta(seconds=20)}
                one.post("samples", {**seen, "direction": "both" if edge == "sdk" else "inbound", "mos": 4})
                one.post("call-events", {**seen, "name": "ringing", "topic": "connection"})
        yield one


@pytest.fixture(scope="module")
def described() -> Any:
    """Read the description, without the original's servers: nobody must be reached by mistake."""
    paths = {path: {**one, "servers": []} for path, one in twilio()["paths"].items()}
    return schemathesis.openapi.from_dict({**twilio(), "servers": [], "paths": paths})


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.name)
def test_whatever_the_description_allows_is_answered_as_it_says(ours: Office, described: Any, row: Any) -> None:
    """With known SIDs and foreign ones: at least one success, no failure of ours, and errors in the original's body."""
    path = next(
        name
        for name, methods in twilio()["paths"].items()
        if methods.get(row.method.lower(), {}).get("operationId") == row.name
    )
    operation = described[path][row.method]
    seen: Counter[int] = Counter()
    known = [ours.sid_of("ended"), ours.sid_of("runs")]
    below = ours.server.house.resources.get("below").sid

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), sid=st.sampled_from([*known, *known, ""]), is_bare=st.booleans())
    def walk(case: Any, sid: str, is_bare: bool) -> None:
        if sid:
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, sid)
        if is_bare:  # most combinations of thirty filters choose nothing, or cannot be
            case.query = {}
        for place in (case.query, case.body if isinstance(case.body, dict) else {}):
            for name in {"Subaccount", "SubaccountSid"} & set(place or {}):
                place[name] = below
        answer = case.call(base_url=ours.base, headers={"Authorization": basic(ours.sid, ours.account.auth_token)})
        seen[answer.status_code] += 1
        if answer.status_code < 300:
            case.validate_response(answer, checks=CHECKS)
            assert misfits(row.method, answer.request.path_url.partition("?")[0], answer.json()) == []
        else:
            assert answer.status_code in {400, 403, 404}, answer.text
            body = json.loads(answer.content)
            assert set(body) == {"code", "message", "more_info", "status"}
            assert body["status"] == answer.status_code

    walk()
    assert seen[200], seen
