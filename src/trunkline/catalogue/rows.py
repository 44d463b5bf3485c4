"""The shapes of the catalogue's rows."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

_ARRIVED = 2000
"""The code of a message that arrived."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a table in TOML; an unknown field is an error."""


class Operation(Row, frozen=True, kw_only=True):
    """One operation of an API.

    `route` is a method and a path with {parameters}. A row without a route names what counts it instead:
    the happening (`counted_on`) or the kind of request (`counted_as`: operation and when). `needs` is what a caller
    must be allowed to do, where the method does not tell it. Of one that `streams`, the handler reads the body itself,
    once the caller is known.
    """

    brief: str
    route: str = ""
    auth: Literal["resource", "user", "management", "directory", "key", "account", "open"] = "resource"
    needs: Literal["", "read", "write", "change", "admin"] = ""
    emits: tuple[str, ...] = ()
    counted_on: str = ""
    counted_as: dict[str, str] = {}
    mission: bool = False
    streams: bool = False
    name: str = ""
    service: str = ""

    @property
    def method(self) -> str:
        """Return the HTTP method of the route."""
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        """Return the path template of the route."""
        return self.route.partition(" ")[2]

    @property
    def needed(self) -> str:
        """What a caller must be allowed to do: read, write (post facts), change things, or administer."""
        return self.needs or ("read" if self.method in {"GET", "HEAD"} else "change")


class Metric(Row, frozen=True, kw_only=True):
    """How a vendor's monitoring shows the requests of a service.

    `dimensions` maps the metric's own dimension names to columns of the Request fact; `unknown` is the
    operation under which an unknown route is counted.
    """

    name: str
    display: str
    brief: str
    primary: str = "Count"
    dimensions: dict[str, str]
    unknown: str = "Bad Route"


class OtherMetric(Row, frozen=True, kw_only=True):
    """A vendor's metric that does not count requests; it answers nothing until its service is built."""

    display: str
    brief: str
    primary: str = "Count"
    dimensions: tuple[str, ...] = ()


class Limit(Row, frozen=True, kw_only=True):
    """How many requests of these operations together are taken within some seconds, counted for each of what.

    Source: the vendor's documented service limits. `user in thread` counts each user's requests to each thread.
    """

    operations: tuple[str, ...]
    per: Literal["resource", "user", "thread", "user in thread"]
    count: int
    seconds: int


class Service(Row, frozen=True, kw_only=True):
    """One service of a vendor: its operations and the metric that counts them.

    `versions` are the API versions that the SDKs send (any is accepted); `unserved` says why single
    operations of a built service are not served; `limits` are applied when the server is set to.
    """

    title: str
    prefixes: tuple[str, ...]
    built: bool = False
    versions: tuple[str, ...] = ()
    metric: Metric | None = None
    operations: dict[str, Operation]
    unserved: dict[str, str] = {}
    limits: tuple[Limit, ...] = ()
    vendor: str = ""
    name: str = ""


Aggregate = Literal[
    "", "count", "sum", "avg", "min", "max", "last", "distinct", "p05", "p25", "p50", "p75", "p90", "p95", "p99"
]


Calendar = Literal[
    "", "minute", "hour", "day", "week", "week from sunday", "week from saturday", "month", "quarter", "year"
]
"""The steps of the calendar."""


class Measure(Row, frozen=True, kw_only=True, rename={"source": "from"}):
    """What can be asked of the facts: an aggregate of a column, or a ratio of two measures.

    Counted are the facts whose columns are what `where` says, and are not what `unless` says. `agg` is count, sum,
    avg, min, max, last (the latest that is known), distinct, or a percentile such as p95 (between two values, the part
    of the way). `factor` is what that is multiplied by, for another unit. In a sum a value counts as `least` if it is
    less. `within_s` leaves out what came later than so many seconds after the fact happened, by the column that tells
    when. Of measures that stand `apart` a question shows no split in which nothing was counted by any.
    """

    brief: str
    unit: str
    source: str = ""
    agg: Aggregate = ""
    column: str = ""
    where: dict[str, str | int | bool | list[str | int]] = {}
    unless: dict[str, str | int | bool | list[str | int]] = {}
    ratio: tuple[str, ...] = ()
    factor: float = 1.0
    least: int = 0
    within_s: dict[str, int] = {}
    apart: bool = False

    @property
    def share(self) -> float | None:
        """The share of the values that lie below a percentile; None for any other aggregate."""
        return int(self.agg[1:]) / 100 if self.agg[:1] == "p" else None


class Threshold(Row, frozen=True, kw_only=True):
    """What a value is compared with; `above` may name another value."""

    value: str
    least: float | None = None
    most: float | None = None
    above: float | str | None = None
    below: float | None = None


class QualityRule(Row, frozen=True, kw_only=True):
    """What says that something was wrong with a stream, a call, or by its events: all thresholds of any group hold.

    It is about streams of the `edges`, `directions` and `media` (all of them when there are none), and calls of the
    `capabilities` and the `direction`; with `answered` of none that were not. `names` are those of the events, after
    their topic and a slash where it is of one topic.
    """

    brief: str
    source: str
    set: Literal["tags", "poor streams"]
    of: Literal["streams", "calls", "events"]
    any: tuple[tuple[Threshold, ...], ...]
    edges: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    direction: Literal["", "inbound", "outbound"] = ""
    capabilities: tuple[str, ...] = ()
    answered: bool = False
    names: tuple[str, ...] = ()


RULED_VALUES = {
    "streams": (
        "jitter_avg_ms",
        "jitter_max_ms",
        "delayed_percent",
        "loss_percent",
        "latency_avg_ms",
        "rtt_avg_ms",
        "mos_avg",
        "packets_received",
        "audio_in_level",
        "jitter_buffer_avg_ms",
        "jitter_buffer_max_ms",
        "healed_percent",
        "frames_per_second",
        "height_px",
        "freeze_per_minute_ms",
    ),
    "calls": ("dial_ms", "dial_p95_ms", "talk_ms"),
    "events": ("events",),
}
"""The values that rules compare, by what they are about."""


class Happening(Row, frozen=True, kw_only=True):
    """What can happen, in neutral words, and which facts its event carries.

    `example` holds what an event fired by hand carries where that cannot be guessed; "now" is the moment, {guid} an id.
    """

    brief: str
    carries: tuple[str, ...]
    example: dict[str, Any] = {}


class EventType(Row, frozen=True, kw_only=True):
    """A vendor's event type: told on which happening, for each of what, with which subject and data.

    `subject` is a template over what the event carries. `data` maps the payload's keys to what the event
    carries, optionally through a conversion (`"sender_id | identifier"`); `camel` is the same where camel case is
    wanted instead. `id` names what the event carries as its id, otherwise one is derived. `preview_of` marks a former
    name that is only sent to who asks for it, `is_named_only` what is told to nobody else whatever the settings say.
    """

    on: str
    brief: str
    subject: str
    data: dict[str, str]
    camel: dict[str, str] = {}
    each: Literal["", "recipient", "participant"] = ""
    id: str = ""
    time: Literal["full", "seconds"] = "full"
    preview_of: str = ""
    is_named_only: bool = False
    name: str = ""


class DeliveryOutcome(Row, frozen=True, kw_only=True):
    """What can become of a message: the vendor's code, what a delivery report says, whose fault it is, what to do."""

    code: int
    text: str
    fault: str
    advice: str

    @property
    def details(self) -> str:
        """What a report says: the text alone when it arrived, otherwise with the code before it."""
        return self.text if self.code == _ARRIVED else f"{self.code}: {self.text}"


class ServicePlan(Row, frozen=True, kw_only=True):
    """A part of a licence; an eligible one lets its user communicate as a Teams user."""

    id: str
    eligible: bool
    brief: str


class SimulatedNumber(Row, frozen=True, kw_only=True):
    """A number that the simulated carrier treats in a way of its own; `outcome` "" is never reported."""

    brief: str
    outcome: str
    after_ms: int = 250
    refusals: int = 0


class MetricWord(Row, frozen=True, kw_only=True, rename={"means": "is"}):
    """A vendor's word for a measure: its group, label and type as the vendor has them, and a unit that differs.

    `factor` is what our measure is multiplied by, `unit` what that gives. `only` names the channels that it is of, if
    not all that our facts know; `otherwise` another measure for some of them. A word for what nothing here records says
    so in `lacks`, and names no measure.
    """

    group: str
    label: str
    type: str
    means: str = ""
    factor: float = 1.0
    unit: str = ""
    only: tuple[str, ...] = ()
    otherwise: dict[str, str] = {}
    lacks: str = ""


Form = Literal["", "name", "number", "code", "key", "domain"]


class DimensionWord(Row, frozen=True, kw_only=True, rename={"form": "as"}):
    """A vendor's word for a column, or for a step of the calendar.

    `form` is how the vendor writes what stands in the column: a name, number or key that it goes by, or a code of its
    own where facts carry none. `values` maps the vendor's words for it to ours. `ranges_s` are the beginnings of ranges
    in seconds, of a column in milliseconds or since the fact happened. `also` are other words that a filter takes: the
    vendor's for what never occurs here, and ours for what it has no word for; `only` names the channels that it is of.
    A word for what nothing here records says so in `lacks`.
    """

    type: str
    column: str = ""
    step: Calendar = ""
    form: Form = ""
    values: dict[str, str] = {}
    ranges_s: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    lacks: str = ""


OF_QUESTIONS = ("start", "end", "family", "pairs")
"""What a filter can be about beside a dimension: the span's ends, the accounts below, applications with entities."""


class Words(Row, frozen=True, kw_only=True):
    """A vendor's words for what can be asked.

    `filters` names what each filter is about: a dimension, or one of `OF_QUESTIONS`.
    """

    title: str
    metrics: dict[str, MetricWord]
    dimensions: dict[str, DimensionWord]
    filters: dict[str, str]


class IdForm(msgspec.Struct, frozen=True, kw_only=True):
    """What an id of one form may be: a regular expression that it matches as a whole, and where people find it."""

    pattern: str
    may_be: str
    where: str
    name: str = ""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that exists, read and cross-checked."""

    services: dict[str, Service]
    other_metrics: dict[str, OtherMetric]
    measures: dict[str, Measure]
    happenings: dict[str, Happening]
    event_types: dict[str, EventType]
    untold_event_types: dict[str, str] = {}
    delivery_outcomes: dict[str, DeliveryOutcome] = {}
    simulated_numbers: dict[str, SimulatedNumber] = {}
    words: dict[str, Words] = {}
    quality: dict[str, QualityRule] = {}
    ids: dict[str, IdForm] = {}
    service_plans: dict[str, ServicePlan] = {}

    def of_vendor(self, vendor: str) -> list[Service]:
        """List the services of one vendor, by title."""
        return sorted((s for s in self.services.values() if s.vendor == vendor), key=lambda s: s.title)
