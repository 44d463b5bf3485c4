"""The command: fetch the suites, start a server, run them, tell how many pass."""

import argparse
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

from tools.conformance import packages, report, results, server, session, suites
from tools.conformance.errors import CannotRunError
from tools.conformance.results import Verdict

CACHE = Path(__file__).parents[2] / ".conformance"


def main(arguments: list[str] | None = None) -> int:
    """Give the exit status: 0 all pass, 1 a test that has to pass does not, 2 they could not be run."""
    asked = _parser().parse_args(arguments)
    try:
        verdicts = _run(asked.suite, asked.connection)
    except CannotRunError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    print(report.as_json(verdicts))
    return 0 if all(verdict.is_good for verdict in verdicts.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.conformance", description=__doc__)
    parser.add_argument("--suite", action="append", metavar="NAME", help="run only this one (repeatable)")
    parser.add_argument(
        "--connection", type=Path, metavar="FILE.json",
        help="use the running server that this output of `trunkline connection --json` describes",
    )  # fmt: skip
    return parser


def _run(names: list[str] | None, connection_file: Path | None) -> dict[str, Verdict]:
    table = suites.load()
    chosen = {name: table.suites[name] for name in names or table.suites if name in table.suites}
    unknown = sorted(set(names or ()) - set(chosen))
    if unknown:
        raise CannotRunError(f"no such suite: {', '.join(unknown)}; there are: {', '.join(table.suites)}")
    suites.check_installed(chosen)
    archives = packages.fetch(chosen.values(), CACHE / "downloads")
    verdicts: dict[str, Verdict] = {}
    with _server(connection_file) as connection:
        print(f"server: {connection.https}", flush=True)
        for name, suite in chosen.items():
            tests = packages.unpack_tests(archives[suite.sha256], CACHE / "suites" / name)
            xml, log = CACHE / f"{name}.xml", CACHE / f"{name}.log"
            environment = session.live_environment(suite, table.env, connection)
            began = time.monotonic()
            trouble = session.run(suite, environment, tests=tests, results=xml, log=log)
            duration_s = time.monotonic() - began
            verdicts[name] = results.judge(suite, results.read(xml), trouble)
            told = report.lines(name, suite, verdicts[name], duration_s, log)
            print("\n".join(told), flush=True)
    return verdicts


def _server(connection_file: Path | None) -> AbstractContextManager[server.Connection]:
    return server.described(connection_file) if connection_file else server.started(CACHE / "server.log")


if __name__ == "__main__":
    sys.exit(main())
