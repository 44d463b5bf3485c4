"""What the catalogue knows of a word: a code, or an operation, a metric, an event type, a measure by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from trunkline.catalogue.codes.lookup import Explained, explained
from trunkline.catalogue.codes.table import read
from trunkline.catalogue.rows import Catalogue, Operation, Service
from trunkline.catalogue.words import Dictionary


class KnownCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One meaning of a code: its family, what it means, whose fault it is, and what to do.

    `note` says why it is among the answers where it is not what was asked for letter by letter.
    """

    family: str
    title: str
    seen: str
    code: str
    subcode: str
    name: str
    category: str
    meaning: str
    fault: str
    advice: str
    note: str = ""


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing of the catalogue: its kind, its name, what it is, and what else is known of it."""

    kind: str
    name: str
    brief: str
    facts: dict[str, str] = {}


class Nearby(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A family of codes, and those in it that come nearest."""

    family: str
    title: str
    codes: tuple[str, ...]


class Meaning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a word; where nothing is, the families that come near."""

    asked: str
    codes: tuple[KnownCode, ...] = ()
    things: tuple[Known, ...] = ()
    near: tuple[Nearby, ...] = ()

    @property
    def is_known(self) -> bool:
        """Tell whether anything is known of it."""
        return bool(self.codes or self.things)


def explanation(catalogue: Catalogue, text: str) -> Meaning:
    """Explain a code as people write it, or the name or the route of what stands in the catalogue."""
    of_code = explained(text)
    things = tuple(one for one in _things(catalogue) if _is_called(one, of_code.asked))
    return Meaning(asked=of_code.asked, codes=_codes(of_code), things=things, near=() if things else _nearby(of_code))


def _codes(of: Explained) -> tuple[KnownCode, ...]:
    families = read().families
    return tuple(
        KnownCode(
            title=families[found.code.family].title,
            seen=families[found.code.family].seen,
            note=found.note,
            **msgspec.structs.asdict(found.code),
        )
        for found in of.found
    )


def _nearby(of: Explained) -> tuple[Nearby, ...]:
    families = read().families
    return tuple(Nearby(family=near.family, title=families[near.family].title, codes=near.codes) for near in of.near)


def _is_called(thing: Known, asked: str) -> bool:
    names = (
        thing.name,
        thing.name.rpartition(".")[2] if thing.kind == "event type" else "",
        thing.facts.get("route", ""),
    )
    return bool(asked) and _letters(asked) in {_letters(name) for name in names if name}


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


# --- what there is ---


def _things(catalogue: Catalogue) -> Iterator[Known]:
    for service in catalogue.services.values():
        for row in service.operations.values():
            yield Known(kind="operation", name=row.name, brief=row.brief, facts=_of_operation(service, row))
        if metric := service.metric:
            counted = {"counts": f"the requests of {service.title}", "dimensions": ", ".join(metric.dimensions)}
            yield Known(kind="metric", name=metric.name, brief=metric.brief, facts=counted)
    for name, other in catalogue.other_metrics.items():
        yield Known(kind="metric", name=name, brief=other.brief, facts={"dimensions": ", ".join(other.dimensions)})
    for name, happening in catalogue.happenings.items():
        yield Known(kind="happening", name=name, brief=happening.brief, facts={"carries": ", ".join(happening.carries)})
    for name, event in catalogue.event_types.items():
        yield Known(
            kind="event type", name=name, brief=event.brief, facts={"told on": event.on, "subject": event.subject}
        )
    for name, brief in catalogue.untold_event_types.items():
        yield Known(kind="event type", name=name, brief=brief, facts={"told on": "nothing yet"})
    dictionary = Dictionary(catalogue)
    for name, measure in catalogue.measures.items():
        yield Known(kind="measure", name=name, brief=measure.brief, facts={"unit": measure.unit})
    for name, meaning in dictionary.meanings.items():
        yield Known(kind="word for a measure", name=name, brief=dictionary.measures[name].brief, facts={"is": meaning})


def _of_operation(service: Service, row: Operation) -> dict[str, str]:
    reason = service.unserved.get(row.name, "")
    is_there = service.built and not reason
    counted = row.counted_on or (
        f"{row.counted_as['operation']}, when {row.counted_as['when']}" if row.counted_as else ""
    )
    facts = {
        "service": f"{service.title} ({service.vendor})",
        "route": row.route,
        "served": ("yes" if is_there else f"no: it answers 501. {reason}".strip()) if row.route else "",
        "counted on": counted,
        "counted by": service.metric.name if service.metric else "",
        "who may": row.auth if row.auth != "key" else row.needed,
        "tells of": ", ".join(row.emits),
    }
    return {name: value for name, value in facts.items() if value}
