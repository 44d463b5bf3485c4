"""Quick plots for a terminal: a line of small blocks for each split over time, or a bar for each split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from trunkline.library.answer import Answer
from trunkline.telemetry import calendar

HEIGHTS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"
OTHERS = "(others)"
LONGEST_LABEL = 40
_FIXED_S = {"minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7, "week from sunday": 7, "week from saturday": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
Later = Callable[[datetime, int], datetime]
"""Returns the beginning of the step that is so many steps after another."""


def number(value: float | None) -> str:
    """Write a number for people; "" for none."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def label(row: Mapping[str, Any], by: Iterable[str]) -> str:
    """Name a split on one line."""
    text = " ".join(OTHERS if row[name] is None else row[name] or '""' for name in by)
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST_LABEL]


def bars(answer: Answer, by: Sequence[str], measures: Sequence[str], width: int) -> Iterator[str]:
    """Draw a bar for each split, one block of lines a measure."""
    for measure in measures:
        yield measure
        rows = [(label(row, by), row[measure]) for row in answer]
        most = max((value for _, value in rows if value is not None), default=0)
        name_width = max((len(name) for name, _ in rows), default=0)
        space = max(10, width - name_width - 14)
        for name, value in rows:
            share = max(0.0, value / most) if value is not None and most > 0 else 0.0
            yield f"{name:<{name_width}}  {_bar(share, space)} {number(value)}".rstrip()


def _bar(share: float, space: int) -> str:
    eighths = round(share * space * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def lines(answer: Answer, by: Sequence[str], measures: Sequence[str], later: Later, width: int) -> Iterator[str]:
    """Draw each split over time, one block of lines a measure; where there is nothing stays empty."""
    places = {moment: place for place, moment in enumerate(_moments(answer, later))}
    for measure in measures:
        yield measure
        drawn: dict[tuple[Any, ...], tuple[str, list[float | None]]] = {}
        for row in answer:
            split = tuple(row[name] for name in by)  # labels are cut, and may be alike
            _, values = drawn.setdefault(split, (label(row, by), [None] * len(places)))
            values[places[row[answer.at]]] = row[measure]
        name_width = max((len(name) for name, _ in drawn.values()), default=0)
        for name, values in drawn.values():
            known = [value for value in values if value is not None]
            span = f"{number(min(known))} to {number(max(known))}" if known else ""
            yield f"{name:<{name_width}}  {_spark(values, max(10, width - name_width - 24))}  {span}".rstrip()


def _spark(values: Sequence[float | None], space: int) -> str:
    """Draw values from the least to the most; where there are more than fit, the mean of neighbours."""
    each = math.ceil(len(values) / space)
    means = [_mean(values[start : start + each]) for start in range(0, len(values), each)]
    known = [mean for mean in means if mean is not None]
    if not known:
        return ""
    least, most = min(0.0, *known), max(known)
    span = most - least
    shares = [mean if mean is None else (mean - least) / span if 0 < span < math.inf else 0.0 for mean in means]
    return "".join(" " if share is None else HEIGHTS[round(share * (len(HEIGHTS) - 1))] for share in shares)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _moments(answer: Answer, later: Later) -> list[datetime]:
    """List the beginnings of all steps of an answer's span, also of those without anything."""
    there = sorted({row[answer.at] for row in answer})
    if not there:
        return []
    before: list[datetime] = []
    after: list[datetime] = []
    while (moment := later(there[0], -1 - len(before))) >= answer.start:
        before.append(moment)
    while (moment := later(there[0], 1 + len(after))) < answer.end:
        after.append(moment)
    return sorted({*before, *there, *after})


def steps(step: str, zone: str) -> Later:
    """Return what counts steps of the calendar, which begin where they do in a zone."""
    place = calendar.zone(zone)

    def later(moment: datetime, count: int) -> datetime:
        if step in _FIXED_S:
            return moment + timedelta(seconds=count * _FIXED_S[step])
        there = moment.astimezone(place)
        if step in _DAYS:
            moved = there + timedelta(days=count * _DAYS[step])  # on the wall clock: days are not all as long
        else:
            years, month = divmod(there.month - 1 + count * _MONTHS[step], 12)
            moved = there.replace(year=there.year + years, month=month + 1)
        return moved.astimezone(moment.tzinfo)

    return later
