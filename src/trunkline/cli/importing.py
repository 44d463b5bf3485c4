"""Brings one file after the other to the server, shows how far it is, and tells what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TextIO

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from trunkline.apis.trunkline.posted import MOST_LISTED, Reading
from trunkline.catalogue.facts import Fact
from trunkline.cli.sending import Answer, BehindError, Import, Server
from trunkline.clock import RealClock, monotonic
from trunkline.errors import InvalidError
from trunkline.sources.chunks import Chunk
from trunkline.sources.files import SourceFile
from trunkline.sources.packing import CutOffError
from trunkline.sources.rules import Refused

MOST_SHOWN = 100
MOST_RESTARTS = 3
SAY_EACH_S = 10.0


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a file; `before` counts the chunks that the server had already."""

    file: str
    fact: str
    accepted: int = 0
    rejected: int = 0
    chunks: int = 0
    before: int = 0
    seconds: float = 0.0
    trouble: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether every row that was read has been taken, and the file read to its end."""
        return not self.rejected and not self.trouble

    def told(self) -> str:
        """Say it in a line."""
        if not self.chunks and self.before and not self.trouble:
            return f"{self.file}: all of it was there already ({self.before} chunks)."
        rate = f" in {self.seconds:.1f} s ({self.accepted / max(self.seconds, 1e-6):,.0f} a second)"
        parts = [f"{self.file}: {self.accepted} {self.fact} imported{rate}, {self.rejected} rejected"]
        parts += [f"{self.before} chunks were there already"] if self.before else []
        return "; ".join(parts) + "." + (f" {self.trouble}" if self.trouble else "")


class Importer:
    """Imports files; rejected rows go to the file `rejects`, if there is one. Use it as a context."""

    def __init__(self, server: Server, rejects: Path | None = None) -> None:
        self._server = server
        self._rejects = rejects
        self._written: TextIO | None = None
        self._shown = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(self._server.close)
        if self._rejects is not None:
            try:
                self._written = self._stack.enter_context(self._rejects.open("w", encoding="utf-8"))
            except OSError as error:
                raise InvalidError(f"{self._rejects} cannot be written: {error.strerror}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def bring(self, file: SourceFile) -> Outcome:
        """Import one file. Raises what `Import.deliver` raises, but for a file that cannot be read to its end."""
        outcome = Outcome(file=str(file.path), fact=file.kind.table)
        begun = monotonic()
        with Shown(file.path.name) as shown:
            shown.reading(file.size)
            work = Import(self._server, file.kind.table, file.mark(shown.advance))
            try:
                self._bring(file, work, outcome, shown)
            except CutOffError as error:
                outcome.trouble = error.message
        outcome.seconds = round(monotonic() - begun, 3)
        return outcome

    def _bring(self, file: SourceFile, work: Import, outcome: Outcome, shown: Shown) -> None:
        outcome.before = known = work.known()
        for restart in range(MOST_RESTARTS):
            shown.loading(file.total)
            chunks = file.chunks(0 if self._written and not restart else known)
            try:
                for chunk, answer in work.deliver(self._unknown(file, chunks, known, outcome)):
                    outcome.chunks += 1
                    # what the server has "again" this import has sent before: the answer was lost
                    taken = len(chunk.lines) - answer.rejected_total if answer.again else answer.accepted
                    outcome.accepted += taken
                    self._tell(file, chunk, answer, outcome)
                    shown.loaded(chunk.position, outcome)
                return
            except BehindError:
                if restart == MOST_RESTARTS - 1:
                    raise
                known = work.known()

    def _unknown(self, file: SourceFile, chunks: Iterator[Chunk], known: int, outcome: Outcome) -> Iterator[Chunk]:
        """Pass on what the server has not; what was rejected of the rest is found out once more when it is wanted."""
        for chunk in chunks:
            if chunk.number > known:
                yield chunk
                continue
            chunk.body()
            self._reject(file, chunk, [*chunk.refused, *judged(file.kind, chunk)], outcome)

    def _tell(self, file: SourceFile, chunk: Chunk, answer: Answer, outcome: Outcome) -> None:
        listed = [
            Refused(line=chunk.lines[told.line - 1], path=told.path, why=told.why)
            for told in answer.rejected
            if 0 < told.line <= len(chunk.lines)
        ]
        if self._written is not None and answer.rejected_total > len(answer.rejected):
            listed = list(judged(file.kind, chunk)) or listed
        outcome.rejected += max(0, answer.rejected_total - len(listed))
        self._reject(file, chunk, [*chunk.refused, *listed], outcome)

    def _reject(self, file: SourceFile, chunk: Chunk, those: Sequence[Refused], outcome: Outcome) -> None:
        outcome.rejected += len(those)
        for one in sorted(those, key=lambda refused: refused.line):
            if self._shown < MOST_SHOWN:
                self._shown += 1
                typer.echo(f"{file.path}:{one.line}: {one.path}{': ' * bool(one.path)}{one.why}", err=True)
                if self._shown == MOST_SHOWN:
                    typer.echo("Further rejected rows are counted, and written by --rejects FILE.", err=True)
            if self._written is not None:
                told = {"file": str(file.path), **msgspec.structs.asdict(one), "row": chunk.row(one.line)}
                self._written.write(msgspec.json.encode(told).decode() + "\n")


def judged(kind: type[Fact], chunk: Chunk) -> Iterator[Refused]:
    """Yield the rows of a chunk that are no facts: the server lists some, this finds all."""
    rows = chunk.rows()
    for start in range(0, len(rows), MOST_LISTED):
        reading = Reading(kind, lambda name: name, RealClock().now())
        for _ in reading.facts(iter(enumerate(rows[start : start + MOST_LISTED], start))):
            pass
        for rejected in reading.rejected:
            yield Refused(line=chunk.lines[rejected.line], path=rejected.path, why=rejected.why)


class Shown:
    """How far a file is: a bar on a terminal, else a line now and then; on the standard error either way."""

    def __init__(self, name: str) -> None:
        self._name = name
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[said]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
        self._task: TaskID | None = None
        self._begun = self._said_at = monotonic()
        self._total = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reading(self, total: int) -> None:
        """Begin to read the file for its name."""
        self._begin(f"{self._name}: reading", total)

    def loading(self, total: int) -> None:
        """Begin to load it."""
        self._begin(self._name, total)

    def _begin(self, name: str, total: int) -> None:
        self._begun = monotonic()
        self._total = total
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total or None, said="")

    def advance(self, count: int) -> None:
        """Show that so many bytes more were read."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)

    def loaded(self, position: int, outcome: Outcome) -> None:
        """Show that the file is loaded up to a position."""
        rate = outcome.accepted / max(monotonic() - self._begun, 1e-6)
        said = f"{outcome.accepted:,} {outcome.fact}, {rate:,.0f} a second"
        said += f", {outcome.rejected:,} rejected" if outcome.rejected else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=position, said=said)
        elif self._bar is None and monotonic() - self._said_at > SAY_EACH_S:
            self._said_at = monotonic()
            share = f"{min(100, 100 * position // self._total)} %, " if self._total else ""
            typer.echo(f"{self._name}: {share}{said}", err=True)
