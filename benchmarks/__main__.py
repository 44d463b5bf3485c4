"""The command: measure one claim (`python -m benchmarks requests`)."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import CannotMeasureError
from benchmarks.ingest import claim as ingest
from benchmarks.options import Options
from benchmarks.query import claim as query
from benchmarks.requests import claim as requests
from benchmarks.vendors import claim as vendors

CLAIMS: dict[str, Callable[[Options], None]] = {
    "requests": requests.measure,
    "ingest": ingest.measure,
    "query": query.measure,
    "vendors": vendors.measure,
}


def main(arguments: list[str] | None = None) -> int:
    """Give the exit status: 0 measured, 2 it could not be measured."""
    asked = _parser().parse_args(arguments)
    options = Options(
        rounds=asked.rounds,
        seconds=asked.seconds,
        only=tuple(asked.only or ()),
        beside=asked.beside,
        rows=asked.rows,
        fresh=asked.fresh,
    )
    try:
        CLAIMS[asked.claim](options)
    except CannotMeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("claim", choices=CLAIMS, help="the claim to measure")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each takes its turn (3)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="how long a turn is measured (5)")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure only this contender (repeatable)")
    parser.add_argument(
        "--beside", type=Path, metavar="CHECKOUT", help="measure the code of another checkout in the same rounds"
    )
    parser.add_argument(
        "--rows", type=int, default=10_000_000, metavar="N", help="how many facts a store is filled with (10 million)"
    )
    parser.add_argument("--fresh", action="store_true", help="fill the store anew that an earlier run has left")
    return parser


if __name__ == "__main__":
    sys.exit(main())
