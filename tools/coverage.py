"""What of the documents that Trunkline implements is served: every row with its state, its test and its page.

What the catalogue knows is derived from it; the rest stands in coverage.toml, whose head says how to read it.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tools.tables import table
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import Catalogue, Operation, Service

FILE = Path(__file__).with_name("coverage.toml")
State = Literal["served", "501", "not yet", "not ours"]
STATES: tuple[State, ...] = ("served", "501", "not yet", "not ours")
VENDOR = "Microsoft.Communication."


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of coverage.toml; an unknown field is an error."""


class Own(Shape, frozen=True):
    """A row with words of its own."""

    state: State
    note: str = ""
    test: str = ""
    page: str = ""


class Part(Shape, frozen=True):
    """Rows of one kind of one document, and what holds for all of them that say nothing else."""

    document: str
    kind: str
    rows: dict[str, State | Own]
    test: str = ""
    page: str = ""
    today: str = ""
    today_test: str = ""


class Derived(Shape, frozen=True):
    """Tests and pages of what the catalogue knows by itself; `events` are the event types that the document names."""

    operation_test: str
    refusal_test: str
    metric_test: str
    event_page: str
    event_tests: dict[str, str]
    events: list[str]


class Sheet(Shape, frozen=True):
    """The whole of coverage.toml."""

    documents: dict[str, str]
    derived: Derived
    parts: list[Part]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One row of docs/coverage.md; `test` is file::function, `page` is relative to docs/."""

    document: str
    kind: str
    group: str = ""
    name: str
    state: State
    note: str = ""
    test: str = ""
    page: str = ""


def sheet() -> Sheet:
    """Read coverage.toml; raises msgspec.ValidationError naming the row that is wrong."""
    return msgspec.convert(tomllib.loads(FILE.read_text(encoding="utf-8")), Sheet)


def items() -> list[Item]:
    """List every row of every document, in the order in which they are shown."""
    found, catalogue = sheet(), load()
    rows = [row for derive in (_metrics, _operations, _events) for row in derive(found.derived, catalogue)]
    rows += [row for part in found.parts for row in listed(part)]
    return sorted(rows, key=lambda row: list(found.documents).index(row.document))


def listed(part: Part) -> Iterator[Item]:
    """Yield the rows of a part, each with the part's words where it has none of its own."""
    for name, word in part.rows.items():
        own = word if isinstance(word, Own) else Own(word)
        done = own.state == "served"
        yield Item(
            document=part.document,
            kind=part.kind,
            name=name,
            state=own.state,
            note=own.note or ("" if done else part.today),
            test=own.test or (part.test if done else part.today_test),
            page=own.page or part.page,
        )


def _with_listed(catalogue: Catalogue) -> Iterator[tuple[Service, list[Operation]]]:
    """Yield each service of which the document lists operations, and these."""
    for service in catalogue.of_vendor("acs"):
        rows = [row for row in service.operations.values() if row.mission]
        if rows:
            yield service, rows


def _metrics(derived: Derived, catalogue: Catalogue) -> Iterator[Item]:
    for service, _ in _with_listed(catalogue):
        assert service.metric  # noqa: S101 - a service with documented operations has the metric they stand under
        yield Item(
            document="metrics",
            kind="metrics",
            name=service.metric.name,
            state="served",
            note="" if service.built else "Counts the 501s, until the service is built.",
            test=derived.metric_test,
            page=_page_of(service),
        )


def _operations(derived: Derived, catalogue: Catalogue) -> Iterator[Item]:
    for service, rows in _with_listed(catalogue):
        for row in rows:
            state, note = _state_of(service, row)
            tests: dict[State, str] = {"served": derived.operation_test, "501": derived.refusal_test}
            yield Item(
                document="metrics",
                kind="operations",
                group=service.title,
                name=row.name,
                state=state,
                note=note,
                test=tests.get(state, ""),
                page=_page_of(service),
            )


def _state_of(service: Service, row: Operation) -> tuple[State, str]:
    if service.built and row.name not in service.unserved:
        return "served", f"Counted on {row.counted_on}." if row.counted_on else ""
    if row.route:
        return "501", service.unserved.get(row.name, "")
    if row.counted_as:
        return "not yet", f"Its requests are {row.counted_as['operation']}'s, and answered 501."
    return "not yet", "Nothing brings it until its service is built."


def _events(derived: Derived, catalogue: Catalogue) -> Iterator[Item]:
    for name in derived.events:
        told = catalogue.event_types.get(VENDOR + name)
        yield Item(
            document="events",
            kind="event types",
            name=name,
            state="served" if told else "not yet",
            note="" if told else "A subscription may name it, and hears nothing.",
            test=next(test for start, test in derived.event_tests.items() if name.startswith(start)) if told else "",
            page=derived.event_page,
        )


def _page_of(service: Service) -> str:
    return f"apis/{service.vendor}.md#{service.title.lower().replace(' ', '-')}"


# --- the document's generated parts ---


def summary() -> Iterator[str]:
    """Tabulate how many rows of each kind are in which state."""
    documents = sheet().documents
    counted = Counter((row.document, row.kind, row.state) for row in items())
    kinds = dict.fromkeys((document, kind) for document, kind, _ in counted)
    rows = []
    for document, kind in kinds:
        counts = [counted[document, kind, state] for state in STATES]
        rows.append((documents[document], kind, str(sum(counts)), *(str(count or "") for count in counts)))
    sums = [sum(many for (_, _, of), many in counted.items() if of == state) for state in STATES]
    rows.append(("all", "", str(sum(sums)), *map(str, sums)))
    yield from table(("document", "rows", "in all", *STATES), rows)


def of_document(document: str) -> Iterator[str]:
    """Tabulate the rows of one document, kind by kind."""
    rows = [row for row in items() if row.document == document]
    for kind, group in dict.fromkeys((row.kind, row.group) for row in rows):
        yield f"### {kind.capitalize()}{': ' * bool(group)}{group}"
        yield ""
        lines = (
            (f"`{row.name}`" if " " not in row.name else row.name, row.state, row.note, _test(row), _link(row.page))
            for row in rows
            if (row.kind, row.group) == (kind, group)
        )
        yield from table(("", "state", "what else there is to say", "test", "page"), lines)
        yield ""


def _test(row: Item) -> str:
    if not row.test:
        return ""
    file, _, function = row.test.partition("::")
    return f'[{Path(file).stem}](../{file} "{function}")'


def _link(page: str) -> str:
    if not page:
        return ""
    file, _, anchor = page.partition("#")
    path = Path(file)
    shown = path.parent.name if path.stem == "README" else path.stem
    return f"[{shown}{': ' * bool(anchor)}{anchor.replace('-', ' ')}]({page})"
