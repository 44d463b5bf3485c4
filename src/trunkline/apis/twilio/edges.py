"""Edges: which one is asked for, and which is shown when none is."""

from __future__ import annotations

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.calls import Leg
from trunkline.apis.twilio.errors import bad
from trunkline.catalogue.twilio.words import words
from trunkline.telemetry.questions import Condition

ALL = "all"
"""Beyond the original: every edge."""


def wanted_edge(exchange: Exchange) -> str:
    """Read which edge is asked for, "" for none; raises InvalidError."""
    text = exchange.query.get("edge", "")
    if "edge" in exchange.query and text != ALL and text not in words().edges:
        raise bad("Edge", f"it is one of {', '.join(words().edges)}, or {ALL}.")
    return text


def conditions(leg: Leg, edge: str, *also: str) -> tuple[Condition, ...]:
    """Return what confines the readings or events of a call to it, and to an edge: its type's own if none is named.

    `also` are edges of ours that are shown with that one.
    """
    own = (
        Condition(column="resource", values=(leg.account.name,)),
        Condition(column="call_id", values=leg.ids),
    )
    if edge == ALL:
        return own
    if edge:
        return (*own, Condition(column="edge", values=(words().edges[edge],)))
    return (*own, Condition(column="edge", values=(words().edges[leg.usual_edge], *also)))
