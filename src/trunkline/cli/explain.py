"""`trunkline explain`: what a code or a name means, whose fault it is, and what to do; no server is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from trunkline.catalogue.explaining import KnownCode, Meaning, explanation
from trunkline.catalogue.load import load
from trunkline.cli import options, printout


def explain(
    codes: Annotated[
        list[str],
        typer.Argument(
            help="Codes: 603, 487/540487, 4006, NO_ANSWER, sip:486, 'Q.850;cause=17'; or names: SendChatMessage …"
        ),
    ],
    *,
    as_json: options.Json = False,
) -> None:
    """Say what codes mean, whose fault they are and what to do; and what an operation, metric or event type is."""
    known = [explanation(load(), code) for code in codes]
    if as_json:
        printout.as_json(known)
    else:
        for one in known:
            for line in _lines(one):
                typer.echo(line, err=not one.is_known)
    if not all(one.is_known for one in known):
        raise typer.Exit(1)


def _lines(known: Meaning) -> Iterator[str]:
    for code in known.codes:
        yield from _of_code(code)
    for thing in known.things:
        yield f"{thing.name}: {thing.kind}"
        yield f"  {thing.brief}"
        yield from (f"  {name}: {value}" for name, value in thing.facts.items())
        yield ""
    if not known.is_known:
        yield f"Nothing here is called {known.asked!r}."
        for near in known.near:
            yield f"  {near.title} ({near.family}) know {', '.join(near.codes)}."
        yield "`trunkline catalogue` shows what there is; docs/codes.md lists every code."


def _of_code(code: KnownCode) -> Iterator[str]:
    number = "/".join(part for part in (code.code, code.subcode) if part)
    yield f"{' '.join(part for part in (number, code.name) if part)}: {code.title} ({code.family})"
    if code.note:
        yield f"  {code.note}"
    yield f"  {code.meaning}"
    yield f"  Fault:  {code.fault}{f' ({code.category})' if code.category else ''}"
    yield f"  Advice: {code.advice}"
    yield f"  Seen:   {code.seen}"
    yield ""
