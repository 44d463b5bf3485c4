"""Writes the generated parts of the documents from the catalogue and the settings, or checks that they are fresh."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tools import coverage, log_tables, vendor_words
from tools.tables import table
from trunkline import config
from trunkline.apis.trunkline.ingest import OPERATIONS
from trunkline.apis.trunkline.posted import EXAMPLES
from trunkline.apis.trunkline.shapes import LEFT_OUT, posted
from trunkline.catalogue.codes import table as code_tables
from trunkline.catalogue.columns import columns
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import QualityRule, Service
from trunkline.catalogue.search import tables
from trunkline.catalogue.twilio import words as insights
from trunkline.delivery.carriers.simulated import BUSY_MS
from trunkline.insight.rules import condition as written
from trunkline.services.sms.carriage import MOST_OFFERS

ROOT = Path(__file__).parent.parent
VAST = 10**15
Block = Callable[[], Iterator[str]]


def settings() -> Iterator[str]:
    """Tabulate every setting."""
    rows = ((f"`{row.name}`", f"`{row.variable}`", row.kind, _default(row), row.brief) for row in config.rows())
    yield from table(("setting", "variable", "value", "default", "what it does"), rows)


def acs_operations() -> Iterator[str]:
    """Tabulate each service: operations, routes, and whether they are served."""
    for service in load().of_vendor("acs"):
        yield from _service(service)


def azure_operations() -> Iterator[str]:
    """Tabulate the control plane."""
    for service in load().of_vendor("azure"):
        yield from _service(service)


def infobip_operations() -> Iterator[str]:
    """Tabulate Infobip's Metrics API."""
    for service in load().of_vendor("infobip"):
        yield from _service(service)


def twilio_operations() -> Iterator[str]:
    """Tabulate Insights."""
    for service in load().of_vendor("twilio"):
        yield from _service(service)


def twilio_words() -> Iterator[str]:
    """Tabulate what stands where in Twilio's answers, and which fields of facts it comes from."""
    found = insights.words()
    yield "Call types, and the edge that is shown unless another one is asked for:"
    yield ""
    rows = []
    for name, case in found.cases["call_type"].items():
        usual = found.usual_edges[name]
        edge = f"`{usual.edge}`" + (f", inbound `{usual.inbound}`" if usual.inbound else "")
        rows.append((f"`{name}`", _told(case), edge))
    yield from table(("call type", "when", "edge"), rows)
    for kind in ("call_state", "direction", "answered_by", "processing_state", "disconnected_by"):
        yield ""
        yield f"`{kind}`:"
        yield ""
        yield from table(("word", "when"), ((f"`{name}`", _told(case)) for name, case in found.cases[kind].items()))
    parts = [
        (
            "a reading of a gateway",
            "samples",
            {**found.metric["gateway"], **found.metric["inbound"], **found.metric["outbound"]},
        ),
        ("a reading in an application", "samples", {**found.metric["sdk"], **found.sensor}),
        ("an event of a gateway", "call-events", found.event["gateway"]),
        ("an event in an application", "call-events", {**found.event["sdk"], **found.sensor}),
        *((f"a summary's {name}", "calls", part) for name, part in found.summary.items()),
    ]
    for title, fact, part in parts:
        yield ""
        yield f"What stands in {title}, and the field of `/api/v1/{fact}` that it comes from:"
        yield ""
        yield from table(
            ("in the answer", "field"),
            ((f"`{way}`", f"`{source.partition(' | ')[0]}`") for way, source in part.items()),
        )


def twilio_filters() -> Iterator[str]:
    """Tabulate the filters of summaries that compare one column, and the words for what people say."""
    filters = insights.words().filters
    yield from table(
        ("filter", "field"),
        ((f"`{name}`", f"`{column}`") for kind in ("truth", "text") for name, column in filters[kind].items()),
    )
    for name, part in insights.words().annotation.items():
        yield ""
        yield f"`{name}`: " + ", ".join(f"`{word}`" for word in part)
    yield ""
    for title, part in (("Tags", insights.words().tags), ("Tags of `sdk_edge`", insights.words().sdk_tags)):
        yield f"{title}: " + ", ".join(f"`{word}`" for word in part) + "."
        yield ""


def _told(case: insights.Case) -> str:
    """Return when a word is true, as a sentence's part."""
    parts = [
        f"`{name}` {verb} {' or '.join(f'`{value}`' if value else 'nothing' for value in values)}"
        for verb, those in (("is", case.where), ("is not", case.unless))
        for name, values in those.items()
    ]
    return ", ".join(parts)


def graph_operations() -> Iterator[str]:
    """Tabulate what is served of Graph."""
    for service in load().of_vendor("graph"):
        yield from _service(service)


def own_operations() -> Iterator[str]:
    """Tabulate Trunkline's own API."""
    for service in load().of_vendor("trunkline"):
        yield f"### {service.title}"
        yield ""
        rows = (
            (f"`{name}`", f"`{row.route}`", "" if row.auth == "open" else row.needed, row.brief)
            for name, row in service.operations.items()
        )
        yield from table(("operation", "route", "needs", "what it does"), rows)
        yield ""


def event_types() -> Iterator[str]:
    """Tabulate the event types that are told, but for Trunkline's own."""
    types = {name: row for name, row in load().event_types.items() if not row.is_named_only}
    rows = ((f"`{name}`", f"`{row.on}`", f"`{row.subject}`", row.brief) for name, row in types.items())
    yield from table(("event type", "told on", "subject", "what it says"), rows)
    yield ""
    yield "Accepted in a subscription, and told once their service is built:"
    yield ""
    yield from table(("event type", "what it says"), ((f"`{n}`", b) for n, b in load().untold_event_types.items()))


def simulated_numbers() -> Iterator[str]:
    """Tabulate the numbers that the simulated carrier treats in a way of their own."""
    outcomes = load().delivery_outcomes
    rows = []
    for number, row in load().simulated_numbers.items():
        outcome = outcomes.get(row.outcome)
        waits_ms = min(row.refusals, MOST_OFFERS - 1) * BUSY_MS
        after_ms = waits_ms + (row.after_ms if row.refusals < MOST_OFFERS else 0)
        rows.append(
            (
                f"`{number}`",
                f"`{outcome.details}`" if outcome else "",
                f"{after_ms / 1000:g} s" if outcome else "never",
                row.brief,
            )
        )
    yield from table(("sent to", "reported as", "after", "what it is for"), rows)


def delivery_outcomes() -> Iterator[str]:
    """Tabulate what can become of a message, and what to do about it."""
    rows = ((str(row.code), row.text, row.advice) for row in load().delivery_outcomes.values())
    yield from table(("code", "what the report says", "what to do"), rows)


def tags() -> Iterator[str]:
    """Tabulate the rules that give calls their tags."""
    rows = (
        (f"`{name}`", ", ".join(rule.edges) or "the call", _groups(rule), rule.brief, rule.source)
        for name, rule in load().quality.items()
        if rule.set == "tags"
    )
    yield from table(("tag", "edges", "rule", "what it says", "source"), rows)


def poor_streams() -> Iterator[str]:
    """Tabulate the rules by which a stream is poor."""
    rows = ((f"`{name}`", _groups(rule), rule.brief) for name, rule in load().quality.items() if rule.set != "tags")
    yield from table(("tag", "rule", "what it says"), rows)


def _groups(rule: QualityRule) -> str:
    wanted = " or ".join(f"`{written(group)}`" for group in rule.any)
    beside = [
        *([", ".join(rule.directions)] if rule.directions else []),
        *([" or ".join(one or "not said" for one in rule.media)] if rule.media else []),
        *([rule.direction] if rule.direction else []),
        *([f"capability {', '.join(filter(None, rule.capabilities))} or unknown"] if rule.capabilities else []),
        *([f"named {', '.join(rule.names)}"] if rule.names else []),
        *(["answered calls"] if rule.answered else []),
    ]
    return f"{wanted} ({'; '.join(beside)})" if beside else wanted


def eligible_plans() -> Iterator[str]:
    """Tabulate the service plans that let a Teams user communicate."""
    rows = ((f"`{name}`", f"`{row.id}`", row.brief) for name, row in load().service_plans.items() if row.eligible)
    yield from table(("servicePlanName", "servicePlanId", "what it is"), rows)


def measures() -> Iterator[str]:
    """Tabulate what can be asked."""
    rows = ((f"`{name}`", row.unit, row.brief) for name, row in load().measures.items())
    yield from table(("measure", "unit", "what it is"), rows)


def words() -> Iterator[str]:
    """Tabulate vendors' words for what can be asked."""
    rows = ((f"`{row['name']}`", f"`{row['is']}`", row["brief"]) for row in tables(load())["words"])
    yield from table(("word", "what it means", "what it is"), rows)


def codes() -> Iterator[str]:
    """Tabulate every code, family by family."""
    found = code_tables.read()
    for name, rows in code_tables.by_family(found).items():
        family = found.families[name]
        yield f"## {family.title}"
        yield ""
        yield f"`{name}`: {family.seen}."
        yield ""
        lines = (
            (
                f"`{row.written}`",
                row.name if row.code or row.subcode else "",
                row.category,
                row.fault,
                row.meaning,
                row.advice,
            )
            for row in rows
        )
        yield from table(("code", "name", "category", "fault", "what it means", "what to do"), lines)
        yield ""


def facts() -> Iterator[str]:
    """Tabulate the facts that can be posted: fields, units, allowed values, and a line to paste."""
    for operation, kind in OPERATIONS.items():
        route = load().services["api"].operations[operation].path
        yield f"### {kind.table.replace('_', ' ').capitalize()}"
        yield ""
        yield f"{(kind.__doc__ or '').partition('.')[0].strip()}: `POST {route}`, a line like"
        yield ""
        yield "```json"
        yield EXAMPLES[operation]
        yield "```"
        yield ""
        rows = []
        fields = msgspec.json.schema_components([posted(kind)])[1][posted(kind).__name__]["properties"]
        for name, column in columns(kind).items():
            if column.is_inner:
                continue
            values = ", ".join(f"`{value}`" for value in column.values) or _bounded(column.type_name, fields[name])
            needed = "yes" if column.is_required and name not in LEFT_OUT else ""
            rows.append((f"`{name}`", values, column.unit, needed, column.brief))
        yield from table(("field", "value", "unit", "needed", "what it holds"), rows)
        yield ""


def _bounded(kind: str, schema: dict[str, Any]) -> str:
    """Return what a field takes with its bounds, but for those that nobody meets."""
    for part in (schema, *schema.get("anyOf", ())):
        least, most = part.get("minimum"), part.get("maximum")
        if least is not None:
            return f"{kind}, {least} to {most}" if most < VAST else f"{kind}, from {least}"
        if "maxLength" in part:
            return f"{kind}, {part.get('minLength', 0) or 'up'} to {part['maxLength']}"
    return kind


BLOCKS: dict[str, Block] = {
    "settings": settings,
    "acs operations": acs_operations,
    "azure operations": azure_operations,
    "twilio operations": twilio_operations,
    "twilio words": twilio_words,
    "twilio filters": twilio_filters,
    "own operations": own_operations,
    "event types": event_types,
    "infobip operations": infobip_operations,
    "infobip metrics": vendor_words.metrics,
    "infobip dimensions": vendor_words.dimensions,
    "infobip filters": vendor_words.filters,
    "infobip codes": vendor_words.derived_codes,
    "simulated numbers": simulated_numbers,
    "delivery outcomes": delivery_outcomes,
    "codes": codes,
    "eligible plans": eligible_plans,
    "graph operations": graph_operations,
    "measures": measures,
    "log tables": log_tables.columns,
    "tags": tags,
    "poor streams": poor_streams,
    "words": words,
    "facts": facts,
    "coverage": coverage.summary,
    **{f"coverage of {name}": partial(coverage.of_document, name) for name in coverage.sheet().documents},
}


def _service(service: Service) -> Iterator[str]:
    yield f"### {service.title}"
    yield ""
    if service.metric:
        dimensions = ", ".join(f"`{name}`" for name in service.metric.dimensions)
        yield f"Counted by the metric `{service.metric.name}` with the dimensions {dimensions}."
        yield ""
    rows = []
    for name, row in service.operations.items():
        if not row.route:
            how = row.counted_on or f"{row.counted_as['operation']}, when {row.counted_as['when']}"
            counted = "counted" if service.built else "not yet"
            rows.append((f"`{name}`", "", counted, f"{row.brief} Counted on: {how}."))
            continue
        served = "yes" if service.built and name not in service.unserved else "501"
        why = f" {service.unserved[name]}" if name in service.unserved else ""
        rows.append((f"`{name}`", f"`{row.route}`", served, row.brief + why))
    yield from table(("operation", "route", "served", "what it does"), rows)
    yield ""


def _default(row: config.SettingRow) -> str:
    if isinstance(row.default, bool):
        return "yes" if row.default else "no"
    if row.default in {"", ()}:
        return ""
    if isinstance(row.default, tuple):
        return f"`{','.join(row.default)}`"
    return f"`{row.default}`"


def renewed(text: str) -> str:
    """Return a document with each generated part written anew; raises KeyError for an unknown part."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("<!-- generated: "):
            lines += [line, *BLOCKS[line.removeprefix("<!-- generated: ").removesuffix(" -->")]()]
            inside = True
        elif line.startswith("<!-- end -->"):
            inside = False
            lines.append(line)
        elif not inside:
            lines.append(line)
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the documents, or with --check name those that are stale."""
    stale = []
    for file in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        text = file.read_text(encoding="utf-8")
        fresh = renewed(text)
        if fresh != text:
            stale.append(file.relative_to(ROOT))
            if "--check" not in arguments:
                file.write_text(fresh, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is stale: run make docs' if '--check' in arguments else 'written'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
