"""`trunkline` in a child of a process that has imported it already: most of a command's time goes into its imports.

The child has arguments, environment, output and exit code of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["trunkline.cli.main", "trunkline.library.remote", "rich.table", "typer._adapters"])


def run(words: tuple[str, ...], env: dict[str, str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run `trunkline` with these words to its end, like `subprocess.run`."""
    with TemporaryDirectory(prefix="trunkline-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        child = _context.Process(target=_main, args=(words, env, out, err), daemon=True)
        child.start()
        child.join(timeout_s)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired(words, timeout_s, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(words, child.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _main(words: tuple[str, ...], env: dict[str, str], out: Path, err: Path) -> None:
    from trunkline.cli.main import main  # noqa: PLC0415 - it is here already

    os.environ.clear()
    os.environ.update(env)
    for number, file in ((1, out), (2, err)):
        descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115 - open to the end
    sys.argv = ["trunkline", *words]
    main()
