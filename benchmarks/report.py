"""The report: a table for people, and the line of JSON that a benchmark ends with."""

from collections.abc import Mapping

import msgspec

from benchmarks.rounds import Figures


def show(
    benchmark: str,
    figures: Mapping[str, Figures],
    ratios: Mapping[str, float],
    checked: Mapping[str, Mapping[str, object]],
) -> None:
    """Print the medians of all contenders, the ratios, and everything once more as one line of JSON.

    `checked` is what a contender was found to have done, beside how fast it was.
    """
    summaries = {name: one.summary() for name, one in figures.items()}
    print(f"\n{'':24} {'answers/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8}   (medians; CPU of the server)")
    for name, one in summaries.items():
        print(f"{name:24} {one['per_s']:10.1f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} {one['cpu_us']:8.1f}")
    for name, value in ratios.items():
        print(f"{name:24} {value:10.2f}")
    figured = {name: {**one, **checked.get(name, {})} for name, one in summaries.items()}
    line = {"benchmark": benchmark, "ratios": ratios, "figures": figured}
    print(msgspec.json.encode(line).decode(), flush=True)
