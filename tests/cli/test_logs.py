"""`trunkline logs`: tables are listed, read and written, as a user sees it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.customer import visiting
from trunkline.cli.main import app
from trunkline.library.served import Server

AUTH = "ACSAuthIncomingOperations"


@pytest.fixture(scope="module")
def run(served: Server) -> Any:
    """Run the command about the server, in the name of an account that did something."""
    with visiting(served, "logs-customer") as customer:
        for _ in range(3):
            customer.identity.create_user()
        asked = ["--url", served.url, "--api-key", customer.resource.api_key]

        def logs(*words: str) -> Any:
            return CliRunner().invoke(app, ["logs", *words, *asked], env={"SSL_CERT_FILE": served.connection.ca_file})

        yield logs


def test_the_tables_are_listed_without_a_server() -> None:
    """With their categories."""
    done = CliRunner().invoke(app, ["logs"])
    assert done.exit_code == 0
    assert f"{AUTH}\tAuthOperational" in done.stdout
    assert len(json.loads(CliRunner().invoke(app, ["logs", "--json"]).stdout)) == 26


def test_a_table_is_printed_as_lines_as_json_and_as_csv(run: Any) -> None:
    """As many rows as wanted, with the columns that say which."""
    lines = [json.loads(line) for line in run(AUTH, "--since", "1h").stdout.splitlines()]
    assert [row["OperationName"] for row in lines] == ["CreateIdentity"] * 3
    assert len(json.loads(run(AUTH, "--json", "--limit", "2").stdout)) == 2
    vector = lines[1]["CorrelationId"]
    head, row = run("authoperational", "--csv", "--where", f"CorrelationId={vector}").stdout.splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True))["CorrelationId"] == vector
    assert run(AUTH, "--where", "OperationName=None").stdout == ""


def test_tables_are_written_as_a_storage_has_them(run: Any, tmp_path: Path) -> None:
    """A file for each hour, made anew when they are written again."""
    for _ in range(2):
        done = run("export", "--to", str(tmp_path), "--since", "1d")
        assert done.exit_code == 0, done.output
        assert f"{AUTH}\t3" in done.stdout
    files = list((tmp_path / "insights-logs-authoperational").rglob("PT1H.json"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert [(one["category"], one["operationName"]) for one in records] == [("AuthOperational", "CreateIdentity")] * 3
    (first, *_) = records
    assert first["resourceId"].endswith("/COMMUNICATIONSERVICES/LOGS-CUSTOMER")
    assert f"resourceId={first['resourceId']}/y={first['time'][:4]}/m=" in str(files[0])
    assert {**first["properties"], "SdkType": ""} == {"Identity": "key1", "SdkType": "", "PlatformType": "Python"}


def test_what_is_no_text_stands_in_csv_as_json_writes_it(served: Server) -> None:
    """Lists, objects and truths, as other programs read them."""
    with visiting(served, "logs-cells") as customer:
        customer.identity.create_user_and_token(["chat", "voip"])
        calls = [{"leg_id": "leg-of-cells", "outcome": "answered", "ended_at": later(0), "happened_at": later(-60)}]
        calls[0]["extra"] = {"tpe": "true"}
        assert customer.own("POST", "calls", calls).json["accepted"] == 1
        asked = ["--csv", "--url", served.url, "--api-key", customer.resource.api_key]
        env = {"SSL_CERT_FILE": served.connection.ca_file}
        cells = {
            (name, value)
            for table in (AUTH, "ACSCallSummary")
            for row in csv.DictReader(CliRunner().invoke(app, ["logs", table, *asked], env=env).stdout.splitlines())
            for name, value in row.items()
        }
    assert {value for name, value in cells if name == "Scopes"} == {'["chat","voip"]'}
    assert {value for name, value in cells if name == "TPE"} == {"true"}


def later(seconds: float) -> str:
    """Return a moment near the present one."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_row_from_elsewhere_leads_out_of_no_folder(served: Server, tmp_path: Path) -> None:
    """Whatever it names as its resource: what is no id of one stands beside the others."""
    named = ["/../../../../evil", "/../../..", "\\..\\evil", "/" + "a" * 300, {"a": 1}, 3, "/subscriptions/s/it"]
    with visiting(served, "logs-elsewhere") as customer:
        rows = [
            {"source": "import", "log_table": AUTH, "text": "…", "body": json.dumps({"_ResourceId": one})}
            for one in named
        ]
        assert customer.own("POST", "logs", rows).json["accepted"] == len(named)
        asked = ["--url", served.url, "--api-key", customer.resource.api_key]
        out = tmp_path / "deep" / "out"
        words = ["logs", AUTH, "--to", str(out), *asked]
        done = CliRunner().invoke(app, words, env={"SSL_CERT_FILE": served.connection.ca_file})
    assert done.exit_code == 0, done.exception
    files = [*tmp_path.rglob("PT1H.json")]
    assert all(file.is_relative_to(out) for file in files), files
    places = {file.relative_to(out).as_posix().partition("/y=")[0].partition("resourceId=")[2] for file in files}
    assert places == {"", "/SUBSCRIPTIONS/S/IT"}
    assert sum(len(file.read_text().splitlines()) for file in files) == len(named)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["ACSAuth"], "ACSAuthIncomingOperations"),
        (["export"], "--to FOLDER"),
        ([AUTH, "--where", "nothing"], "Column=value"),
        ([AUTH, "--where", "Nothing=1"], "has no column"),
        ([AUTH, "--where", "path=1"], "has no column 'path'"),
        ([AUTH, "--where", "since=1d"], "has no column 'since'"),
        (["export", "--to", "nowhere", "--where", "Scopes=1"], "has no column 'Scopes'"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Any, words: list[str], wanted: str) -> None:
    """With a sentence that helps."""
    done = run(*words)
    assert done.exit_code == 1
    assert wanted in str(done.exception)
