"""The best that one could write by hand: bare DuckDB over a plain table of calls, and over a copy of our rollup."""

from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from benchmarks.facts import Year
from benchmarks.query import questions

_MINUTES = """
SELECT happened_at, operation, status, CAST(sum(facts) AS BIGINT)
FROM requests_by_minute WHERE happened_at >= ? AND happened_at < ?
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_WHICH = """
happened_at >= ? AND happened_at < ? AND direction = 'outbound' AND capability IN ('phone', 'sip trunk')
AND application_id <> 'support' AND sender_type IN ('long code', 'toll free')
"""
_MEASURES = f"""
SELECT date_trunc('hour', happened_at), country, network_id,
  count(*), count(*) FILTER (WHERE seized), count(*) FILTER (WHERE answered),
  count(*) FILTER (WHERE outcome = 'busy'), count(*) FILTER (WHERE outcome = 'no answer'),
  count(*) FILTER (WHERE answered) / nullif(count(*) FILTER (WHERE seized), 0),
  count(*) FILTER (WHERE outcome = 'busy') / count(*),
  avg(talk_ms) FILTER (WHERE answered)
FROM calls
WHERE {_WHICH}
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""  # noqa: S608 - of constants


class Plain:
    """A file of its own, which only holds what is compared."""

    def __init__(self, file: Path) -> None:
        self._connection = duckdb.connect(str(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._connection.close()

    def fill(self, year: Year) -> None:
        """Make the plain table: one row a call, as the generator knows it, in the order of their beginning."""
        for number, table in enumerate(year.plain_calls()):
            self._connection.register("incoming", questions.naive(table))
            self._connection.execute(
                "CREATE TABLE calls AS SELECT * FROM incoming"
                if not number
                else "INSERT INTO calls SELECT * FROM incoming"
            ).fetchall()
            self._connection.unregister("incoming")
        self._connection.execute("CHECKPOINT").fetchall()

    def copy_rollup(self, store: Path) -> int:
        """Copy the rollup of a store whose server does not run, row by row as it stands there; returns its rows."""
        self._connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)").fetchall()
        self._connection.execute(
            "CREATE OR REPLACE TABLE requests_by_minute AS FROM store.requests_by_minute"
        ).fetchall()
        self._connection.execute("DETACH store").fetchall()
        self._connection.execute("CHECKPOINT").fetchall()
        return int(self._connection.execute("SELECT count(*) FROM requests_by_minute").fetchall()[0][0])

    def minutes(self, year: Year) -> Any:
        """Answer the day by minute, operation and status, as Arrow."""
        first, last = questions.day(year)
        return self._connection.sql(
            _MINUTES, params=[first.replace(tzinfo=None), last.replace(tzinfo=None)]
        ).to_arrow_table()

    def measures(self, year: Year) -> Any:
        """Answer the eight measures by hour, country and network, as Arrow."""
        first, last = questions.span(year)
        return self._connection.sql(
            _MEASURES, params=[first.replace(tzinfo=None), last.replace(tzinfo=None)]
        ).to_arrow_table()

    def attempted(self, year: Year, days: int) -> int:
        """Count the calls of the last days of which the measures are."""
        span = (year.end - timedelta(days=days), year.end)
        bound = [moment.replace(tzinfo=None) for moment in span]
        found = self._connection.execute(f"SELECT count(*) FROM calls WHERE {_WHICH}", bound).fetchall()  # noqa: S608 - a constant
        return int(found[0][0])
