"""Tables of a vendor's words for what can be asked: metrics, dimensions, filters and codes."""

from __future__ import annotations

from collections.abc import Iterator

from tools.tables import table
from trunkline.apis.infobip.facets import label
from trunkline.catalogue.infobip.codes import codes
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import DimensionWord

_WORDS = load().words["infobip"]
_FORMS = {
    "name": "by the name it goes by",
    "number": "by the number it goes by",
    "key": "by the account's key",
    "code": "what the fact carries, else the code that goes with what became of it",
    "domain": "the domain of the address",
}
_OF_QUESTIONS = {
    "start": "the span's beginning, included",
    "end": "the span's end, excluded",
    "family": "whether the accounts below those asked for count, too",
    "pairs": "applications with entities, any of several pairs",
}


def metrics() -> Iterator[str]:
    """Tabulate the metrics."""
    measures = load().measures
    rows = []
    for name, row in _WORDS.metrics.items():
        means = f"`{row.means}`" if row.means else "N/A"
        for channel, other in row.otherwise.items():
            means += f"; for {channel} `{other}`"
        brief = row.lacks or measures[row.means].brief
        channels = ", ".join(row.only) or ("none" if row.lacks else _channels(row.means))
        rows.append((f"`{name}`", row.type, channels, means, brief))
    yield from table(("metric", "type", "channels", "what it is here", "what that means"), rows)


def _channels(means: str) -> str:
    return "VOICE_VIDEO" if means.startswith("calls.") else "messages"


def dimensions() -> Iterator[str]:
    """Tabulate the dimensions."""
    rows = []
    for name, row in _WORDS.dimensions.items():
        rows.append((f"`{name}`", row.type, (row.lacks and "N/A") or _meaning(row), _written(row)))
    yield from table(("dimension", "type", "what it is here", "how it is written"), rows)


def _meaning(row: DimensionWord) -> str:
    if row.step:
        return f"a step of the calendar: {row.step}"
    only = f" of {', '.join(row.only)}" if row.only else ""
    return f"`{row.column}`{only}"


def _written(row: DimensionWord) -> str:
    if row.ranges_s:
        return f"by time buckets, as in `{label(row.ranges_s, 5)}`; the last is `{label(row.ranges_s, 30)}`"
    if row.values:
        return ", ".join(f"`{word}`" for word in row.values)
    if row.step:
        return "the moment at which it begins"
    return row.lacks or _FORMS.get(row.form, "")


def filters() -> Iterator[str]:
    """Tabulate the filters, each with every name that it has."""
    names: dict[str, list[str]] = {}
    for name, about in _WORDS.filters.items():
        names.setdefault(about, []).append(f"`{name}`")
    rows = []
    for about, those in names.items():
        row = _WORDS.dimensions.get(about)
        what = _OF_QUESTIONS.get(about) or f"`{about}`" + (f" ({row.lacks.rstrip('.')})" if row and row.lacks else "")
        rows.append((", ".join(those), what))
    yield from table(("filter", "what it is about"), rows)


def derived_codes() -> Iterator[str]:
    """Tabulate the codes of calls and messages that carry none."""
    rows = []
    for fact in ("calls", "messages"):
        for code in codes(fact):
            state = code.state or "nothing known yet"
            sip = " ".join(map(str, code.sip_codes)) or ("any other" if fact == "calls" else "")
            rows.append(
                (
                    fact,
                    state,
                    sip,
                    f"`{code.status_group}`",
                    f"`{code.status}`",
                    f"`{code.error_group}`",
                    f"`{code.error_code}`",
                )
            )
    yield from table(
        ("fact", "what became of it", "SIP status", "status group", "status", "error group", "error code"), rows
    )
