"""What a suite's JUnit XML says, test by test, and the verdict over the suite."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.conformance.suites import Suite

REACHED = "reached_server"
WORST_FIRST = ("error", "failure", "skipped")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended: `passed`, or one of `error`, `failure`, `skipped` with its reason."""

    name: str
    ending: str
    why: str
    reached_server: bool

    @property
    def function(self) -> str:
        """The test function, without class and parameters."""
        return self.name.rsplit("::", 1)[-1].split("[", 1)[0]


@dataclass(slots=True)
class Verdict:
    """A suite's result: `passed` of `total` tests that have to pass; the excluded are in neither."""

    passed: int = 0
    total: int = 0
    excluded: dict[str, list[str]] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything that has to pass did."""
        return self.total > 0 and self.passed == self.total and not self.failed and not self.problems

    @property
    def excluded_count(self) -> int:
        """How many tests were excluded, for whatever reason."""
        return sum(len(names) for names in self.excluded.values())


def read(path: Path) -> list[Outcome]:
    """Read JUnit XML as pytest writes it; no file, or half a file, is no outcomes.

    A test that fails and then fails again in its teardown has two entries: they become one. The one that
    an interrupted run broke off in has an entry without a name, which is no outcome.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - written a moment ago by the pytest we started
    except (FileNotFoundError, ET.ParseError):
        return []
    outcomes: dict[str, Outcome] = {}
    for case in root.iter("testcase"):
        if not case.get("name"):
            continue
        outcome = _outcome(case)
        earlier = outcomes.get(outcome.name)
        outcomes[outcome.name] = _merge(earlier, outcome) if earlier else outcome
    return list(outcomes.values())


def _outcome(case: ET.Element) -> Outcome:
    ending, why = "passed", ""
    for kind in WORST_FIRST:
        note = case.find(kind)
        if note is not None:
            ending, why = kind, (note.get("message") or note.text or "no reason given").strip()
            break
    said = {prop.get("name"): prop.get("value") for prop in case.iter("property")}
    if ending == "passed" and REACHED not in said:
        # The plugin says it at the end of the teardown: this test never got there.
        ending, why = "error", "did not come to its end"
    name = f"{case.get('classname', '')}::{case.get('name', '')}"
    return Outcome(name, ending, why, reached_server=said.get(REACHED) == "yes")


def _merge(one: Outcome, other: Outcome) -> Outcome:
    endings = [one, other]
    endings.sort(key=lambda outcome: (*WORST_FIRST, "passed").index(outcome.ending))
    why = "; then ".join(outcome.why for outcome in (one, other) if outcome.why)
    return Outcome(one.name, endings[0].ending, why, one.reached_server or other.reached_server)


def judge(suite: Suite, outcomes: list[Outcome], trouble: str | None) -> Verdict:
    """Weigh outcomes against a suite's row.

    A test is excluded only if the row names it *and* it passed without a word to the server: one that
    does speak to it is judged like any other. A skipped test has not passed. A test that is missing, a
    surplus one or an exclusion that meets no test mean that the row is wrong, which is a problem too.
    """
    verdict = Verdict(problems=[trouble] if trouble else [])
    for outcome in outcomes:
        reason = suite.reason_for(outcome.function)
        if reason and outcome.ending == "passed" and not outcome.reached_server:
            verdict.excluded.setdefault(reason, []).append(outcome.name)
        elif outcome.ending == "passed":
            verdict.passed += 1
            if not outcome.reached_server:
                verdict.quiet.append(outcome.name)
        else:
            verdict.failed.append((outcome.name, f"{outcome.ending}: {outcome.why}"))
    if len(outcomes) != suite.tests:
        verdict.problems.append(f"{suite.tests} tests expected, {len(outcomes)} ran")
    met = {outcome.function for outcome in outcomes}
    unmet = sorted(name for names in suite.excluded.values() for name in names if name not in met)
    if unmet:
        verdict.problems.append(f"excluded, but no such test ran: {', '.join(unmet)}")
    verdict.total = max(len(outcomes), suite.tests) - verdict.excluded_count
    return verdict
