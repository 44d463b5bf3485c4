"""`trunkline teams-user` against a running server."""

from __future__ import annotations

import json
from typing import Any

OBJECT = "071cc716-8147-4397-a5ba-b2105951cc0b"
MEGAN = "megan@contoso.com"


def test_teams_users_are_added_listed_and_removed(shared: Any) -> None:
    """By object id or principal name, with their plans; JSON has everything."""
    done = shared.run("teams-user", "add", OBJECT, "--plan", "TEAMS1", "--plan", "MCOEV")
    assert (done.returncode, done.stdout) == (0, f"{OBJECT} has TEAMS1, MCOEV and is eligible.\n")
    done = shared.run("teams-user", "add", MEGAN, "--tenant", OBJECT)
    assert f"{MEGAN} has no plan and is not eligible" in done.stdout
    tenant = shared.connection()["tenant_id"]
    assert shared.run("teams-user", "list").stdout.splitlines() == [
        f"{OBJECT}\t{tenant}\tTEAMS1,MCOEV\teligible",
        f"{MEGAN}\t{OBJECT}\t-\tnot eligible",
    ]
    found = json.loads(shared.run("teams-user", "list", "--json").stdout)
    assert [(one["user"], one["eligible"]) for one in found] == [(OBJECT, True), (MEGAN, False)]
    for name in (OBJECT, MEGAN):
        assert shared.run("teams-user", "remove", name).stdout == f"{name} is gone.\n"
    assert "There are no Teams users" in shared.run("teams-user", "list").stderr


def test_what_cannot_be_is_refused_in_a_sentence(shared: Any) -> None:
    """A name of nobody, a plan that is not there, a user who is not there."""
    for words, sentence in (
        (("add", "megan"), "user principal name"),
        (("add", MEGAN, "--plan", "TEAMS2"), "there are TEAMS1"),
        (("remove", MEGAN), "There is no Teams user"),
    ):
        done = shared.run("teams-user", *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert sentence in done.stderr
