"""The same line in process and over HTTP: facts in, answers out."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import trunkline
from trunkline.errors import (
    ConfigurationError,
    HeldError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from trunkline.library import answer as answers
from trunkline.library.connected import Connected
from trunkline.library.line import LARGEST
from trunkline.library.remote import Remote

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEGS = [
    {"leg_id": f"{country}{n}", "country": country, "sip_code": 200, "talk_ms": 1000 * n, "happened_at": moment}
    for country, moments in (("HR", (NOON, NOON + timedelta(hours=1))), ("US", (NOON,)))
    for n, moment in enumerate(moments, 1)
]
SPAN: dict[str, Any] = {"since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[trunkline.Server]:
    """Run a server of this module's own."""
    with trunkline.serve(tmp_path_factory.mktemp("library")) as running:
        yield running


@pytest.fixture(params=["open", "connect"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[trunkline.Trunkline]:
    """Give a line to an empty Trunkline: in this process, and over HTTP."""
    if request.param == "open":
        with trunkline.open(tmp_path / "data") as opened:
            yield opened
        return
    server: trunkline.Server = request.getfixturevalue("server")
    shop = server.account(f"shop-{abs(hash(tmp_path)) % 10**9}")
    with trunkline.connect(server.connection.http, api_key=shop.api_key) as connected:
        yield connected


def test_what_is_recorded_is_answered(line: trunkline.Trunkline) -> None:
    """As rows, as an Arrow table; split, filtered, over time."""
    assert line.record(LEGS, fact="calls") == 3
    found = line.ask(["calls.count", "calls.duration_avg"], by="country", **SPAN)
    assert found.rows == [
        {"country": "HR", "calls.count": 2, "calls.duration_avg": 1500.0},
        {"country": "US", "calls.count": 1, "calls.duration_avg": 1000.0},
    ]
    assert (len(found), [*found], found.is_cut) == (2, found.rows, False)
    assert (found.start, found.end) == (SPAN["since"], SPAN["until"])
    assert found.arrow().schema.types == [pa.string(), pa.int64(), pa.float64()]
    hours = line.ask("calls.count", step="hour", where={"country": ["HR", "AT"]}, **SPAN)
    assert [(row["at"], row["calls.count"]) for row in hours] == [(NOON, 1), (NOON + timedelta(hours=1), 1)]
    assert line.ask("calls.count", step=timedelta(days=2), **SPAN).rows[0]["calls.count"] == 3
    assert line.ask("calls.count", where=["talk_ms<2000", "country!=US"], **SPAN).rows == [{"calls.count": 1}]
    top = line.ask("calls.count", by="country", top=1, **SPAN)
    assert [row["country"] for row in top] == ["HR", None]
    assert line.ask("calls.count", by="country", limit=1, **SPAN).is_cut


def test_facts_are_objects_or_mappings(line: trunkline.Trunkline) -> None:
    """Those of several kinds at once; what is left out is worked out."""
    call = trunkline.Call(happened_at=NOON, resource="", leg_id="x", recipient="+385911234567", sip_code=486)
    sample = trunkline.Sample(happened_at=NOON, resource="", call_id="x", mos=4.0)
    assert line.record(call, [sample, sample]) == 3
    (row,) = line.rows("calls", id="x", **SPAN)
    assert (row["country"], row["outcome"], row["happened_at"], row["talk_ms"]) == ("HR", "busy", NOON, None)
    assert len(line.rows("samples", id="x", **SPAN)) == 2
    assert line.rows("messages").rows == []
    assert "mos" in line.rows("samples").columns


def test_many_facts_come_by_pages(line: trunkline.Trunkline) -> None:
    """In their order, as many as are wanted."""
    line.record(
        [{"call_id": "p", "mos": n / 1000, "happened_at": NOON + timedelta(seconds=n)} for n in range(2500)],
        fact="samples",
    )
    found = line.rows("samples", limit=2200, **SPAN)
    assert [row["mos"] for row in found] == [n / 1000 for n in range(2200)]
    assert found.is_cut
    newest = line.rows("samples", limit=3000, newest_first=True, **SPAN)
    assert (len(newest), newest.is_cut, newest.rows[0]["mos"]) == (2500, False, 2.499)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda line: line.ask("calls.cout"),
        lambda line: line.ask([]),
        lambda line: line.ask("calls.count", by="county"),
        lambda line: line.ask("calls.count", step="fortnight"),
        lambda line: line.ask("calls.count", since="soon"),
        lambda line: line.ask("calls.count", where="country"),
        lambda line: line.ask("calls.count", limit=0),
        lambda line: line.rows("cals"),
        lambda line: line.rows("calls", limit=0),
        lambda line: line.record({"leg_id": "a"}),
        lambda line: line.record({"leg_id": "a"}, fact="cals"),
        lambda line: line.record({"leg": "a"}, fact="calls"),
        lambda line: line.record({"leg_id": object()}, fact="calls"),
    ],
)
def test_what_is_wrong_is_said_the_same_way(line: trunkline.Trunkline, wrong: Callable[[Any], object]) -> None:
    """By one kind of error, with a sentence."""
    with pytest.raises(InvalidError, match=r"\."):
        wrong(line)


def test_wrong_facts_are_told_and_the_others_kept(line: trunkline.Trunkline) -> None:
    """Each with its place among those of its kind."""
    with pytest.raises(trunkline.RejectedError, match="nearest are leg_id") as raised:
        line.record({"leg_id": "a"}, {"leg": "b"}, fact="calls")
    assert raised.value.accepted == 1
    assert [(one.line, one.path) for one in raised.value.rejected] == [(2, "leg")]
    assert line.ask("calls.count").rows == [{"calls.count": 1}]


def test_a_plan_is_explained(line: trunkline.Trunkline) -> None:
    """And not carried out."""
    assert "FROM calls" in line.explain("calls.count", by="country")["sql"]


def test_threads_share_a_line(line: trunkline.Trunkline) -> None:
    """Each waits for its own answer."""
    threads = [threading.Thread(target=lambda n=n: line.record({"leg_id": f"t{n}"}, fact="calls")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.ask("calls.count").rows == [{"calls.count": 8}]


def test_the_catalogue_says_what_there_is(line: trunkline.Trunkline) -> None:
    """Measures with units, facts with their columns."""
    assert line.catalogue.measures["calls.answer_rate"].unit == "share"
    assert line.catalogue.facts["samples"]["jitter_ms"].brief
    assert "older" not in line.catalogue.facts["calls"]


def test_what_was_recorded_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    """Also by a process that ended without closing it, and by a server."""
    script = (
        "import trunkline\nline = trunkline.open('data')\n"
        "line.record([{'leg_id': str(n)} for n in range(1500)], fact='calls')\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    with trunkline.open(tmp_path / "data") as line:
        assert line.ask("calls.count").rows == [{"calls.count": 1500}]
    line.close()
    with pytest.raises(RuntimeError):
        line.ask("calls.count")
    with trunkline.serve(tmp_path / "data") as server:
        assert server.ask("calls.count").rows == [{"calls.count": 1500}]


def test_a_forked_process_leaves_the_line_alone(tmp_path: Path) -> None:
    """It can neither use nor close it, and ends; the first one goes on."""
    script = (
        "import os, trunkline\nline = trunkline.open('data')\n"
        "if os.fork() == 0:\n"
        "    try:\n        line.ask('calls.count')\n"
        "    except RuntimeError as error:\n        print('forked' in str(error), flush=True)\n"
        "else:\n    os.wait()\n    line.record({'leg_id': 'a'}, fact='calls')\n"
        "    print(line.ask('calls.count').rows)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True\n[{'calls.count': 1}]\n"


def test_a_folder_that_a_server_holds_is_not_opened(server: trunkline.Server, tmp_path: Path) -> None:
    """The error names `connect` and the address; another process that has it open is named as such."""
    folder = server.house.folder.path
    with pytest.raises(HeldError, match=f"{server.connection.http}.*trunkline.connect") as raised:
        trunkline.open(folder)
    assert str(folder) in raised.value.message
    with trunkline.connect(data=folder) as line:
        assert line.ask("requests.count").columns == ["requests.count"]
    with trunkline.open(tmp_path), pytest.raises(HeldError, match="another process"):
        trunkline.open(tmp_path)


def test_an_account_sees_its_own(tmp_path: Path) -> None:
    """Opened in its name, facts that name none belong to it."""
    with pytest.raises(NotFoundError):
        trunkline.open(tmp_path, account="shop")
    with trunkline.serve(tmp_path) as server:
        server.account("shop")
        server.record({"leg_id": "ours"}, fact="calls")
    with trunkline.open(tmp_path, account="shop") as shop:
        shop.record({"leg_id": "theirs"}, fact="calls")
        assert [row["leg_id"] for row in shop.rows("calls")] == ["theirs"]
    with trunkline.open(tmp_path) as line:
        assert line.ask("calls.count", by="resource").rows == [
            {"resource": "shop", "calls.count": 1},
            {"resource": "trunkline", "calls.count": 1},
        ]


def test_a_parent_sees_the_accounts_below_it(tmp_path: Path) -> None:
    """Opened in its name, and never the reverse."""
    with trunkline.serve(tmp_path) as server:
        server.run(server.house.resources.create("parent"))
        server.run(server.house.resources.create("child", "parent"))
    for name in ("parent", "child"):
        with trunkline.open(tmp_path, account=name) as line:
            line.record({"leg_id": name}, fact="calls")
    seen = {}
    for name in ("parent", "child"):
        with trunkline.open(tmp_path, account=name) as line:
            seen[name] = [row["leg_id"] for row in line.rows("calls")]
    assert seen == {"parent": ["parent", "child"], "child": ["child"]}


def test_a_server_is_found_by_address_connection_string_and_folder(
    server: trunkline.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key may stand in the environment; who has none, or a wrong one, is told."""
    trust = {"ca_file": server.connection.ca_file}
    question = "requests.count"
    assert trunkline.connect(server.url, api_key=server.api_key, **trust).ask(question)
    with pytest.raises(ConfigurationError, match="TRUNKLINE_API_KEY"):
        trunkline.connect(server.url)
    monkeypatch.setenv("TRUNKLINE_API_KEY", server.api_key)
    assert trunkline.connect(server.connection.connection_string, **trust).ask(question)
    with pytest.raises(UnavailableError, match="does not verify"):
        trunkline.connect(server.url).ask(question)
    with pytest.raises(UnauthenticatedError):
        trunkline.connect(server.connection.http, api_key="wrong").ask(question)
    with pytest.raises(ConfigurationError):
        trunkline.connect(server.url, data="data")
    with pytest.raises(UnavailableError, match="trunkline serve"):
        trunkline.connect(data=tmp_path)
    with pytest.raises(NotFoundError):
        trunkline.connect(data=server.house.folder.path, account="nobody")


def test_a_connection_that_breaks_repeats_nothing(server: trunkline.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may have arrived is sent again under its key."""
    monkeypatch.setattr("trunkline.library.connected._PAUSE_S", 0.0)
    account = server.account("broken")
    remote = Remote(server.connection.http, account.api_key)
    exchange = remote._exchange
    answered: list[int] = []

    def broken(*given: Any) -> Any:
        answer = exchange(*given)
        answered.append(answer[0])
        if len(answered) < 3:
            raise UnavailableError("The connection broke.")
        return answer

    monkeypatch.setattr(remote, "_exchange", broken)
    line = Connected(remote)
    assert line.record({"call_id": "a"}, fact="samples") == 1
    assert answered == [200, 200, 200]
    monkeypatch.undo()
    assert line.ask("samples.count").rows == [{"samples.count": 1}]


def test_a_large_record_is_cut_into_bodies(line: trunkline.Trunkline) -> None:
    """And each place counts on over them."""
    events: list[dict[str, Any]] = [{"call_id": "a", "name": "n", "text": "t" * 1900} for _ in range(LARGEST // 1000)]
    events[-1] = {"call_id": "a"}
    with pytest.raises(trunkline.RejectedError) as raised:
        line.record(events, fact="call_events")
    assert (raised.value.accepted, raised.value.rejected[0].line) == (len(events) - 1, len(events))
    assert line.ask("call_events.count").rows == [{"call_events.count": len(events) - 1}]


def test_a_frame_needs_its_library(line: trunkline.Trunkline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which, and what does without."""
    monkeypatch.setattr(answers, "find_spec", lambda _name: None)
    with pytest.raises(UnavailableError, match=r"pip install pandas.*arrow\(\)"):
        line.ask("calls.count").frame()
    with pytest.raises(UnavailableError, match="pip install polars"):
        line.ask("calls.count").frame("polars")


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_an_answer_is_a_frame(line: trunkline.Trunkline, name: Any) -> None:
    """Of whichever is installed."""
    pytest.importorskip(name)
    line.record(LEGS, fact="calls")
    assert line.ask("calls.count", by="country", **SPAN).frame(name).shape == (2, 2)


def test_importing_the_package_loads_nothing() -> None:
    """Neither the engine nor the server: it is quick."""
    script = (
        "import sys, trunkline\n"
        "assert not {'duckdb', 'pyarrow', 'sqlalchemy', 'starlette', 'msgspec'} & set(sys.modules)\n"
        "assert {'open', 'connect', 'serve'} <= set(dir(trunkline))\n"
        "from trunkline import *\nassert callable(connect)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)  # noqa: S603 - our own program
    with pytest.raises(AttributeError, match="no attribute 'zeppelin'"):
        _ = trunkline.zeppelin
