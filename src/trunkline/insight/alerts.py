"""Alert rules: what is to be told when a measure is above, below, a share of another, or there is nothing at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from trunkline.catalogue.facts import Fact
from trunkline.clock import Clock
from trunkline.errors import ConflictError, InvalidError, NotFoundError
from trunkline.insight.incidents import ALERT, Change, keep, open_ones
from trunkline.insight.watch import Teller
from trunkline.state.database import Database
from trunkline.state.transaction import Reader, Transaction, metadata
from trunkline.telemetry.questions import Condition, Series

When = Literal["above", "at least", "below", "at most", "equal", "absent"]
MOST_RULES = 1000
MOST_OF_ONE = 100
MOST_CRITERIA = 5
MOST_WINDOW = 24 * 60
MOST_EVERY = 60
LONGEST_DESCRIPTION = 1000
LONGEST_NAME = 260
LARGEST = 64 * 1024
MOST_CONDITIONS = 20
MOST_VALUES = 200
_NAME = re.compile(r"[^*#&+:<>?@%{}\\/|\x00-\x1f]{1,260}", re.ASCII)

alert_rules = sa.Table(
    "alert_rules",
    metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(260), primary_key=True),  # in lower case
    sa.Column("rule", sa.LargeBinary, nullable=False),
)
_all = sa.select(alert_rules.c.rule).order_by(alert_rules.c.resource, alert_rules.c.name)
_put = sa.insert(alert_rules)
_drop = sa.delete(alert_rules).where(
    alert_rules.c.resource == sa.bindparam("of_resource"), alert_rules.c.name == sa.bindparam("of_name")
)
_get = sa.select(alert_rules.c.rule).where(
    alert_rules.c.resource == sa.bindparam("of_resource"), alert_rules.c.name == sa.bindparam("of_name")
)
_encode = msgspec.msgpack.Encoder().encode


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """What must be so: a measure, or its share `of` another, is above (at least, below …) a value, or is absent.

    Absent is a measure of which nothing came: it counts nothing, or has no value.
    """

    measure: str
    when: When
    value: float = 0.0
    of: str = ""
    where: tuple[Condition, ...] = ()

    def holds(self, measured: float | None) -> bool:
        """Tell whether it is so; of nothing only absence is."""
        if self.when == "absent":
            return not measured
        if measured is None:
            return False
        return {
            "above": measured > self.value,
            "at least": measured >= self.value,
            "below": measured < self.value,
            "at most": measured <= self.value,
            "equal": measured == self.value,
        }[self.when]

    def __str__(self) -> str:
        named = f"{self.measure} of {self.of}" if self.of else self.measure
        return f"{named} is absent" if self.when == "absent" else f"{named} {self.when} {self.value:g}"


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a resource: met when all criteria hold over the last `window_minutes`, asked every `every_minutes`.

    It is about that resource's facts, or everybody's if `everywhere`. `severity` is 0 (critical) to 4 (verbose);
    `extra` is kept for the API that made the rule.
    """

    name: str
    resource: str
    criteria: tuple[Criterion, ...]
    window_minutes: int = 5
    every_minutes: int = 1
    description: str = ""
    severity: int = 3
    enabled: bool = True
    everywhere: bool = False
    changed_at: datetime | None = None
    extra: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{' and '.join(map(str, self.criteria))} over {self.window_minutes} min"

    def question(self, criterion: Criterion, until: datetime) -> Series:
        """Return the question of a criterion for the window that ends at a moment."""
        own = () if self.everywhere else (Condition(column="resource", values=(self.resource,)),)
        return Series(
            measures=(criterion.measure, criterion.of) if criterion.of else (criterion.measure,),
            start=until - timedelta(minutes=self.window_minutes),
            end=until,
            where=(*criterion.where, *own),
        )


_decode = msgspec.msgpack.Decoder(AlertRule).decode


def rules(reader: Reader | Transaction) -> list[AlertRule]:
    """Read every rule."""
    return [_decode(row.rule) for row in reader.all(_all)]


class AlertRules:
    """The rules of this server; `check` refuses a question that cannot be answered (InvalidError)."""

    def __init__(self, database: Database, clock: Clock, check: Callable[[Series], Any], teller: Teller) -> None:
        self._database = database
        self._clock = clock
        self._check = check
        self._teller = teller

    async def all(self) -> list[AlertRule]:
        """List the rules, by resource and name."""
        return await self._database.read(rules)

    async def get(self, resource: str, name: str) -> AlertRule:
        """Return a rule, its name in any case; raises NotFoundError."""
        found = await self._database.read(lambda reader: reader.value(_get, of_resource=resource, of_name=name.lower()))
        if found is None:
            raise _unknown(name)
        return _decode(found)

    async def put(self, rule: AlertRule) -> tuple[AlertRule, bool]:
        """Make a rule, or replace the one of that name; returns it and whether it is new.

        Raises InvalidError, ConflictError (there are too many).
        """
        now = self._clock.now()
        self._refuse(rule, now)
        rule = msgspec.structs.replace(rule, changed_at=now)
        key = {"of_resource": rule.resource, "of_name": rule.name.lower()}

        def unit(transaction: Transaction) -> tuple[bool, list[Fact]]:
            known = rules(transaction)
            is_new = transaction.value(_get, **key) is None
            own = sum(one.resource == rule.resource for one in known)
            if is_new and (len(known) >= MOST_RULES or own >= MOST_OF_ONE):
                raise ConflictError(f"There are too many alert rules: {MOST_OF_ONE} an account, {MOST_RULES} in all.")
            changes = [] if rule.enabled else self._ending(transaction, rule.resource, rule.name, now)
            transaction.hand(_drop, **key)
            transaction.hand(_put, resource=rule.resource, name=rule.name.lower(), rule=_encode(rule))
            return is_new, self._end(transaction, changes, now)

        is_new, told = await self._database.write(unit)
        self._teller.told(told)
        return rule, is_new

    async def remove(self, resource: str, name: str) -> None:
        """Remove a rule; its incident is over with it. Raises NotFoundError."""
        now = self._clock.now()
        key = {"of_resource": resource, "of_name": name.lower()}

        def unit(transaction: Transaction) -> list[Fact]:
            if transaction.value(_get, **key) is None:
                raise _unknown(name)
            changes = self._ending(transaction, resource, name, now)
            transaction.hand(_drop, **key)
            return self._end(transaction, changes, now)

        self._teller.told(await self._database.write(unit))

    def _ending(self, transaction: Transaction, resource: str, name: str, now: datetime) -> list[Change]:
        """Return what becomes of a rule's open incident when nobody asks for it any more."""
        return [
            Change(incident=msgspec.structs.replace(one, closed_at=now, updated_at=now), what="closed")
            for one in open_ones(transaction, ALERT)
            if one.resource == resource and one.rule.lower() == name.lower()
        ]

    def _end(self, transaction: Transaction, changes: list[Change], now: datetime) -> list[Fact]:
        keep(transaction, changes, [change.incident.id for change in changes])
        return self._teller.tell(transaction, changes, now)

    def _refuse(self, rule: AlertRule, now: datetime) -> None:
        """Refuse a rule that nobody could follow; raises InvalidError."""
        if (
            not _NAME.fullmatch(rule.name)
            or len(rule.name.lower()) > LONGEST_NAME
            or rule.name.strip(" .") != rule.name
        ):
            raise InvalidError("A rule's name has 1 to 260 letters, digits and plain signs.", target="name")
        if not 1 <= len(rule.criteria) <= MOST_CRITERIA:
            raise InvalidError(f"A rule has 1 to {MOST_CRITERIA} criteria.", target="criteria")
        if not 1 <= rule.window_minutes <= MOST_WINDOW or not 1 <= rule.every_minutes <= MOST_EVERY:
            raise InvalidError(
                f"The window has 1 to {MOST_WINDOW} minutes, and is looked at every 1 to {MOST_EVERY}.",
                target="window_minutes",
            )
        if not 0 <= rule.severity <= 4 or len(rule.description) > LONGEST_DESCRIPTION:
            raise InvalidError(
                f"severity is 0 (critical) to 4 (verbose), a description has at most {LONGEST_DESCRIPTION} characters.",
                target="severity",
            )
        if len(_encode(rule)) > LARGEST:
            raise InvalidError(f"A rule has at most {LARGEST} bytes with all that is kept of it.", target="criteria")
        for criterion in rule.criteria:
            if len(criterion.where) > MOST_CONDITIONS or sum(len(one.values) for one in criterion.where) > MOST_VALUES:
                raise InvalidError(
                    f"A criterion has at most {MOST_CONDITIONS} conditions and {MOST_VALUES} values.", target="where"
                )
            if not abs(criterion.value) <= 1e15:
                raise InvalidError("The value is a number that can be compared with.", target="value")
            self._check(rule.question(criterion, now))


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"There is no alert rule {name[:60]!r}.", target="name")
