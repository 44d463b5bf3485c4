"""A server run from the command line: until a signal comes, with what it prints and its demo traffic."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shlex
import signal
from contextlib import AsyncExitStack, suppress

import typer
import uvloop

from trunkline import __version__, config, logs
from trunkline.app import House
from trunkline.cli import printout
from trunkline.config import Settings
from trunkline.demo import CALLS, NAME, QUESTION
from trunkline.demo.calls import measured
from trunkline.demo.client import Client
from trunkline.demo.ledger import Ledger
from trunkline.demo.reminders import NUMBER
from trunkline.demo.traffic import HOST, Traffic
from trunkline.errors import UnavailableError
from trunkline.library import running
from trunkline.library.running import keep_up

_log = logging.getLogger(__name__)
BURST_S = 8.0
AFTER_A_FAILURE_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, *, demo: bool) -> None:
    """Serve until a signal comes. Raises ConfigurationError, with nothing left behind."""
    logs.configure(settings.log_format, settings.log_level)
    for name in config.strangers(os.environ):
        _log.warning("the variable %s is no setting; docs/operations.md lists them", name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Running(settings, demo=demo).live())


class Running:
    """One server from its start to its stop, by a signal."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self._settings = settings
        self._demo = demo
        self._server = running.Running(settings, prepare=_prepare_demo if demo else None)
        self._signalled = asyncio.Event()

    async def live(self) -> None:
        """Start, say so, wait for a signal, stop."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        async with AsyncExitStack() as stack:
            await self._server.start()
            stack.push_async_callback(self._server.stop)
            self.house = self._server.house
            if self._demo:
                await self._begin_demo(stack)
            self._print()
            await self._signalled.wait()
            _log.info("stopping; a second signal ends it at once")

    def _on_signal(self) -> None:
        if self._signalled.is_set():
            # what was acknowledged is durable, so nothing is lost but what is in flight
            self._server.abandon()
            os._exit(1)
        self._signalled.set()

    # --- the demo ---

    async def _begin_demo(self, stack: AsyncExitStack) -> None:
        """Make the first requests, so that the first question has an answer, then go on beside the server."""
        clock, account, theirs = self.house.clock, self.house.resources.get(NAME), self.house.resources.get(CALLS)
        client = Client(self._server.address, HOST, account.key1, clock, api_key=account.api_key)
        await stack.enter_async_context(client)
        teller = Client(self._server.address, "", theirs.key1, clock, api_key=theirs.api_key)
        await stack.enter_async_context(teller)
        keep_up(stack, self._go_on(Ledger(teller, clock, theirs.created_at)))
        traffic = Traffic(client, clock, random.Random(NAME))
        with suppress(TimeoutError, UnavailableError):  # it goes on below
            await asyncio.wait_for(traffic.burst(), BURST_S)
        keep_up(stack, self._go_on(traffic))

    async def _go_on(self, part: Traffic | Ledger) -> None:
        while True:
            try:
                await part.run()
            except UnavailableError as error:
                _log.warning("the demo pauses: %s", error.message)
                await self.house.clock.sleep(AFTER_A_FAILURE_S)

    # --- what it says ---

    def _print(self) -> None:
        house, resources = self.house, self.house.resources
        ours = house.connection(resources.get(resources.default))
        call = f"{printout.command()} %s --data {shlex.quote(str(house.folder.path))}"
        lines = [
            f"Trunkline {__version__} is ready; Ctrl-C stops it.",
            *printout.places(ours),
            printout.security(self._settings),
            "",
            "To connect, paste this where your code runs:",
            *printout.variables(ours),
            "",
        ]
        if self._demo:
            theirs, told = (house.connection(resources.get(name)) for name in (NAME, CALLS))
            lines += [
                "Demo traffic runs in an account of its own; its connection string, and a metric of it:",
                theirs.connection_string,
                printout.metric_line(theirs, printout.token_command(house.folder.path, NAME)),
                f"Thirty days of calls are in the account {CALLS}:",
                f"{call % 'ask'} --account {CALLS} --since 30d {QUESTION}",
                printout.page_line(told, measured(CALLS).first["leg_id"]),
                printout.query_line(told, house.clock.now()),
                "",
            ]
        lines += [f"Next: {call % 'listen'}  prints events,", f"      {call % 'connection'}  prints this again."]
        typer.echo("\n".join(lines))


async def _prepare_demo(house: House) -> None:
    """Make the demo's accounts."""
    for name in (NAME, CALLS):
        await house.resources.create(name)
        house.application.quiet.add(name)
    await house.numbers.add(NAME, NUMBER)
