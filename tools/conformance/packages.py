"""Source packages: downloaded by pip, recognised by their hash, unpacked with distrust."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tools.conformance.errors import CannotRunError, UnsafeArchiveError
from tools.conformance.suites import Suite

MOST_MEMBERS = 20_000
MOST_BYTES = 100 * 1024 * 1024
DOWNLOAD_TIMEOUT_S = 300


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file as lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(suites: Iterable[Suite], folder: Path) -> dict[str, Path]:
    """Give the archive of every suite by its sha256, downloading into `folder` those that are missing.

    An archive is known by its hash alone: indexes spell file names in two ways.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {suite.sha256: suite for suite in suites}
    missing = [suite for sha256, suite in wanted.items() if sha256 not in _present(folder)]
    if missing:
        _download(missing, folder)
    present = _present(folder)
    for sha256, suite in wanted.items():
        if sha256 not in present:
            what = f"{suite.package} {suite.version}"
            raise CannotRunError(f"{what}: no archive with sha256 {sha256} in {folder}")
    return {sha256: present[sha256] for sha256 in wanted}


def _present(folder: Path) -> dict[str, Path]:
    return {sha256_of(path): path for path in sorted(folder.glob("*.tar.gz"))}


def _download(suites: list[Suite], folder: Path) -> None:
    """Let pip fetch the source packages from whatever index it is configured for.

    pip asks a source package for its metadata, which runs the package's build script in an isolated
    environment. `--require-hashes` makes it compare the hash before that, so only known code runs.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "requirements.txt"
        rows = [f"{suite.package}=={suite.version} --hash=sha256:{suite.sha256}\n" for suite in suites]
        pins.write_text("".join(rows), encoding="utf-8")
        names = ",".join(suite.package for suite in suites)
        options = ["--quiet", "--no-deps", "--no-binary", names, "--require-hashes"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "-r", str(pins)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise CannotRunError(f"pip did not download {names} in {DOWNLOAD_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise CannotRunError(f"pip could not download {names}:\n{done.stderr.strip()}")


def unpack_tests(archive: Path, target: Path) -> Path:
    """Write the tests/ folder of a source package into `target`, replacing what was there; give `target`.

    Every member of the archive is judged before the first byte is written: plain files and folders below
    one top folder, no links, no devices, no way out, bounded in number and size. Modes, owners and times
    are not taken over. Raises `UnsafeArchiveError`, or `CannotRunError` when there are no tests.
    """
    shutil.rmtree(target, ignore_errors=True)
    try:
        with tarfile.open(archive, mode="r:gz") as tar:
            members = _judge(tar, archive.name)
            files = [(inner, member) for inner, member in members if _is_test_file(inner, member)]
            for inner, member in files:
                _write(tar, member, target.joinpath(*inner.parts[2:]))
    except tarfile.TarError as error:
        raise UnsafeArchiveError(f"{archive.name}: {error}") from error
    if not files:
        raise CannotRunError(f"{archive.name} holds no tests/ folder")
    return target


def _judge(tar: tarfile.TarFile, name: str) -> list[tuple[PurePosixPath, tarfile.TarInfo]]:
    members: list[tuple[PurePosixPath, tarfile.TarInfo]] = []
    size_bytes = 0
    for member in tar:
        path = PurePosixPath(member.name)
        if not (member.isfile() or member.isdir()):
            raise UnsafeArchiveError(f"{name}: {member.name} is neither a file nor a folder")
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
            raise UnsafeArchiveError(f"{name}: {member.name} leads out of the archive")
        members.append((path, member))
        size_bytes += member.size
        if len(members) > MOST_MEMBERS or size_bytes > MOST_BYTES:
            raise UnsafeArchiveError(f"{name}: more than {MOST_MEMBERS} members or {MOST_BYTES} bytes")
    tops = {path.parts[0] for path, _ in members if path.parts}
    if len(tops) != 1:
        raise UnsafeArchiveError(f"{name}: one top folder expected, found {len(tops)}")
    return members


def _is_test_file(path: PurePosixPath, member: tarfile.TarInfo) -> bool:
    return member.isfile() and len(path.parts) > 2 and path.parts[1] == "tests"


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise UnsafeArchiveError(f"{member.name} cannot be read")
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
