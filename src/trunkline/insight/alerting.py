"""Alerting: asks what alert rules are about, and finds the incidents of those that are met."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.catalogue.rows import Measure
from trunkline.clock import milliseconds, rfc3339
from trunkline.errors import InvalidError, TrunklineError
from trunkline.ids import Ids
from trunkline.insight.alerts import AlertRule, AlertRules, Criterion
from trunkline.insight.incidents import ALERT, Change, Incident
from trunkline.telemetry.questions import Condition
from trunkline.telemetry.recorder import Recorder

_log = logging.getLogger(__name__)
AT_ONCE = 2
"""So many rules are asked for at the same time: others have questions, too."""

UPDATED_EVERY = timedelta(minutes=5)
_CRITICAL = 1


class Alerts:
    """Follows the alert rules that are enabled, each every so many minutes."""

    kind = ALERT
    furthest_back = timedelta(minutes=5)

    def __init__(self, rules: AlertRules, measures: Mapping[str, Measure], recorder: Recorder, ids: Ids) -> None:
        self._counts = {name for name, row in measures.items() if row.agg in {"count", "distinct", "sum"}}
        self._rules = rules
        self._recorder = recorder
        self._ids = ids

    async def changes(self, until: datetime, those: Sequence[Incident]) -> list[Change]:
        """Return what becomes of incidents and rules with the minute that ends at a moment; `those` are open.

        Raises UnavailableError when the facts cannot be asked for.
        """
        known = {(one.resource, one.rule.lower()): one for one in those}
        minute = milliseconds(until) // 60_000
        rules = await self._rules.all()
        due = [
            one
            for one in rules
            if one.enabled and minute % one.every_minutes == 0 and (one.changed_at is None or one.changed_at <= until)
        ]
        turns = asyncio.Semaphore(AT_ONCE)

        async def follow(rule: AlertRule) -> Change | None:
            async with turns:
                return await self._followed(rule, known.get((rule.resource, rule.name.lower())), until)

        found = await asyncio.gather(*(follow(rule) for rule in due))
        # a rule that went while it was followed may have opened one after that, which nobody else would close
        followed = {(rule.resource, rule.name.lower()) for rule in rules if rule.enabled}
        over = [_closed(one, until) for key, one in known.items() if key not in followed]
        return [*over, *(change for change in found if change is not None)]

    async def _followed(self, rule: AlertRule, one: Incident | None, until: datetime) -> Change | None:
        """Ask what a rule is about; returns what becomes of its incident, None if there is none."""
        try:
            measured = [await self._measured(rule, criterion, until) for criterion in rule.criteria]
        except InvalidError as error:
            _log.warning("the alert rule %r of %s cannot be followed: %s", rule.name, rule.resource, error.message)
            return None
        except TrunklineError:
            raise  # the next look is for all of them
        except Exception:  # noqa: BLE001 - one rule must not keep the others from being followed
            _log.exception("the alert rule %r of %s cannot be followed", rule.name, rule.resource)
            return None
        value = measured[0]
        if not all(criterion.holds(got) for criterion, got in zip(rule.criteria, measured, strict=True)):
            if one is None:
                return None
            return _closed(msgspec.structs.replace(one, value=value), until)
        if one is None:
            return Change(incident=self._opened(rule, value, until), what="opened")
        is_told = until - one.told_at >= UPDATED_EVERY
        one = msgspec.structs.replace(
            one,
            value=value,
            peak=_further(rule.criteria[0], one.peak, value),
            last_at=until,
            updated_at=until,
            told_at=until if is_told else one.told_at,
            question=_question(rule, one.began_at, until),
        )
        return Change(incident=one, what="updated" if is_told else "")

    async def _measured(self, rule: AlertRule, criterion: Criterion, until: datetime) -> float | None:
        """Return what was measured; of no facts what counts has counted 0, and an average is None."""
        points = await self._recorder.ask(rule.question(criterion, until))
        if criterion.of:
            part, whole = points[0].values if points else (None, None)
            return None if not whole else (part or 0.0) / whole
        value = points[0].values[0] if points else None
        return 0.0 if value is None and criterion.measure in self._counts else value

    def _opened(self, rule: AlertRule, value: float | None, until: datetime) -> Incident:
        digits = self._ids.hex(4).upper()
        began_at = until - timedelta(minutes=rule.window_minutes)
        return Incident(
            id=f"{digits[:4]}-{digits[4:]}",
            kind=ALERT,
            rule=rule.name,
            resource=rule.resource,
            title=f"{rule.name}: {rule}"[:300],
            level="critical" if rule.severity <= _CRITICAL else "warning",
            began_at=began_at,
            opened_at=until,
            last_at=until,
            updated_at=until,
            told_at=until,
            value=value,
            peak=value,
            threshold=rule.criteria[0].value,
            question=_question(rule, began_at, until),
        )


def _closed(one: Incident, until: datetime) -> Change:
    over = msgspec.structs.replace(one, updated_at=until, told_at=until, closed_at=until)
    return Change(incident=over, what="closed")


def _further(criterion: Criterion, peak: float | None, value: float | None) -> float | None:
    """Return which of two values is worse."""
    if peak is None or value is None:
        return value if peak is None else peak
    return min(peak, value) if criterion.when in {"below", "at most"} else max(peak, value)


def _question(rule: AlertRule, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the body that shows the first criterion's measure, minute by minute."""
    asked = rule.question(rule.criteria[0], end)
    where = [
        {"column": one.column, "values": list(one.values), "op": one.op, "fold": one.fold}
        for one in asked.where
        if isinstance(one, Condition)  # a rule has no alternatives
    ]
    return {
        "measures": list(asked.measures),
        "start": rfc3339(start),
        "end": rfc3339(end),
        "step": "minute",
        "where": where,
    }
