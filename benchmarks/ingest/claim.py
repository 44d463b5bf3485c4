"""Measures how fast samples and API records come in, beside VictoriaMetrics, and that every one of them is there.

Both are sent 5000 rows a post over four connections. Ours takes lines of JSON with all columns, ids too, and answers
when they are on the disk and can be asked for; VictoriaMetrics imports the same values, merges what falls on one
millisecond of one series, and writes to the disk later. It is measured with lines that name their fields as ours do
(`_vm`, the line protocol), and with CSV, whose columns are named once a post (`_vm_csv`). Then single records over
16 connections, and both kinds again into a store that is empty, and that has a tenth and all of `--rows` in it.
"""

import statistics
from contextlib import ExitStack
from pathlib import Path

from benchmarks import filling, peers, report, rounds
from benchmarks.facts import Year
from benchmarks.ingest import bodies, rivals, takers
from benchmarks.options import Options
from benchmarks.rounds import Figures

RATIOS = {
    "samples_over_vm": ("samples", "samples_vm"),
    "samples_over_vm_csv": ("samples", "samples_vm_csv"),
    "requests_over_vm": ("requests", "requests_vm"),
    "requests_over_vm_csv": ("requests", "requests_vm_csv"),
    "samples_of_beside": ("samples", "samples_beside"),
    "requests_of_beside": ("requests", "requests_beside"),
    "single_posts_of_beside": ("single_posts", "single_posts_beside"),
}
_SINGLE = ("requests", 1, 16)
_POSTS = {"samples": ("samples", bodies.ROWS, 4), "requests": ("requests", bodies.ROWS, 4), "single_posts": _SINGLE}
_FORMS = {"_vm": "line protocol", "_vm_csv": "csv"}
_PEERS = Path(__file__).with_name("peers.toml")


def measure(options: Options) -> None:
    """Measure everything that is asked for, check that nothing was lost, and print the report."""
    figures: dict[str, Figures] = {}
    checked: dict[str, dict[str, object]] = {}
    for what in _POSTS:
        _turns(what, options, figures, checked)
    for fact in ("samples", "requests"):
        if options.wants(f"{fact}_growth"):
            _growth(fact, options, figures, checked)
    ratios = {
        name: rounds.ratio(figures[above], figures[below])
        for name, (above, below) in RATIOS.items()
        if above in figures and below in figures
    }
    single = figures.get("single_posts")
    besides = {"single_posts_per_s": round(statistics.median(single.per_s), 1)} if single else {}
    report.show("ingest", figures, ratios, checked, besides)


def _turns(what: str, options: Options, figures: dict[str, Figures], checked: dict[str, dict[str, object]]) -> None:
    """Let ours and its rivals take turns."""
    fact, rows, connections = _POSTS[what]
    sides = {what: None} | ({f"{what}_beside": options.beside} if options.beside else {})
    with ExitStack() as stack:
        found: list[takers.Taker | rivals.Rival] = []
        for suffix, form in _FORMS.items() if rows > 1 else ():
            if options.wants(what + suffix):
                installed = peers.set_up(_PEERS)
                found.append(stack.enter_context(rivals.victoria(what + suffix, installed, options, fact, form)))
        for name, source in sides.items():
            if options.wants(name):
                found.append(stack.enter_context(takers.taking(name, options, source, fact, rows, connections)))
        if found:
            figures |= rounds.measure([one.contender for one in found], options.rounds)
        checked |= {one.contender.name: one.check(figures[one.contender.name]) for one in found}


def _growth(fact: str, options: Options, figures: dict[str, Figures], checked: dict[str, dict[str, object]]) -> None:
    """Measure one server when it is empty, and when it has a tenth and all of the rows."""
    with takers.taking(f"{fact}_growth", options, None, fact) as taker:
        for rows in (0, options.rows // 10, options.rows):
            name = f"{fact}_at_{rows}"
            there = taker.count()
            if rows > there:
                there += int(filling.fill(taker.server, fact, Year(rows - there, filling.latest_end()))["rows"])
            taker.begin(name, there)
            figures |= rounds.measure([taker.contender], 1)
            checked[name] = taker.check(figures[name])
