"""`trunkline numbers` and `trunkline sms` against a running server."""

from __future__ import annotations

import json
from typing import Any

OFFICE = "+18005550199"
PHONE = "+14255550123"


def test_numbers_are_listed_added_and_removed(shared: Any) -> None:
    """One number a line with tabs between; JSON has everything."""
    done = shared.run("numbers", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{OFFICE}\ttoll free\tUS  (setting)" in done.stdout.splitlines()
    done = shared.run("numbers", "add", "+44 20 7183 8750")
    assert (done.returncode, done.stdout) == (0, "trunkline owns +442071838750 (long code).\n")
    assert shared.run("numbers", "add", "Acme Ltd").stdout == "trunkline owns Acme Ltd (sender name).\n"
    found = {one["number"]: one for one in json.loads(shared.run("numbers", "list", "--json").stdout)}
    assert set(found) == {OFFICE, "+442071838750", "Acme Ltd"}
    assert (found["+442071838750"]["country"], found["+442071838750"]["from_settings"]) == ("GB", False)
    for number in ("+442071838750", "Acme Ltd"):
        assert shared.run("numbers", "remove", number).stdout == f"{number} is gone.\n"
    assert shared.run("numbers", "list").stdout.splitlines() == [f"{OFFICE}\ttoll free\tUS  (setting)"]


def test_what_cannot_be_is_refused_in_a_sentence(shared: Any) -> None:
    """A text that is no number, a number that is not there, one of the settings, an account that is not there."""
    for words, sentence in (
        (("add", "nobody at all"), "is no number"),
        (("remove", "+442071838750"), "owns no number"),
        (("remove", OFFICE), "setting"),
        (("list", "--account", "nobody"), "nobody"),
    ):
        done = shared.run("numbers", *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_another_account_has_numbers_of_its_own(shared: Any) -> None:
    """Named by `--account`."""
    assert shared.run("account", "create", "shop").returncode == 0
    assert "There are no numbers" in shared.run("numbers", "list", "--account", "shop").stderr
    done = shared.run("numbers", "add", "12345", "--account", "shop")
    assert done.stdout == "shop owns 12345 (short code).\n"
    assert shared.run("numbers", "list", "--account", "shop").stdout == "12345\tshort code\t\n"


def test_a_message_comes_in_and_a_word_is_answered(shared: Any) -> None:
    """The id is all that is printed; the answer to a word stands in the inbox."""
    done = shared.run("sms", "receive", "STOP", "--from", PHONE, "--to", OFFICE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Incoming_")
    answered = json.loads(shared.run("inbox", "--to", PHONE, "--channel", "sms", "--wait", "20", "--json").stdout)
    assert [(one["from"], one["text"][:20]) for one in answered] == [(OFFICE, "You are unsubscribed")]
    done = shared.run("sms", "receive", "hello", "--from", PHONE, "--to", "+442071838750")
    assert (done.returncode, done.stdout) == (1, "")
    assert "trunkline numbers add" in done.stderr
