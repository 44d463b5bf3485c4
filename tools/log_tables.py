"""The generated part about the log tables."""

from __future__ import annotations

from collections.abc import Iterator

from tools.tables import table
from trunkline.catalogue.log_tables import LogPart, read


def columns() -> Iterator[str]:
    """Tabulate the log tables: which columns are known, and what of our facts stands in them."""
    for name, one in read().tables.items():
        yield f"### {name}"
        yield ""
        made = " and ".join(_part(part) for part in one.parts)
        yield f"Category `{one.category}`. {one.brief} Made of {made}."
        yield ""
        known = [column for column in one.columns.values() if column.terms]
        yield from table(
            ("column", "type", "what stands in it"),
            ((f"`{column.name}`", column.type, f"`{column.source}`") for column in known),
        )
        if unknown := [f"`{column.name}`" for column in one.columns.values() if not column.terms]:
            yield ""
            yield f"Null here: {', '.join(unknown)}."
        yield ""


def _part(part: LogPart) -> str:
    """Return what rows are made of, in words."""
    chosen = [f"`{column}` is {_any(values)}" for column, values in part.where.items()]
    chosen += [f"`{column}` is not {_any(values)}" for column, values in part.unless.items()]
    return f"{part.of} whose {' and '.join(chosen)}" if chosen else part.of


def _any(values: tuple[str, ...]) -> str:
    return " or ".join(f"`{value}`" if value else "nothing" for value in values)
