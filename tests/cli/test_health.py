"""`trunkline health` against a running server."""

from __future__ import annotations

import json
from typing import Any


def test_how_each_service_is_is_told(shared: Any) -> None:
    """A line a service, with tabs; JSON has everything; all is well, so it ends with 0."""
    done = shared.run("health")
    assert (done.returncode, done.stderr) == (0, "")
    assert any(line.startswith("chat\t(all)\tavailable\t") for line in done.stdout.splitlines())
    found = json.loads(shared.run("health", "--json").stdout)
    assert {one["state"] for one in found["services"]} == {"available"}
    assert shared.run("health", "incidents").stdout == "# Incidents\n"
    assert json.loads(shared.run("health", "incidents", "--json").stdout) == []


def test_maintenance_is_announced_listed_and_ended(shared: Any) -> None:
    """As the mission's operators would."""
    words = ("--kind", "maintenance", "--service", "chat", "--until", "2030-01-01T00:00Z", "Disks are changed.")
    done = shared.run("health", "notice", "add", *words)
    assert done.returncode == 0, done.stderr
    notice_id = done.stdout.split()[0]
    assert "is active" in done.stdout
    assert any(line.startswith("chat\t(all)\tmaintenance\t") for line in shared.run("health").stdout.splitlines())
    (row,) = shared.run("health", "notice", "list").stdout.splitlines()[1:]
    assert row.startswith(f"{notice_id}\tmaintenance\tchat\tactive\t")
    assert shared.run("health", "notice", "end", notice_id).stdout == f"{notice_id} is over.\n"
    (found,) = json.loads(shared.run("health", "notice", "list", "--json").stdout)
    assert found["state"] == "over"


def test_what_cannot_be_is_refused_in_a_sentence(shared: Any) -> None:
    """A kind that is none, a moment that is none, an id that nobody has."""
    for words, sentence in (
        (("notice", "add", "--kind", "party", "x"), "kind"),
        (("notice", "add", "--from", "soon", "x"), "RFC 3339"),
        (("notice", "end", "0000-0000"), "no notice"),
        (("incident", "0000-0000"), "no incident"),
        (("--account", "nobody"), "nobody"),
    ):
        done = shared.run("health", *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
