"""The same folder without HTTP: a house opened in this process, as the library does it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trunkline.app import House
from trunkline.config import Settings
from trunkline.state.folder import Folder
from trunkline.telemetry.questions import Row, Rows, Series


class Inside:
    """An open house and the loop that it runs on."""

    def __init__(self, house: House, runner: asyncio.Runner) -> None:
        self._house = house
        self._runner = runner

    def table(self, question: Series) -> Any:
        """Ask, and return the answer as an Arrow table."""
        return self._runner.run(self._house.recorder.table(question))

    def rows(self, question: Rows) -> list[Row]:
        """Ask for facts."""
        return self._runner.run(self._house.recorder.rows(question))


@contextmanager
def inside(data: Path) -> Iterator[Inside]:
    """Open a folder that no server has open."""
    with asyncio.Runner() as runner:
        house = House(Settings(data=str(data)), Folder(data))
        runner.run(house.open(facts_only=True))
        try:
            yield Inside(house, runner)
        finally:
            runner.run(house.close())
