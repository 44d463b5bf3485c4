"""Calls: found by their SIDs, and whose they are. One leg is one call here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import timedelta

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.auth import Callers
from trunkline.apis.twilio.errors import bad, no_access, not_found
from trunkline.catalogue.twilio.sids import call_sid, derived, is_call
from trunkline.catalogue.twilio.words import words
from trunkline.services.resources import Resource
from trunkline.telemetry.finding import Near
from trunkline.telemetry.questions import EVER, Condition, Either, Row, Rows
from trunkline.telemetry.recorder import Recorder

_MOST_LEGS = 100
_APART = timedelta(days=1)
"""So far from each other the legs of a call begin."""
_KNOWN = ("happened_at", "resource", "leg_id", "call_id", "foreign_ids", "capability", "direction")
_LONGEST = 200


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it is shown: its fact, SID, account, the ids that its readings and events may bear, who is near."""

    row: Row
    sid: str
    account: Resource
    ids: tuple[str, ...] = ()
    beside: Near = Near()

    def word(self, kind: str) -> str | None:
        """Return Twilio's word of a kind for the call, such as its type or state."""
        return words().word(kind, self.row)

    @property
    def usual_edge(self) -> str:
        """The edge that is shown unless another one is asked for."""
        usual = words().usual_edges[self.word("call_type") or "carrier"]
        return usual.inbound if usual.inbound and self.row["direction"] == "inbound" else usual.edge


class Calls:
    """Finds calls that the caller may see."""

    def __init__(self, recorder: Recorder, callers: Callers) -> None:
        self._recorder = recorder
        self._callers = callers

    async def of(self, exchange: Exchange, *columns: str) -> Leg:
        """Return the call that the path names: by its SID, or beyond the original by the id that it was posted with.

        With `columns` no others are read of its fact. Raises InvalidError for what can be no SID, NotFoundError,
        ForbiddenError for another account's call.
        """
        wanted = exchange.params["sid"]
        ids = [wanted, wanted[2:].lower()] if is_call(wanted) else [wanted]
        start, end = EVER
        question = Rows(fact="calls", start=start, end=end, limit=_MOST_LEGS, columns=columns and (*_KNOWN, *columns))
        near = await self._recorder.near(question, ids) if 0 < len(wanted) <= _LONGEST else Near()
        # what is a leg's own comes before what is its call's: that names the first leg which has none of its own
        legs = [leg for leg in near.rows if _is_named(leg, wanted)]
        legs = legs or sorted(
            (leg for leg in near.rows if leg["call_id"] == wanted), key=lambda leg: sid_of(leg) != wanted
        )
        for name in self._callers.family(exchange):
            for leg in legs:
                if leg["resource"] == name:
                    found = msgspec.structs.replace(self.shown(leg), beside=near)
                    is_clear = found.sid == wanted or _is_named(leg, found.sid)
                    return found if is_clear else _told_apart([found], await self._beside([found]))[0]
        if not is_call(wanted):
            raise bad("CallSid", "it is CA and 32 hexadecimal digits.")
        if legs:
            raise no_access("the call is another account's, which is not below yours.")
        raise not_found(exchange.raw_path)

    def shown(self, leg: Row) -> Leg:
        """Return a leg as a call; what its readings bear is found out later."""
        return Leg(row=leg, sid=sid_of(leg), account=self._callers.account(leg["resource"]))

    async def with_ids(self, leg: Leg) -> Leg:
        """Return a call with the ids that its readings and events may bear."""
        kin = await self._recorder.kin(leg.row, leg.beside)
        return with_ids(leg, kin.others)

    async def rows(self, leg: Leg, question: Callable[[Leg], Rows]) -> list[Row]:
        """Return readings or events of a call; the question is put when the ids that they may bear are known."""
        return await self._recorder.rows_of_kin(leg.row, leg.beside, lambda kin: question(with_ids(leg, kin.others)))

    async def with_kin(self, legs: Sequence[Leg]) -> list[Leg]:
        """Return calls of one account as they are listed, each with the ids that its readings and events may bear."""
        rows = await self._beside(legs)
        others = {one for row in rows for one in (row["leg_id"], *row["foreign_ids"].values())}
        return [with_ids(leg, others) for leg in _told_apart(legs, rows)]

    async def _beside(self, legs: Sequence[Leg]) -> list[Row]:
        """Return the legs of the calls of some of one account, and those that bear the calls' ids; the oldest first."""
        shared = tuple({leg.row["call_id"] for leg in legs if leg.row["call_id"] not in {"", leg.row["leg_id"]}})
        if not shared:
            return []
        moments = [leg.row["happened_at"] for leg in legs]
        columns = ("leg_id", "call_id")
        question = Rows(
            fact="calls",
            start=min(moments) - _APART,
            end=max(moments) + _APART,
            where=(
                Condition(column="resource", values=(legs[0].account.name,)),
                Either(of=tuple((Condition(column=name, values=shared),) for name in columns)),
            ),
            columns=(*columns, "foreign_ids"),
            limit=_MOST_LEGS * len(shared),
        )
        return await self._recorder.rows(question)


def _told_apart(legs: Sequence[Leg], beside: Iterable[Row]) -> list[Leg]:
    """Return calls, each with an SID that finds it: what is their call's is the first one's alone."""
    borrowed = {leg.sid for leg in legs if not _is_named(leg.row, leg.sid)}
    own: dict[str, str] = {}
    first: dict[str, str] = {}
    for row in beside:
        for sid in borrowed.intersection((row["leg_id"], row["call_id"])):
            if _is_named(row, sid):
                own.setdefault(sid, row["leg_id"])
            elif sid_of(row) == sid:
                first.setdefault(sid, row["leg_id"])
    shown = first | own
    return [
        leg
        if shown.get(leg.sid, leg.row["leg_id"]) == leg.row["leg_id"]
        else msgspec.structs.replace(leg, sid=derived(leg.row["leg_id"]))
        for leg in legs
    ]


def with_ids(leg: Leg, others: Container[str]) -> Leg:
    """Return a call with the ids that its readings and events may bear; `others` are other legs' own.

    What only says which call it belongs to is shown at each leg, but for what is another leg's own.
    """
    row = leg.row
    ids = {row["leg_id"], *row["foreign_ids"].values()}
    ids |= {row["call_id"]} if row["call_id"] not in others else set()
    return msgspec.structs.replace(leg, ids=tuple(sorted(ids - {""})))


def sid_of(leg: Row) -> str:
    """Return the SID of a leg."""
    return call_sid(leg["leg_id"], leg["foreign_ids"].values(), leg["call_id"])


def _is_named(leg: Row, wanted: str) -> bool:
    """Tell whether an id is a leg's own."""
    return wanted in {leg["leg_id"], *leg["foreign_ids"].values()} or wanted.lower() == derived(leg["leg_id"]).lower()
