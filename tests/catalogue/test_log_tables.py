"""The log tables: every column that Azure documents is there with its type, and every source means something."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from trunkline.catalogue import log_tables
from trunkline.catalogue.load import load
from trunkline.catalogue.log_tables import CONVERSIONS, LogTables, parsed, problems, read
from trunkline.errors import ConfigurationError, NotFoundError
from trunkline.insight.logs.values import CONVERT

COLUMNS = Path(__file__).parent / "log_columns.tsv"
HEAD = "table\tcolumn\ttype\tsource\n"


def changed(name: str, source: str) -> LogTables:
    """Return the tables with another source of the SMS table's message id."""
    found = read()
    (_, column), *_ = parsed(f"{HEAD}{name}\tMessageId\tstring\t{source}\n")
    table = found.tables[name]
    table = msgspec.structs.replace(table, columns={**table.columns, "MessageId": column})
    return msgspec.structs.replace(found, tables={**found.tables, name: table})


def test_every_documented_column_is_there_with_its_type() -> None:
    """26 tables, 647 columns, in their order, and no other."""
    wanted = COLUMNS.read_text(encoding="utf-8").splitlines()[1:]
    found = [f"{one.name}\t{name}\t{row.type}" for one in read().tables.values() for name, row in one.columns.items()]
    assert found == wanted
    assert (len(read().tables), len(found)) == (26, 647)


def test_requests_of_every_service_have_a_table_of_their_own() -> None:
    """But for Network Traversal, which has categories and no table in the reference."""
    parts = [part for one in read().tables.values() for part in one.parts if part.of == "requests"]
    services = {name for part in parts for name in part.where["service"]}
    assert services == {service.name for service in load().of_vendor("acs")} - {"network_traversal"}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("messge_id", "comes from messge_id"),
        ("extra.deep.deeper", "comes from extra.deep.deeper"),
        ("status.key", "comes from status.key"),
        ("message.nothing", "comes from message.nothing"),
        ("status | halved", "converted by 'halved'"),
    ],
)
def test_a_source_that_means_nothing_is_found(source: str, wanted: str) -> None:
    """Before a port opens, naming table and column."""
    (told,) = problems(changed("ACSSMSIncomingOperations", source))
    assert told.startswith("ACSSMSIncomingOperations MessageId")
    assert wanted in told


@pytest.mark.parametrize("line", ["a\tb\tc\n", "ACSX\tA\tfloat\t\n"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    """Too few columns, a type that there is not."""
    with pytest.raises(ConfigurationError):
        list(parsed(HEAD + line))


def test_every_conversion_is_done() -> None:
    """The names that sources may use are those that are implemented."""
    assert {*CONVERT} == {*CONVERSIONS}


def test_a_table_is_found_by_its_category_and_an_unknown_one_names_the_nearest() -> None:
    """In any case of letters."""
    assert read().named("smsoperational").name == "ACSSMSIncomingOperations"
    with pytest.raises(NotFoundError, match="ACSSMSIncomingOperations"):
        read().named("ACSSMSIncomming")


def test_the_tables_are_checked_when_the_catalogue_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with them is what is wrong with the catalogue."""
    monkeypatch.setattr(log_tables, "problems", lambda _: iter(["ACSX is wrong"]))
    read.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="ACSX is wrong"):
            load.__wrapped__()
    finally:
        read.cache_clear()
