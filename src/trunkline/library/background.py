"""An event loop in a thread of its own, for those who have none."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 - what it does at the end of the process comes after ours
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class Background:
    """Runs coroutines on a loop in the background until `close`; any thread may ask it to.

    What `at_exit` was given is done before the process ends, unless it is closed by then.
    """

    def __init__(self, name: str) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def at_exit(self, close: Callable[[], None]) -> None:
        """Close something if nobody has when the process ends."""
        _at_exit[self] = close

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T], patience_s: float | None = None) -> T:
        """Run a coroutine and return its result; it is cancelled when the patience ends, or by Ctrl-C.

        Raises what it raised, TimeoutError, and RuntimeError on the loop's own thread or once it is closed.
        """
        if self.loop.is_closed() or not self._thread.is_alive() or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "It is closed, or of the process that forked this one, or was asked from its own thread."
            )
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(patience_s)
        finally:
            future.cancel()  # nothing happens to what is done

    def close(self) -> None:
        """End the loop and its thread; a second call does nothing."""
        if self.loop.is_closed() or not self._thread.is_alive():
            return
        _at_exit.pop(self, None)
        self.run(_end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


_at_exit: dict[Background, Callable[[], None]] = {}


def _close_all() -> None:
    for close in [*_at_exit.values()]:
        with suppress(Exception):  # the process ends anyway, and what was acknowledged is durable
            close()


# atexit's own functions come too late: executors take no more work by then, and closing needs them
getattr(threading, "_register_atexit", atexit.register)(_close_all)
# a forked process has none of the threads, and must leave what they hold to the one that has them
os.register_at_fork(after_in_child=_at_exit.clear)


async def _end_all() -> None:
    """Cancel whatever still runs, and end the generators and threads of the loop."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
