"""The catalogue's own checks: each kind of mistake is found, and named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from trunkline.catalogue.facts import KINDS, status_class
from trunkline.catalogue.load import VENDORS, load, problems
from trunkline.catalogue.rows import (
    Catalogue,
    EventType,
    Happening,
    Measure,
    Metric,
    Operation,
    OtherMetric,
    QualityRule,
    Service,
    Threshold,
)
from trunkline.errors import ConfigurationError

SOUND = Catalogue(
    services={
        "things": Service(
            title="Things",
            prefixes=("/things",),
            built=True,
            name="things",
            vendor="acs",
            metric=Metric(
                name="Requests",
                display="R",
                brief="b",
                dimensions={"Operation": "operation", "Country": "extra.country"},
            ),
            unserved={"Later": "Not yet."},
            operations={
                name: Operation(name=name, service="things", brief="b", **given)
                for name, given in {
                    "Make": {"route": "POST /things", "emits": ("thing.made",)},
                    "Get": {"route": "GET /things/{thing}"},
                    "Close": {"route": "POST /things/{thing}:close"},
                    "Later": {"route": "GET /things/later"},
                    "Told": {"counted_on": "thing.made"},
                    "Kind": {"counted_as": {"operation": "Make", "when": "always"}},
                }.items()
            },
        ),
        "others": Service(
            title="Others",
            prefixes=("/others",),
            name="others",
            vendor="acs",
            operations={"List": Operation(name="List", service="others", brief="b", route="GET /others")},
        ),
    },
    other_metrics={"Sent": OtherMetric(display="S", brief="b")},
    measures={
        "count": Measure(source="requests", agg="count", unit="count", brief="b"),
        "failed": Measure(source="requests", agg="count", where={"status_class": ["4xx"]}, unit="count", brief="b"),
        "slowest": Measure(
            source="requests", agg="max", column="duration_ms", where={"served": True}, unit="ms", brief="b"
        ),
        "rate": Measure(ratio=("failed", "count"), unit="share", brief="b"),
        "attempts": Measure(source="attempts", agg="count", unit="count", brief="b"),
    },
    happenings={"thing.made": Happening(brief="b", carries=("thing_id", "recipients"))},
    event_types={
        "Thing.Made": EventType(
            name="Thing.Made",
            on="thing.made",
            each="recipient",
            brief="b",
            subject="thing/{thing_id}/to/{recipient_id}",
            data={"thingId": "thing_id", "to": "recipient_id | identifier", "when": "at | time"},
        )
    },
)


def changed(place: str, **fields: Any) -> Catalogue:
    """Return the catalogue with some fields of one row changed; the place is table/row or table/row/part/row."""
    return _changed(SOUND, place.split("/"), fields)


def _changed(row: Any, path: list[str], fields: dict[str, Any]) -> Any:
    if not path:
        return {**row, **fields} if isinstance(row, dict) else msgspec.structs.replace(row, **fields)
    first, *rest = path
    if isinstance(row, dict):
        return {**row, first: _changed(row[first], rest, fields)}
    return msgspec.structs.replace(row, **{first: _changed(getattr(row, first), rest, fields)})


def with_operation(**given: Any) -> Catalogue:
    """Return the catalogue with one more operation in the second service."""
    row = Operation(**{"name": "New", "service": "others", "brief": "b", **given})
    operations = {**SOUND.services["others"].operations, row.name: row}
    return changed("services/others", operations=operations)


def test_a_sound_catalogue_has_no_problems() -> None:
    """Neither this small one nor our own."""
    assert list(problems(SOUND)) == []
    assert list(problems(load())) == []


MAKE, METRIC = "services/things/operations/Make", "services/things/metric"
TYPE = "event_types/Thing.Made"
MISTAKES: dict[str, tuple[Catalogue, str]] = {
    "an operation without a brief": (changed(MAKE, brief=""), "things.toml Make has no brief"),
    "an operation without a way": (
        changed(MAKE, route=""),
        "Make needs exactly one of route, counted_on and counted_as",
    ),
    "an operation with two ways": (changed(MAKE, counted_on="thing.made"), "Make needs exactly one of"),
    "an unknown happening": (changed(MAKE, emits=("thing.lost",)), "names thing.lost, which events.toml does not know"),
    "counted on nothing": (changed("services/things/operations/Told", counted_on="x"), "Told names x, which"),
    "counted as nothing": (
        changed("services/things/operations/Kind", counted_as={"operation": "X"}),
        "counted as X, which",
    ),
    "counted as unsaid": (
        changed("services/things/operations/Kind", counted_as={"when": "x"}),
        "counted as None, which",
    ),
    "the same route": (with_operation(route="GET /things/{other}"), "others.toml New has the route of things.toml Get"),
    "the same route in another case": (
        with_operation(route="GET /Things/{other}"),
        "New has the route of things.toml Get",
    ),
    "the same name": (
        with_operation(name="Get", route="GET /others/x"),
        "others.toml Get has the name of things.toml Get",
    ),
    "an unknown method": (with_operation(route="FETCH /others/x"), "New has a route that is not METHOD /literal"),
    "no path": (with_operation(route="GET others"), "New has a route that is not METHOD /literal"),
    "a brace left open": (with_operation(route="GET /others/{x"), "New has a route that is not METHOD /literal"),
    "a parameter in the middle": (
        with_operation(route="GET /others/a{x}"),
        "New has a route that is not METHOD /literal",
    ),
    "a scope in the middle": (with_operation(route="GET /others/{x*}/y"), "a {scope*} elsewhere than at the start"),
    "a route elsewhere": (
        with_operation(route="GET /elsewhere"),
        "New has a route under none of its service's prefixes",
    ),
    "a route beside the prefix": (with_operation(route="GET /othersx"), "under none of its service's prefixes"),
    "a reason for nothing": (
        changed("services/things", unserved={"X": "y"}),
        "gives a reason for X, which is no operation",
    ),
    "no prefix": (changed("services/others", prefixes=()), "others.toml needs a title and a prefix"),
    "no title": (changed("services/others", title=""), "others.toml needs a title and a prefix"),
    "a metric without a brief": (changed(METRIC, brief=""), "the metric of things.toml has no brief"),
    "a metric twice": (changed(METRIC, name="Sent"), "things.toml and other_metrics.toml have the same metric"),
    "a dimension over nothing": (changed(METRIC, dimensions={"X": "nothing"}), "has a dimension over nothing, which"),
    "a dimension of another fact": (changed(METRIC, dimensions={"X": "parcel"}), "has a dimension over parcel, which"),
    "a map without an entry": (changed(METRIC, dimensions={"X": "extra"}), "has a dimension over extra, which"),
    "an entry without a map": (changed(METRIC, dimensions={"X": "status.x"}), "has a dimension over status.x, which"),
    "another metric without a brief": (changed("other_metrics/Sent", brief=""), "the metric Sent has no brief"),
    "a measure without a brief": (changed("measures/count", brief=""), "measure count has no brief"),
    "a measure of nothing": (changed("measures/count", source="dreams"), "measure count needs a fact and an aggregate"),
    "a measure without an aggregate": (
        changed("measures/count", agg=""),
        "measure count needs a fact and an aggregate",
    ),
    "a measure of no column": (changed("measures/slowest", column=""), "slowest must name a column unless it counts"),
    "a count of a column": (changed("measures/count", column="status"), "count must name a column unless it counts"),
    "a measure of an unknown column": (
        changed("measures/slowest", column="x"),
        "names the column x, which requests has not",
    ),
    "a measure of words": (changed("measures/slowest", column="caller"), "computes with caller, which is no number"),
    "a condition on nothing": (
        changed("measures/failed", where={"x": 1}),
        "names the column x, which requests has not",
    ),
    "a condition of another kind": (
        changed("measures/failed", where={"status": ["4xx"]}),
        "compares status with a value",
    ),
    "a number for a yes or no": (changed("measures/failed", where={"served": 1}), "compares served with a value"),
    "a condition on no value": (changed("measures/failed", where={"status": []}), "compares status with a value"),
    "a ratio of one": (
        changed("measures/rate", ratio=("count",)),
        "must be a ratio of two measures that are no ratios",
    ),
    "a ratio of nothing": (changed("measures/rate", ratio=("count", "x")), "must be a ratio of two measures"),
    "a ratio of itself": (changed("measures/rate", ratio=("rate", "count")), "must be a ratio of two measures"),
    "a ratio over two facts": (
        changed("measures/rate", ratio=("count", "attempts")),
        "is a ratio over two different facts",
    ),
    "a ratio and a count": (changed("measures/rate", agg="count"), "measure rate is a ratio and something else"),
    "a happening without a brief": (
        changed("happenings/thing.made", brief=""),
        "the happening thing.made has no brief",
    ),
    "an event type without a brief": (changed(TYPE, brief=""), "event type Thing.Made has no brief"),
    "an event type on nothing": (changed(TYPE, on="x"), "event type Thing.Made is told on x, which"),
    "a subject of nothing": (changed(TYPE, subject="{x}"), "tells x, which thing.made does not carry"),
    "data of nothing": (changed(TYPE, data={"x": "y | time"}), "tells y, which thing.made does not carry"),
    "a recipient of an event for all": (changed(TYPE, each=""), "tells recipient_id, which thing.made does not carry"),
    "each of nobody": (
        changed(TYPE, each="participant"),
        "for each participant, but thing.made carries no participants",
    ),
    "a preview of nothing": (changed(TYPE, preview_of="x"), "is the preview of x, which does not exist"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found_and_named(mistake: str) -> None:
    """With the row in which it stands."""
    catalogue, sentence = MISTAKES[mistake]
    found = list(problems(catalogue))
    assert any(sentence in each for each in found), found


def test_a_happening_of_a_service_yet_to_come_may_be_yet_to_come() -> None:
    """What counts on it is known before it is built."""
    assert list(problems(with_operation(counted_on="not.yet"))) == []


def test_a_wrong_catalogue_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start fails with the first mistake, before a port opens."""
    from trunkline.catalogue import load as module  # noqa: PLC0415 - the module, not the function

    monkeypatch.setattr(module, "problems", lambda _: iter(["chat.toml X has no brief"]))
    with pytest.raises(ConfigurationError, match=r"^The catalogue is wrong: chat\.toml X has no brief\.$"):
        module.load.__wrapped__()


class Page:
    """A page of the catalogue in a test's hand."""

    name = "page.toml"

    def __init__(self, text: str) -> None:
        self._text = text

    def read_text(self, encoding: str) -> str:
        """Return the text."""
        assert encoding == "utf-8"
        return self._text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = ", "page.toml is not valid TOML"),
        ('[a]\nbrief = "b"\nunit = "u"\nfrom = "requests"\nagg = "median"', "page.toml a: Invalid enum value 'median'"),
        ('[a]\nbrief = "b"\nunit = "u"\nfolks = 1', "page.toml a: Object contains unknown field `folks`"),
        ('[a]\nunit = "u"', "page.toml a: Object missing required field `brief`"),
    ],
)
def test_a_page_that_cannot_be_read_is_named(text: str, sentence: str) -> None:
    """With the row, where there is one."""
    from trunkline.catalogue.reading import table  # noqa: PLC0415 - what reads one page

    with pytest.raises(ConfigurationError) as wrong:
        table(Page(text), Measure)  # type: ignore[arg-type]
    assert sentence in wrong.value.message


def test_every_row_knows_its_name_service_and_vendor() -> None:
    """They are where they stand, not written twice."""
    for name, service in load().services.items():
        assert service.name == name
        assert service.vendor in VENDORS
        for key, row in service.operations.items():
            assert (row.name, row.service) == (key, name)
    for name, row in load().event_types.items():
        assert row.name == name


def test_the_kinds_of_facts_have_tables_of_their_own() -> None:
    """And columns that a store can keep."""
    assert len({kind.table for kind in KINDS}) == len(KINDS)
    assert [status_class(status) for status in (200, 299, 404, 503)] == ["2xx", "2xx", "4xx", "5xx"]


LOUD = QualityRule(
    brief="b", source="s", set="tags", of="streams", any=((Threshold(value="jitter_avg_ms", above=1.0),),)
)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, None),
        ({"brief": ""}, "the rule loud needs a brief and a source"),
        ({"edges": ("gate",)}, "the rule loud is about an edge or a direction that there is not"),
        ({"directions": ("up",)}, "the rule loud is about an edge or a direction that there is not"),
        ({"media": ("smell",)}, "the rule loud is about media that there are not"),
        ({"capabilities": ("smoke",)}, "the rule loud is about a capability that there is not"),
        ({"names": ("ice failed",)}, "the rule loud needs names of events if it is about events, and only then"),
        ({"any": ()}, "the rule loud compares nothing"),
        ({"any": ((),)}, "the rule loud compares nothing"),
        ({"any": ((Threshold(value="talk_ms", above=1.0),),)}, "compares talk_ms, which streams have not"),
        ({"any": ((Threshold(value="mos_avg", above="dial_ms"),),)}, "or with what they have not"),
        ({"any": ((Threshold(value="mos_avg"),),)}, "the rule loud needs exactly one limit for mos_avg"),
        ({"any": ((Threshold(value="mos_avg", least=1, most=2),),)}, "needs exactly one limit for mos_avg"),
    ],
)
def test_a_rule_of_quality_is_checked(changes: dict[str, Any], wrong: str | None) -> None:
    """What it is about and what it compares must exist."""
    rules = {"loud": msgspec.structs.replace(LOUD, **changes)}
    found = list(problems(msgspec.structs.replace(SOUND, quality=rules)))
    if wrong is None:
        assert found == []
    else:
        assert any(wrong in sentence for sentence in found)
