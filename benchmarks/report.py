"""The report: a table for people, and the line of JSON that a benchmark ends with."""

from collections.abc import Mapping

import msgspec

from benchmarks.rounds import Figures


def show(
    benchmark: str,
    figures: Mapping[str, Figures],
    ratios: Mapping[str, float],
    checked: Mapping[str, Mapping[str, object]],
    besides: Mapping[str, object] | None = None,
) -> None:
    """Print the medians of all contenders, the ratios, and everything once more as one line of JSON.

    `checked` is what a contender was found to have done, beside how fast it was; `besides` are figures of no contender.
    """
    summaries = {name: one.summary() for name, one in figures.items()}
    print(f"\n{'':24} {'answers/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8}   (medians; CPU of the server)")
    for name, one in summaries.items():
        rows = f"  {one['rows_per_s']:9,} rows/s" if "rows_per_s" in one else ""
        print(f"{name:24} {one['per_s']:10.1f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} {one['cpu_us']:8.1f}{rows}")
    for name, value in ratios.items():
        print(f"{name:24} {value:10.2f}")
    every = {name: {**one, **checked.get(name, {})} for name, one in summaries.items()}
    end(benchmark, {**(besides or {}), **every}, ratios)


def end(benchmark: str, figures: Mapping[str, object], ratios: Mapping[str, float]) -> None:
    """Print the one line of JSON."""
    print(msgspec.json.encode({"benchmark": benchmark, "ratios": ratios, "figures": figures}).decode(), flush=True)
