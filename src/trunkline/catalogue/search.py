"""The catalogue's tables as plain data, and a search through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trunkline.catalogue.rows import Catalogue, IdForm, Operation, Service
from trunkline.catalogue.words import Dictionary

Row = dict[str, Any]


def tables(catalogue: Catalogue, wanted: str = "") -> dict[str, list[Row]]:
    """Return every table, the services with their operations.

    With words in `wanted`, only rows in which each word stands, in any case; a word that is a service's name
    or title, or its metric, stands in each of its operations.
    """
    words = wanted.lower().split()
    services = [_service(service, words) for vendor in _vendors(catalogue) for service in catalogue.of_vendor(vendor)]
    return {
        "services": [service for service in services if service["operations"]],
        "other_metrics": [
            {"name": name, "display": row.display, "brief": row.brief, "dimensions": row.dimensions}
            for name, row in catalogue.other_metrics.items()
            if _holds(words, name, row.display, row.brief, *row.dimensions)
        ],
        "measures": [
            {"name": name, "unit": row.unit, "brief": row.brief}
            for name, row in catalogue.measures.items()
            if _holds(words, name, row.unit, row.brief)
        ],
        "words": [row for row in _words(catalogue) if _holds(words, *row.values())],
        "happenings": [
            {"name": name, "brief": row.brief, "carries": row.carries}
            for name, row in catalogue.happenings.items()
            if _holds(words, name, row.brief)
        ],
        "event_types": [
            {"name": name, "on": row.on, "subject": row.subject, "preview_of": row.preview_of, "brief": row.brief}
            for name, row in catalogue.event_types.items()
            if _holds(words, name, row.on, row.subject, row.brief)
        ],
        "untold_event_types": [
            {"name": name, "brief": brief}
            for name, brief in catalogue.untold_event_types.items()
            if _holds(words, name, brief)
        ],
        "delivery_outcomes": [
            {"name": name, "code": row.code, "text": row.text, "advice": row.advice}
            for name, row in catalogue.delivery_outcomes.items()
            if _holds(words, name, str(row.code), row.text, row.advice)
        ],
        "simulated_numbers": [
            {"name": number, "outcome": row.outcome, "brief": row.brief}
            for number, row in catalogue.simulated_numbers.items()
            if _holds(words, number, row.outcome, row.brief)
        ],
    }


def _words(catalogue: Catalogue) -> Iterator[dict[str, str]]:
    """Yield vendors' words for what can be asked, and what they mean."""
    dictionary = Dictionary(catalogue)
    for name, meaning in dictionary.meanings.items():
        yield {"name": name, "is": meaning, "brief": dictionary.measures[name].brief}
    for vendor in catalogue.words.values():
        for name, row in vendor.dimensions.items():
            yield {
                "name": name,
                "is": row.column or (f"step {row.step}" if row.step else "nothing"),
                "brief": f"A dimension of {vendor.title}.",
            }


def _vendors(catalogue: Catalogue) -> list[str]:
    return list(dict.fromkeys(service.vendor for service in catalogue.services.values()))


def _service(service: Service, words: list[str]) -> Row:
    metric = service.metric
    names = (service.name, service.title, service.vendor, metric.name if metric else "")
    return {
        "name": service.name,
        "title": service.title,
        "vendor": service.vendor,
        "metric": {"name": metric.name, "display": metric.display, "dimensions": list(metric.dimensions)}
        if metric
        else None,
        "operations": [
            _operation(service, row)
            for row in service.operations.values()
            if _holds(words, *names, row.name, row.route, row.brief, *row.emits, row.counted_on)
        ],
    }


def _operation(service: Service, row: Operation) -> Row:
    """One operation; `served` is yes, 501 (known, not served yet), or counted (it has no route of its own)."""
    is_there = service.built and row.name not in service.unserved
    counted = row.counted_on
    if row.counted_as:
        counted = f"{row.counted_as.get('operation', '')}, when {row.counted_as.get('when', '')}"
    return {
        "name": row.name,
        "route": row.route,
        "counted_on": counted,
        "served": ("yes" if is_there else "501") if row.route else ("counted" if service.built else "not yet"),
        "emits": row.emits,
        "brief": row.brief,
    }


def _holds(words: list[str], *texts: str) -> bool:
    text = "\n".join(texts).lower()
    return all(word in text for word in words)


def forms(known: Mapping[str, IdForm], text: str) -> list[IdForm]:
    """Return the forms of ids that a text has; all there are if it has none, for whoever asks where to look."""
    return [form for form in known.values() if re.fullmatch(form.pattern, text)] or list(known.values())
