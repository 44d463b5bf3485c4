"""A data folder opened in process: its stores, and no server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from trunkline import config
from trunkline.apis.trunkline import asked, tabled
from trunkline.apis.trunkline.asked import AskRequest, RowsRequest
from trunkline.apis.trunkline.body import Body
from trunkline.apis.trunkline.ingest import STRAIGHT
from trunkline.apis.trunkline.posted import Reading
from trunkline.app import House
from trunkline.catalogue.facts import Fact
from trunkline.connection import read
from trunkline.errors import HeldError, OverloadedError, UnavailableError
from trunkline.library.background import Background
from trunkline.library.line import Taken, Trunkline
from trunkline.state.folder import Folder
from trunkline.telemetry.inbox import pack
from trunkline.telemetry.questions import Condition


class Opened(Trunkline):
    """A Trunkline in this process: `house` lives on the loop of `background`."""

    _page = 100_000

    def __init__(self, house: House, background: Background, account: str = "") -> None:
        self._house = house
        self._background = background
        self._account = account.lower()
        background.at_exit(self.close)

    def close(self) -> None:
        """Let go of the folder; a second call does nothing."""
        if not self._background.loop.is_closed():
            self._background.run(self._house.close())
            self._background.close()

    def _take(self, kind: type[Fact], body: bytes) -> Taken:
        resources = self._house.resources
        default = self._account or resources.default
        reading = Reading(kind, lambda name: resources.get(name or default).name, self._house.clock.now())
        those = Body(body, "", "")
        work: Callable[[], Awaitable[object]]
        if those.size > STRAIGHT:
            rows = reading.batch(those)
            work = partial(self._house.recorder.load, kind.table, rows)
        else:
            blocks = [(kind.table, pack(facts)) for facts in reading.facts(those.items())]
            work = partial(self._house.recorder.keep, blocks)
        reading.check()
        self._background.run(self._patiently(work))
        return Taken(reading.accepted, reading.rejected, reading.rejected_total)

    async def _patiently(self, keep: Callable[[], Awaitable[object]]) -> None:
        """Keep facts; when too many wait to be loaded, once they are."""
        try:
            await keep()
        except OverloadedError:
            await self._house.recorder.settled()
            await keep()

    def _ask(self, request: AskRequest) -> pa.Table:
        wanted = asked.series(request, self._house.clock.now(), self._seen())
        return self._background.run(tabled.points(self._house.recorder, wanted))

    def _explain(self, request: AskRequest) -> Mapping[str, Any]:
        wanted = asked.series(request, self._house.clock.now(), self._seen())
        return asked.explained(self._house.recorder, wanted)

    def _rows(self, request: RowsRequest) -> pa.Table:
        question = asked.rows(request, self._house.clock.now(), self._seen())
        return self._background.run(tabled.facts(self._house.recorder, question))

    def _seen(self) -> tuple[Condition, ...]:
        """Return the condition that keeps to the account that was named, and to those below it."""
        if not self._account:
            return ()
        return (Condition(column="resource", values=self._house.resources.family(self._account)),)


def open(folder: str | os.PathLike[str], *, account: str = "", **settings: Any) -> Trunkline:  # noqa: A001 - its name
    """Open a data folder in this process, without a server; it is made if there is none.

    Questions see the facts of every account, or of the named one and those below it; a fact that names none
    belongs to it, too. Raises HeldError when a server runs on the folder, ConfigurationError when it cannot be used.
    """
    background = Background("trunkline")
    chosen = config.load(**{**settings, "data": str(folder)})
    house = House(chosen, Folder(Path(folder)))
    try:
        background.run(house.open(facts_only=True))
        if account:
            house.resources.get(account.lower())
    except HeldError as error:
        background.close()
        raise HeldError(_held(Path(folder))) from error
    except BaseException:
        background.run(house.close())
        background.close()
        raise
    return Opened(house, background, account)


def _held(folder: Path) -> str:
    """Say who holds a folder, and how it can be asked all the same."""
    what = f"The data folder {folder.absolute()} cannot be opened:"
    try:
        url = read(folder).local
    except UnavailableError:
        return f"{what} another process has it open. End that one; a server can be asked with trunkline.connect."
    return f"{what} a server runs on it at {url}. Ask that one: trunkline.connect(data={str(folder)!r})."
