"""Dialects: how each engine spells what they spell differently; the planner's function table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_ROLLED = MappingProxyType(
    {
        "count": "CAST(coalesce(sum(facts) FILTER (WHERE {condition}), 0) AS BIGINT)",
        "sum": "sum({column}_sum) FILTER (WHERE {condition})",
        "avg": (
            "sum({column}_sum) FILTER (WHERE {condition}) / nullif(sum({column}_count) FILTER (WHERE {condition}), 0)"
        ),
        "min": "min({column}_min) FILTER (WHERE {condition})",
        "max": "max({column}_max) FILTER (WHERE {condition})",
    }
)


@dataclass(frozen=True)
class Dialect:
    """How one engine spells what they spell differently.

    What is bound stands as question marks, in the same order in every dialect. An aggregate of nothing is null, and
    no count is; `rolled` says how an aggregate of facts is made of a rollup's rows, `{condition}` where it is bound.
    """

    bucket: str = "(epoch_us(happened_at) - ?) // ?"
    divided: str = "({number}) // ?"
    truncated: str = "epoch_us(date_trunc('{unit}', {moment}))"
    shifted: str = "happened_at + to_microseconds({offset})"
    moment_us: str = "epoch_us({column})"
    entry: str = "coalesce({column}[?], '')"
    any_entry: str = "list_has_any(map_values({column}), [{wanted}])"
    entries: str = "map_values({column})"
    digest: str = "md5({column})"
    text: str = "CAST({expression} AS VARCHAR)"
    text_of_float: str = "CAST({expression} AS VARCHAR)"
    folded: str = "lower({text})"
    starts: str = "starts_with({text}, {wanted})"
    count_if: str = "count(*) FILTER (WHERE {condition})"
    aggregate_if: str = "{aggregate}({column}) FILTER (WHERE {condition})"
    last_if: str = "arg_max({column}, happened_at) FILTER (WHERE {condition})"
    average_if: str = "avg({column}) FILTER (WHERE {condition})"
    sum_of_integers_if: str = "CAST(sum({column}) FILTER (WHERE {condition}) AS DOUBLE)"
    distinct_if: str = "count(DISTINCT {column}) FILTER (WHERE {condition})"
    percentile_if: str = "quantile_cont({column}, {share}) FILTER (WHERE {condition})"
    rolled: Mapping[str, str] = field(default_factory=lambda: _ROLLED)


DUCKDB = Dialect()
CLICKHOUSE = Dialect(
    bucket="intDiv(toUnixTimestamp64Micro(happened_at) - ?, ?)",
    divided="intDiv({number}, ?)",
    truncated="toUnixTimestamp64Micro(toDateTime64(date_trunc('{unit}', {moment}), 6, 'UTC'))",
    shifted="addMicroseconds(happened_at, {offset})",
    moment_us="toUnixTimestamp64Micro({column})",
    entry="{column}[?]",
    any_entry="hasAny(mapValues({column}), [{wanted}])",
    entries="mapValues({column})",
    digest="lower(hex(MD5({column})))",
    text="toString({expression})",
    # as the other engine writes a number that is whole
    text_of_float=r"replaceRegexpOne(toString({expression}), '^([-0-9]+)$', '\\1.0')",
    folded="lowerUTF8({text})",
    starts="startsWith({text}, {wanted})",
    count_if="toInt64(countIf({condition}))",
    # this engine's sums and averages of nothing are 0 and not a number, but for these forms of them
    aggregate_if="{aggregate}OrNullIf({column}, {condition})",
    last_if="argMaxOrNullIf({column}, happened_at, {condition})",
    average_if="avgOrNullIf(toFloat64({column}), {condition})",
    # a sum of whole numbers would start again from below when it is too large
    sum_of_integers_if="toFloat64(sumOrNullIf(toInt128({column}), {condition}))",
    distinct_if="toInt64(uniqExactIf({column}, {condition}))",
    percentile_if="quantileExactInclusiveOrNullIf({share})({column}, {condition})",
    rolled=MappingProxyType(
        {
            "count": "toInt64(sumIf(facts, {condition}))",
            "sum": "sumOrNullIf({column}_sum, {condition})",
            "avg": "sumOrNullIf({column}_sum, {condition}) / nullif(sumIf({column}_count, {condition}), 0)",
            "min": "minOrNullIf({column}_min, {condition})",
            "max": "maxOrNullIf({column}_max, {condition})",
        }
    ),
)
