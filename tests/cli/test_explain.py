"""`trunkline explain`: no server is needed."""

from __future__ import annotations

import json

from tests.cli.conftest import run_alone


def test_codes_and_names_are_explained_together() -> None:
    """Meaning, fault and advice of each; an operation with its route."""
    done = run_alone("explain", "603", "SendChatMessage")
    assert done.returncode == 0
    assert "603 Decline: SIP responses (sip)\n  The called user does not want the call" in done.stdout
    assert "  Fault:  callee\n  Advice: " in done.stdout
    assert "  route: POST /chat/threads/{thread_id}/messages\n" in done.stdout


def test_programs_get_json() -> None:
    """One explanation for each that was asked."""
    (told,) = json.loads(run_alone("explain", "--json", "4006").stdout)
    assert [(one["family"], one["fault"]) for one in told["codes"]] == [("acs_sms", "callee")]


def test_what_nobody_knows_fails_with_what_comes_near() -> None:
    """On the other stream; what is known is still printed."""
    done = run_alone("explain", "4006", "4030")
    assert (done.returncode, "unreachable" in done.stdout) == (1, True)
    assert "Nothing here is called '4030'" in done.stderr
    assert "(acs_sms) know 4020" in done.stderr
