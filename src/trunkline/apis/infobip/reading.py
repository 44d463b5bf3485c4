"""Reads a query: every word looked up, everything that is wrong told at once, each with the property that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from trunkline.apis.infobip.errors import invalid
from trunkline.apis.infobip.query import CHANNEL_CODE, Bucket, Query, Value, bucket_name
from trunkline.catalogue.infobip.codes import GROUPS
from trunkline.catalogue.rows import DimensionWord, Words
from trunkline.catalogue.words import nearest
from trunkline.clock import parse_rfc3339
from trunkline.errors import InvalidError
from trunkline.telemetry import calendar

MOST_VALUES = 1000
MOST_STEPS = 10_000
MOST_VIOLATIONS = 100
LONGEST_VALUE = 200
_LARGEST = 2**63 - 1
_EARLIEST = datetime(1900, 1, 2, tzinfo=UTC)
_LATEST = datetime(2199, 12, 30, tzinfo=UTC)
_REQUEST, _FILTER = "request", "request.filterBy"
_NUMBERED = "INTEGER"
Json = dict[str, Any]


class Reading:
    """One query being read.

    `accounts` are those that the caller may ask for, by every name that they go by, each with those below it; `own` is
    the caller's. `check_url` raises InvalidError for an address that nothing is sent to.
    """

    def __init__(
        self, words: Words, accounts: Mapping[str, tuple[str, ...]], own: str, check_url: Callable[[str], Any]
    ) -> None:
        self._words = words
        self._accounts = accounts
        self._own = own
        self._check_url = check_url
        self._wrong: list[tuple[str, str]] = []

    def read(self, body: bytes) -> tuple[Query, str]:
        """Return the query and where its result goes, "" being nowhere. Raises InvalidError with all violations."""
        try:
            given = msgspec.json.decode(body or b"null")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid([("body", f"The body is not valid JSON: {error}.")]) from error
        if not isinstance(given, dict):
            raise invalid([("body", "The body must be a JSON object with callbackUrl and request.")])
        self._known("", given, ("callbackUrl", "request"))
        url = self._url(given.get("callbackUrl"))
        request = self._object(_REQUEST, given.get("request"))
        self._known(_REQUEST, request, ("filterBy", "aggregateBy", "metrics", "timeZone"))
        zone = self._zone(request.get("timeZone"))
        found = self._filters(self._object(_FILTER, request.get("filterBy")))
        by = self._by(request)
        metrics = self._names(f"{_REQUEST}.metrics", request.get("metrics"), self._words.metrics, "metric")
        if not metrics and "metrics" in request and request["metrics"] in ([], ""):
            self._say(f"{_REQUEST}.metrics", "At least one metric must be given.")
        self._check_span(found, by)
        if self._wrong:
            raise invalid(self._wrong[:MOST_VIOLATIONS])
        return Query(by=by, metrics=metrics, zone=zone, **found), url

    def _say(self, name: str, text: str) -> None:
        self._wrong.append((name, text))

    # --- shapes ---

    def _object(self, name: str, given: Any) -> Json:
        if isinstance(given, dict):
            return given
        self._say(name, "must be given, as an object." if given is None else "must be an object.")
        return {}

    def _known(self, where: str, given: Json, names: tuple[str, ...]) -> None:
        for name in given:
            if name not in names:
                self._say(
                    f"{where}.{name}".lstrip(".")[:LONGEST_VALUE], f"There is no such property{nearest(name, names)}."
                )

    def _listed(self, name: str, given: Any) -> Iterator[tuple[str, Any]]:
        """Yield what stands in an array, or a single value, each once with the name of its place."""
        many = given if isinstance(given, list) else [given]
        if len(many) > MOST_VALUES:
            self._say(name, f"has more than {MOST_VALUES} values.")
            return
        seen: list[Any] = []
        for place, one in enumerate(many):
            if one not in seen[-100:]:
                seen.append(one)
                yield (f"{name}[{place}]" if isinstance(given, list) else name), one

    def _names(self, name: str, given: Any, known: Mapping[str, Any], what: str) -> tuple[str, ...]:
        """Read names that are known, each once; raises nothing, and says what is wrong."""
        if given is None:
            self._say(name, f"must be given: an array of {what}s.")
            return ()
        found: dict[str, None] = {}
        for place, one in self._listed(name, given):
            if not isinstance(one, str):
                self._say(place, f"must be the name of a {what}.")
            elif one not in known:
                self._say(place, f"There is no {what} {one[:60]!r}{nearest(one, known)}.")
            else:
                found[one] = None
        return tuple(found)

    # --- parts ---

    def _url(self, given: Any) -> str:
        if given is None:
            return ""
        try:
            if not isinstance(given, str):
                raise InvalidError("must be an address.")  # noqa: TRY301 - one place that says so
            self._check_url(given)
        except InvalidError as error:
            self._say("callbackUrl", error.message)
            return ""
        return given

    def _zone(self, given: Any) -> str:
        if given is None:
            return ""
        try:
            calendar.zone(given if isinstance(given, str) else "")
        except InvalidError as error:
            self._say(f"{_REQUEST}.timeZone", error.message)
            return ""
        return str(given)

    def _by(self, request: Json) -> tuple[str, ...]:
        """Return the dimensions: of those of time the finest one, and the channel in any case."""
        dimensions = self._words.dimensions
        asked = self._names(f"{_REQUEST}.aggregateBy", request.get("aggregateBy"), dimensions, "dimension")
        steps = [name for name in asked if dimensions[name].step]
        finest = min(steps, key=lambda name: calendar.STEPS[dimensions[name].step].seconds, default="")
        kept = [name for name in asked if name not in steps or name == finest]
        return tuple(dict.fromkeys([*kept, CHANNEL_CODE]))

    # --- filters ---

    def _filters(self, given: Json) -> Json:
        """Return what the filters say, as parts of a query."""
        found: Json = {"filters": {}, "spans": {}}
        heard: dict[str, str] = {}
        family = False
        for spelled, value in given.items():
            name, about = f"{_FILTER}.{spelled}"[:LONGEST_VALUE], self._words.filters.get(spelled)
            if about is None:
                self._say(name, f"There is no such filter{nearest(spelled, self._words.filters)}.")
            elif value is None or value == []:
                continue
            elif heard.setdefault(about, spelled) != spelled:
                self._say(name, f"is the same filter as {heard[about]}: give one of them.")
            elif about in {"start", "end"}:
                found["since" if about == "start" else "until"] = self._moment(name, value)
            elif about == "family":
                family = self._switch(name, value)
            elif about == "pairs":
                found["pairs"] = self._pairs(name, value)
            else:
                self._filter(name, about, value, found)
        for part, spelled in (("since", "sentSince"), ("until", "sentUntil")):
            if part not in found:
                self._say(f"{_FILTER}.{spelled}", "must be given, like 2025-06-01T00:00:00.000+0000.")
        found["channels"] = found["filters"].pop(CHANNEL_CODE, ())
        if CHANNEL_CODE not in heard:
            self._say(f"{_FILTER}.channelCodes", "must be given: at least one channel.")
        asked = found["filters"].pop("ACCOUNT_KEY", ()) or (self._own,)
        below = [self._accounts[name] if family else self._accounts[name][:1] for name in asked]
        found["accounts"] = tuple(dict.fromkeys(name for those in below for name in those))
        return found

    def _filter(self, name: str, about: str, value: Any, found: Json) -> None:
        row = self._words.dimensions[about]
        if about.startswith("TIME_TO_"):
            found["spans"][about] = tuple(self._buckets(name, value))
            return
        values = tuple(self._values(name, about, row, value))
        if values:
            found["filters"][about] = values

    def _values(self, name: str, about: str, row: DimensionWord, given: Any) -> Iterator[Value]:
        known = self._allowed(about, row)
        for place, one in self._listed(name, given):
            if row.type == _NUMBERED:
                number = int(one) if isinstance(one, str) and one.isascii() and one.isdigit() and len(one) < 20 else one
                if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _LARGEST:
                    self._say(place, "must be a whole number.")
                else:
                    yield number
            elif not isinstance(one, str) or len(one) > LONGEST_VALUE:
                self._say(place, f"must be a text of at most {LONGEST_VALUE} characters.")
            elif known is not None and one not in known:
                what = "account that you may ask for" if about == "ACCOUNT_KEY" else about.replace("_", " ").lower()
                near = "" if about == "ACCOUNT_KEY" else nearest(one, known)
                self._say(place, f"There is no {what} {one[:60]!r}{near}.")
            elif one or about not in {"APPLICATION_ID", "ENTITY_ID"}:
                yield one

    def _allowed(self, about: str, row: DimensionWord) -> Mapping[str, Any] | None:
        """Return the words that a filter takes; None where it takes any."""
        if about == "ACCOUNT_KEY":
            return self._accounts
        if row.column in GROUPS:
            return dict.fromkeys(GROUPS[row.column])
        if about in {CHANNEL_CODE, "DIRECTION", "CAPABILITY"}:
            return dict.fromkeys([*row.values, *row.also])
        return None

    def _switch(self, name: str, given: Any) -> bool:
        if isinstance(given, list) and len(given) == 1:
            (given,) = given
        if isinstance(given, bool):
            return given
        self._say(name, "must be true or false.")
        return False

    def _moment(self, name: str, given: Any) -> datetime | None:
        if isinstance(given, list) and len(given) == 1:
            (given,) = given
        try:
            found = parse_rfc3339(given if isinstance(given, str) else "")
        except ValueError:
            found = None
        if found is None or not _EARLIEST <= found <= _LATEST:
            self._say(name, "must be a moment of the years 1900 to 2199, like 2025-06-01T00:00:00.000+0000.")
            return None
        return found

    def _pairs(self, name: str, given: Any) -> tuple[tuple[str, str], ...]:
        found = []
        for place, one in self._listed(name, given):
            pair = [one.get(part, "") for part in ("applicationId", "entityId")] if isinstance(one, dict) else []
            pair = ["" if part is None else part for part in pair]
            if not pair or not all(isinstance(part, str) and len(part) <= LONGEST_VALUE for part in pair):
                self._say(place, "must be an object of applicationId and entityId.")
                continue
            self._known(place, one, ("applicationId", "entityId"))
            found.append((pair[0], pair[1]))
        return tuple(found)

    def _buckets(self, name: str, given: Any) -> Iterator[Bucket]:
        known = {bucket_name(second): second for second in self._words.dimensions["TIME_TO_ANSWER"].ranges_s}
        for place, one in self._listed(name, given):
            if not isinstance(one, dict):
                self._say(place, "must be an object of from and to.")
                continue
            self._known(place, one, ("from", "to"))
            ends = {}
            for part in ("from", "to"):
                bucket = one.get(part)
                if bucket is not None and (not isinstance(bucket, str) or bucket not in known):
                    self._say(
                        f"{place}.{part}", f"There is no time bucket {str(bucket)[:60]!r}{nearest(str(bucket), known)}."
                    )
                ends[part] = known.get(bucket) if isinstance(bucket, str) else None
            since, until = ends["from"] or 0, ends["to"]
            if until is not None and until <= since:
                self._say(place, "The bucket in to must come after the one in from.")
            yield Bucket(since, until)

    def _check_span(self, found: Json, by: tuple[str, ...]) -> None:
        since, until = found.get("since"), found.get("until")
        if since is None or until is None:
            return
        if until <= since:
            self._say(f"{_FILTER}.sentUntil", "must come after sentSince.")
        steps = [self._words.dimensions[name].step for name in by if self._words.dimensions[name].step]
        for step in steps:
            if (until - since).total_seconds() / calendar.STEPS[step].seconds > MOST_STEPS:
                self._say(f"{_FILTER}.sentUntil", f"The span has more than {MOST_STEPS} steps; ask for longer ones.")
