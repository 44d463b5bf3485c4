"""Runs a function in a process of its own, where files can be kept from growing."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


def in_a_process_with_a_small_disk(
    work: Callable[[Path, Any], str], folder: Path, most_bytes: int | None, patience_s: float = 60.0
) -> str:
    """Return what `work(folder, limit)` returns, or how it failed.

    `limit(True)` lets no file grow beyond `most_bytes`, as a full disk would; `limit(False)` takes that back.
    """
    pipe, inlet = multiprocessing.Pipe(duplex=False)

    def limit(on: bool) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes if on and most_bytes else hard, hard))

    def run() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond it fails instead of killing
        try:
            inlet.send(work(folder, limit))
        except BaseException:  # noqa: BLE001 - the parent asserts on it
            inlet.send(traceback.format_exc())

    process = multiprocessing.get_context("fork").Process(target=run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        process.start()
    told = pipe.recv() if pipe.poll(patience_s) else "nothing was said"
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join()
    pipe.close()
    inlet.close()
    return str(told)
