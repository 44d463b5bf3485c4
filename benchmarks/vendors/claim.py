"""Measures a call's metrics page and a query of many dimensions over ten million calls, samples and requests.

The facts came in by our own import and are kept for the next run, as those of the query benchmark are; another call is
asked for each time. The page is compared with Prism's static mock of the vendor's own description, whose page has one
reading that is always the same, where ours has fifty out of ten million.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import ours, peers, report, rounds
from benchmarks.options import Options
from benchmarks.query.filled import filled
from benchmarks.rounds import Contender
from benchmarks.vendors import pages, queries

_PATIENCE_S = 120.0
"""So long calls may take to be judged before; the judge rests while many pages are asked for."""


def measure(options: Options) -> None:
    """Measure everything that is asked for, and print the report."""
    found = filled(options.rows, fresh=options.fresh)
    besides: dict[str, Any] = {"rows": found.year.rows}
    contenders: list[Contender] = []
    with ExitStack() as stack:
        if options.wants("prism"):
            installed = peers.set_up(Path(__file__).with_name("peers.toml"))
            contenders.append(stack.enter_context(pages.prism(installed, options)))
        server = stack.enter_context(ours.serving("filled", data=found.data))
        besides["is_judged"] = server.judged(_PATIENCE_S)
        if options.wants("queries"):
            besides["query"] = queries.measured(server, found.year)
        if options.wants("metrics_page"):
            contenders.append(pages.ours(server, found.year, options))
        figures = rounds.measure(contenders, options.rounds)
    ratios = {}
    if {"metrics_page", "prism"} <= figures.keys():
        ratios["metrics_page_over_prism"] = rounds.ratio(figures["metrics_page"], figures["prism"])
    report.show("vendors", figures, ratios, {}, besides)
