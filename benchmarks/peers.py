"""Peers: programs of others, pinned and set up in a folder of their own, so that nothing of theirs touches ours.

A claim's `peers.toml` names packages of Python (`python`), of Node.js (`node`), which itself comes as a package of
Python, and of Debian (`debian`), which are unpacked and not installed. What was set up once for the same pins is used
again.
"""

import hashlib
import os
import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import msgspec

from benchmarks.errors import CannotMeasureError

CACHE = Path(__file__).parents[1] / ".bench"
_INSTALL_TIMEOUT_S = 600


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim measures itself against: requirements as pip, npm and apt-get write them."""

    python: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """Where the peers are, once they are set up."""

    folder: Path

    def program(self, name: str) -> Path:
        """Return a program of a Python package."""
        return self.folder / "venv" / "bin" / name

    def node_program(self, name: str) -> list[str]:
        """Return the command that runs a program of a Node.js package."""
        return [str(self.program("node")), str(self.folder / "node_modules" / ".bin" / name)]

    def debian_program(self, name: str) -> Path:
        """Return a program of a Debian package."""
        return self.folder / "debian" / "usr" / "bin" / name


def set_up(pins_file: Path) -> Peers:
    """Set up what the pins name unless it is there; raises CannotMeasureError."""
    text = pins_file.read_bytes()
    pins = msgspec.convert(tomllib.loads(text.decode()), Pins)
    folder = CACHE / f"peers-{hashlib.sha256(text).hexdigest()[:12]}"
    done = folder / "done"
    if not done.exists():
        print(
            f"Setting up {', '.join(pins.python + pins.node + pins.debian)} in {os.path.relpath(folder)} …", flush=True
        )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        bin_folder = folder / "venv" / "bin"
        if pins.python:
            venv.create(folder / "venv", with_pip=True)
            _run([str(bin_folder / "python"), "-m", "pip", "install", "--quiet", *pins.python], bin_folder)
        if pins.node:
            npm = [str(bin_folder / "npm"), "install", "--prefix", str(folder)]
            _run([*npm, "--no-audit", "--no-fund", "--loglevel=error", *pins.node], bin_folder)
        if pins.debian:
            _run(["apt-get", "download", *pins.debian], cwd=folder)
            for package in folder.glob("*.deb"):
                _run(["dpkg-deb", "-x", str(package), str(folder / "debian")])
        done.touch()
    return Peers(folder=folder)


def _run(command: list[str], path: Path | None = None, cwd: Path | None = None) -> None:
    """Run an installer, to which the programs of a folder come before all others; raises CannotMeasureError."""
    env = os.environ | ({"PATH": f"{path}{os.pathsep}{os.environ.get('PATH', '')}"} if path else {})
    try:
        done = subprocess.run(
            command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotMeasureError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise CannotMeasureError(f"{' '.join(command)}:\n{done.stderr.strip() or done.stdout.strip()}")
