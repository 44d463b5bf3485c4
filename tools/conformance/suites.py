"""The table of suites, read from `suites.toml` and checked."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from tools.conformance.errors import CannotRunError

TABLE = Path(__file__).with_name("suites.toml")


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: a released source package and the live tests of it that are run."""

    package: str
    version: str
    sha256: str
    files: list[str]
    tests: int
    timeout_s: float
    env: dict[str, str] = {}
    excluded: dict[str, list[str]] = {}

    def reason_for(self, function: str) -> str | None:
        """Say why a test function is excluded, or None when it has to pass."""
        return next((reason for reason, names in self.excluded.items() if function in names), None)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table: what every suite finds in its environment, and the suites by name."""

    env: dict[str, str]
    suites: dict[str, Suite]


def load(path: Path = TABLE) -> Table:
    """Read the table; a misspelt key or a missing value is a `CannotRunError`."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Table)
    except msgspec.DecodeError as error:
        raise CannotRunError(f"{path.name}: {error}") from error


def check_installed(suites: dict[str, Suite]) -> None:
    """Refuse to test another release of an SDK than the one whose tests are run."""
    for suite in suites.values():
        try:
            found = version(suite.package)
        except PackageNotFoundError:
            found = "not installed"
        if found != suite.version:
            raise CannotRunError(
                f"{suite.package} {suite.version} is needed, found: {found}; "
                "the project's extra `conformance` installs it"
            )
