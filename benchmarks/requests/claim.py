"""Measures SendChatMessage beside a bare echo, moto's SNS Publish and Prism, and checks that nothing was lost.

Everyone is sent the same text over 32 connections, kept alive where the server keeps them. Ours has its default
settings: each request carries a user's token, is verified and measured, and is answered when the message and its event
are on the disk. Once more with a live webhook, which is told of every message.
"""

from contextlib import ExitStack
from pathlib import Path

from benchmarks import peers, report, rounds
from benchmarks.options import Options
from benchmarks.requests import chats, rivals
from benchmarks.requests.chats import Chats
from benchmarks.rounds import Contender, Figures

CONNECTIONS = 32
TEXT = "Your appointment tomorrow at 10:30 is confirmed. Please bring your insurance card."
RATIOS = {
    "over_moto": "moto_sns",
    "over_prism": "prism",
    "over_prism_quiet": "prism_quiet",
    "of_bare_starlette": "bare_starlette",
    "of_beside": "beside",
}


def measure(options: Options) -> None:
    """Measure everyone who is asked for, check that ours lost nothing, and print the report."""
    with ExitStack() as stack:
        contenders = _rivals(options, stack)
        own = _own(options, stack)
        contenders += [one.contender for one in own]
        figures = rounds.measure(contenders, options.rounds)
        checked = {one.contender.name: one.check(figures[one.contender.name]) for one in own}
    report.show("requests", figures, _ratios(figures), checked)


def _rivals(options: Options, stack: ExitStack) -> list[Contender]:
    found: list[Contender] = []
    if options.wants("bare_starlette"):
        found.append(stack.enter_context(rivals.bare_starlette(options, TEXT, CONNECTIONS)))
    if any(options.wants(name) for name in ("moto_sns", "prism", "prism_quiet")):
        installed = peers.set_up(Path(__file__).with_name("peers.toml"))
        if options.wants("moto_sns"):
            found.append(stack.enter_context(rivals.moto_sns(installed, options, TEXT, CONNECTIONS)))
        for name, quiet in (("prism", False), ("prism_quiet", True)):
            if options.wants(name):
                found.append(stack.enter_context(rivals.prism(installed, options, TEXT, CONNECTIONS, quiet=quiet)))
    return found


def _own(options: Options, stack: ExitStack) -> list[Chats]:
    sides = {"trunkline": None} | ({"beside": options.beside} if options.beside else {})
    return [
        stack.enter_context(start(f"{side}{suffix}", options, source, TEXT, CONNECTIONS))
        for suffix, start in (("", chats.quiet), ("_webhook", chats.told))
        for side, source in sides.items()
        if options.wants(f"{side}{suffix}")
    ]


def _ratios(figures: dict[str, Figures]) -> dict[str, float]:
    if (ours := figures.get("trunkline")) is None:
        return {}
    return {name: rounds.ratio(ours, figures[peer]) for name, peer in RATIOS.items() if peer in figures}
