"""The catalogue given back."""

from __future__ import annotations

from typing import Any

from tests.support.world import World


def test_the_whole_catalogue_is_given_back(own: Any, world: World) -> None:
    """Every service with every operation, every event type and measure."""
    found = own("GET", "/catalogue").json
    catalogue = world.house.catalogue
    assert {one["name"] for one in found["services"]} == set(catalogue.services)
    assert {row["name"] for one in found["services"] for row in one["operations"]} == {
        name for service in catalogue.services.values() for name in service.operations
    }
    assert [row["name"] for row in found["event_types"]] == list(catalogue.event_types)
    assert [row["name"] for row in found["measures"]] == list(catalogue.measures)


def test_a_search_finds_rows_in_which_every_word_stands(own: Any) -> None:
    """In any case, in any column."""
    found = own("GET", "/catalogue?q=TYPING%20send").json
    assert [row["name"] for one in found["services"] for row in one["operations"]] == ["SendTypingIndicator"]
    assert own("GET", "/catalogue?q=zeppelin").json["services"] == []


def test_a_row_says_whether_it_is_served(own: Any) -> None:
    """501 where the service is not built, and how rows without a route are counted."""
    found = own("GET", "/catalogue?q=rooms").json
    rows = {row["name"]: row for one in found["services"] for row in one["operations"]}
    assert rows["CreateRoom"]["served"] == "501"
    assert rows["AddParticipants"]["counted_on"].startswith("UpdateParticipants, when")
    chat = own("GET", "/catalogue?q=SendChatMessage").json["services"][0]["operations"][0]
    assert (chat["served"], chat["emits"]) == ("yes", ["chat.message.sent"])
