"""The page on what is covered is whole: as many rows as the documents have, each with a state, a test and a page."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from tests.mission.samples import ALL
from tools import coverage
from tools.coverage import Item, Part
from trunkline.catalogue.load import load

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ITEMS = coverage.items()

# Counted in the documents themselves, table by table; facilities and identifiers are counted as they are listed there.
DOCUMENTED = {
    ("metrics", "metrics"): 8,
    ("metrics", "operations"): 87,
    ("metrics", "dimensions"): 3,
    ("metrics", "aggregations"): 5,
    ("metrics", "values"): 1,
    ("metrics", "facilities"): 6,
    ("infobip", "metrics"): 19,
    ("infobip", "dimensions"): 27,
    ("infobip", "filters"): 19,
    ("infobip", "capabilities"): 5,
    ("infobip", "facilities"): 3,
    ("troubleshooting", "identifiers"): 14,
    ("troubleshooting", "facilities"): 42,
    ("events", "event types"): 10,
    ("events", "subjects"): 3,
    ("events", "filters"): 2,
    ("events", "facilities"): 5,
    ("twilio", "operations"): 1,
    ("twilio", "parameters"): 6,
    ("twilio", "edges"): 5,
    ("twilio", "directions"): 4,
    ("twilio", "keys of a page"): 7,
    ("twilio", "keys of a metric"): 9,
    ("twilio", "values of an interval"): 7,
    ("twilio", "values since the start"): 5,
    ("twilio", "facilities"): 1,
}
OPERATIONS = {
    "Advanced Messaging": 5,
    "Authentication": 5,
    "Call Automation": 17,
    "Chat": 16,
    "Job Router": 31,
    "Network Traversal": 1,
    "Rooms": 9,
    "SMS": 3,
}


@cache
def functions(file: str) -> frozenset[str]:
    """Return the names of a file's functions; raises FileNotFoundError."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def anchors(file: Path) -> frozenset[str]:
    """Return the addresses of a page's headings, as they are made on the web; raises FileNotFoundError."""
    text = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-") for title in titles)


def problems(item: Item) -> list[str]:
    """List what is wrong with a row."""
    found = []
    file, _, function = item.test.partition("::")
    page, _, anchor = item.page.partition("#")
    if item.test and not ((ROOT / file).is_file() and function in functions(file)):
        found.append(f"there is no test {item.test}")
    if item.page and not (DOCS / page).is_file():
        found.append(f"there is no page {page}")
    elif anchor and anchor not in anchors(DOCS / page):
        found.append(f"{page} has no heading {anchor}")
    if item.state in {"served", "501"} and not (item.test and item.page):
        found.append("needs a test and a page")
    if item.state in {"not yet", "not ours"} and not item.note:
        found.append("does not say what there is instead")
    return [f"{item.document}, {item.kind}, {item.name}: {one}" for one in found]


def test_there_are_as_many_rows_as_the_documents_have() -> None:
    """Kind by kind, and the operations service by service."""
    assert Counter((item.document, item.kind) for item in ITEMS) == DOCUMENTED
    assert Counter(item.group for item in ITEMS if item.kind == "operations" and item.group) == OPERATIONS
    assert sum(OPERATIONS.values()) == DOCUMENTED["metrics", "operations"]


def test_no_row_stands_twice() -> None:
    """A name is listed once under its kind, where two services share one once for each."""
    counted = Counter((item.document, item.kind, item.group, item.name) for item in ITEMS)
    assert [row for row, many in counted.items() if many > 1] == []


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item.document}-{item.kind}-{item.name}")
def test_a_row_names_a_test_and_a_page_that_exist(item: Item) -> None:
    """What is served or refused has both; what is neither says what there is instead."""
    assert problems(item) == []


def test_a_row_that_names_nothing_is_noticed() -> None:
    """The check itself fails for each thing that a row may lack."""
    good = next(item for item in ITEMS if item.name == "SendChatMessage")
    assert problems(good) == []
    for wrong in (
        {"test": ""},
        {"page": ""},
        {"test": "tests/mission/test_nothing.py::test_nothing"},
        {"test": good.test + "_at_all"},
        {"page": "apis/nowhere.md"},
        {"page": "apis/acs.md#nowhere"},
        {"state": "not yet", "note": ""},
        {"state": "not ours", "note": ""},
    ):
        assert len(problems(msgspec.structs.replace(good, **wrong))) == 1, wrong


def test_what_the_catalogue_serves_is_listed_as_served() -> None:
    """Operations and event types follow the catalogue: nobody has to say it twice."""
    catalogue = load()
    states = {(item.group, item.name): item.state for item in ITEMS if item.kind == "operations" and item.group}
    for service in catalogue.of_vendor("acs"):
        for row in service.operations.values():
            if row.mission:
                is_served = service.built and row.name not in service.unserved
                assert (states.pop((service.title, row.name)) == "served") is is_served
    assert states == {}
    types = {item.name: item.state for item in ITEMS if item.kind == "event types"}
    assert set(types) == set(ALL)
    told = {name for name in ALL if coverage.VENDOR + name in catalogue.event_types}
    assert {name for name, state in types.items() if state == "served"} == told


def test_a_row_changes_its_state_by_one_word() -> None:
    """What is served then is proven by the part's own test; until then its row says what somebody gets."""
    part = Part(document="d", kind="k", rows={"row": "not yet"}, today="404.", today_test="t::u")
    before = next(coverage.listed(part))
    built = msgspec.convert(
        {**msgspec.to_builtins(part), "rows": {before.name: "served"}, "test": "t::t", "page": "p"}, Part
    )
    after = next(coverage.listed(built))
    assert (before.state, before.test, before.note) == ("not yet", part.today_test, part.today)
    assert (after.state, after.test, after.page, after.note) == ("served", "t::t", "p", "")


def test_an_unknown_word_is_no_state() -> None:
    """A slip in the table is an error."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"document": "d", "kind": "k", "rows": {"x": "soon"}}, Part)


def test_every_row_stands_on_the_page() -> None:
    """The generated page has a line for each row, and the summary counts them."""
    text = (DOCS / "coverage.md").read_text(encoding="utf-8")
    lines = Counter(line.split(" | ")[0].removeprefix("| ").strip("`") for line in text.splitlines())
    for name, many in Counter(item.name for item in ITEMS).items():
        assert lines[name] >= many, name
    assert f"| all |  | {len(ITEMS)} |" in text


@pytest.mark.parametrize("name", ["coverage.md", "troubleshooting.md", "index.md"])
def test_every_link_of_the_page_leads_somewhere(name: str) -> None:
    """To a file that exists, and to a heading that it has."""
    text = (DOCS / name).read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)\s]+)", text) if "://" not in link}
    assert links
    for link in links:
        page, _, anchor = link.partition("#")
        target = (DOCS / page).resolve() if page else DOCS / name
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link
