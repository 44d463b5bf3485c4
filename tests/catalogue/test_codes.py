"""The codes: every one of the vendors' tables is there, says what it means, and is found as people write it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import codes as tool
from trunkline.api.door import STATUS
from trunkline.catalogue import codes
from trunkline.catalogue.codes import table
from trunkline.catalogue.columns import tables
from trunkline.catalogue.facts import Outcome as CallOutcome
from trunkline.catalogue.load import load
from trunkline.delivery.parcel import Outcome
from trunkline.errors import ConfigurationError
from trunkline.events import dead_letters

ROWS = table.read().rows
# the registered responses of SIP, and the causes of ITU-T Q.850
SIP = (
    "100 180-183 199 200 202 204 300-302 305 380 400-408 410 412-417 420-425 428-430 433 436-440 469 470 480-489 491 "
    "493 494 500-505 513 555 580 600 603 604 606-608"
)
Q850 = "1-9 14 16-31 34 38-44 46 47 49 50 53 55 57 58 62 63 65 66 69 70 79 81-88 90 91 95-103 110 111 127"
HEAD = "code\tsubcode\tname\tcategory\tfault\tmeaning\tadvice\n"


def numbers(text: str) -> set[str]:
    """Return the numbers of a list with ranges."""
    found: set[str] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found |= {str(number) for number in range(int(first), int(last or first) + 1)}
    return found


def written(text: str) -> list[tuple[str, str]]:
    """Return the families and codes that explain a text."""
    return [(found.code.family, found.code.written) for found in codes.explained(text).found]


def test_every_code_of_the_vendors_is_there_and_no_other() -> None:
    """Held to a list of their keys; `make codes` holds that list to the vendors' tables themselves."""
    assert set(tool.ours()) == set(tool.keys())


@pytest.mark.parametrize(("family", "listed"), [("sip", SIP), ("q850", Q850)])
def test_every_registered_number_is_there_and_no_other(family: str, listed: str) -> None:
    """All responses of SIP, all causes of Q.850."""
    assert {row.code for row in ROWS if row.family == family} == numbers(listed)


def test_every_status_and_outcome_of_ours_is_explained() -> None:
    """What our APIs answer, what becomes of calls and of deliveries, and what a dead letter says."""
    known = {(row.family, row.code or row.name) for row in ROWS}
    wanted = {("http", str(status)) for status in {*STATUS.values(), 200, 201, 202, 204, 500}}
    wanted |= {("call_outcome", word) for word in get_args(CallOutcome) if word}
    wanted |= {("event_delivery", word.value) for word in Outcome}
    wanted |= {("event_delivery", word) for word in dead_letters._BY_STATUS.values()}
    wanted |= {("event_delivery", word) for word in dead_letters._BY_OUTCOME.values()}
    wanted |= {("event_delivery", word) for word in dead_letters._REASONS.values()}
    for status in (400, 401, 403, 413):
        wanted.add(("event_delivery", f"UndeliverableDueToHttp{dead_letters.phrase_of(status)}"))
    assert wanted <= known


def test_every_row_says_what_it_means_in_sentences() -> None:
    """A meaning and an advice each, with a stop at the end; an advice with a name is used."""
    assert [row.written for row in ROWS if not row.meaning.endswith(".") or not row.advice.endswith(".")] == []
    given = {line.split("\t")[1] for line in advice_lines()}
    assert given - {row.advice for row in ROWS} == set()


def advice_lines() -> list[str]:
    """Return the lines of the named advice."""
    return (table.files("trunkline.catalogue") / "codes" / "advice.tsv").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4006", "acs_sms 4006"),
        ("603", "sip 603, acs_calling_sdk 603, infobip_error 603, acs_call_end 603/0, acs_pstn 603/560603"),
        ("487/540487", "acs_call_end 487/540487, acs_pstn 487/540487, acs_call_automation 487/540487"),
        ("EC_VOICE_NO_ANSWER", "infobip_former_voice_error 5003"),
        ("ec_voice_no_answer", "infobip_former_voice_error 5003"),
        ("sip:486", "sip 486"),
        ("Q.850: 16", "q850 16"),
        ('Q.850;cause=16;text="Terminated"', "q850 16"),
        ("SIP ;cause=200 ;text=elsewhere", "sip 200"),
        ("8603", "acs_call_automation_subcode 8603"),
        ("301005", "acs_call_end 410/301005"),
        ("490", "acs_calling_sdk 490, acs_call_end 490, acs_call_end 490/4502, acs_call_automation 490/4502"),
    ],
)
def test_a_code_is_found_as_people_write_it(text: str, found: str) -> None:
    """By number, pair, name, family or Reason header; in several families, if it stands in several."""
    assert ", ".join(map(" ".join, written(text))) == found


def test_a_name_is_found_in_every_family_that_has_it() -> None:
    """NO_ANSWER is an outcome of ours, a state of Twilio's calls, a status and an error of Infobip's."""
    families = {family for family, _ in written("NO_ANSWER")}
    assert families == {"call_outcome", "twilio_call_state", "infobip_status", "infobip_voice_error"}
    assert written("no answer") == written("NO_ANSWER") == written("No-Answer")


def test_a_pair_that_stands_nowhere_is_explained_by_its_subcode() -> None:
    """One of Call Automation's means the same under every code; the code alone is told, too, and it says so."""
    found = codes.explained("500/8565").found
    assert (found[0].code.family, found[0].code.subcode) == ("acs_call_automation_subcode", "8565")
    assert "under every code" in found[0].note
    assert [one.code.written for one in found[1:]] == ["500"] * (len(found) - 1)


@pytest.mark.parametrize(("subcode", "way"), [("560413", "outbound"), ("540413", "inbound")])
def test_the_far_side_s_sip_status_stands_in_the_last_digits(subcode: str, way: str) -> None:
    """560xxx on outbound calls, 540xxx on inbound ones."""
    for text in (subcode, f"413/{subcode}"):
        found = codes.explained(text).found[0]
        assert (found.code.family, found.code.code) == ("sip", "413")
        assert way in found.note


def test_an_unknown_code_tells_the_nearest_families() -> None:
    """By number or by name; who asks for a family hears of that one only."""
    near = codes.explained("4030").near
    assert (near[0].family, near[0].codes[0]) == ("acs_sms", "4020")
    assert "busy" in codes.explained("bussy").near[0].codes
    assert [near.family for near in codes.explained("sip:699").near] == ["sip"]
    assert codes.explained("xyzzyx").near == ()


def test_every_code_is_found_in_any_case_by_how_it_is_written() -> None:
    """No row is out of reach."""
    for row in ROWS:
        assert row in {found.code for found in codes.explained(row.written.upper()).found}
        assert row in {found.code for found in codes.explained(f"{row.family}:{row.written}").found}


@given(
    st.text() | st.from_regex(r"[0-9a-z_./;:= ]{0,30}", fullmatch=True) | st.from_regex(r"\d+ ?/ ?\d+", fullmatch=True)
)
def test_whatever_is_asked_is_answered(text: str) -> None:
    """With codes, or with what comes near, never with an error."""
    told = codes.explained(text)
    assert not (told.found and told.near)


# --- advice for a fact ---


def test_a_call_is_advised_by_all_its_codes() -> None:
    """The maker's code first, then cause and status; each says where it stands."""
    row = {"error_code": "10200", "q850_cause": 19, "sip_code": 480, "status": "NO_ANSWER", "outcome": "no answer"}
    told = codes.advice("calls", row)
    assert [(one.column, one.family) for one in told] == [
        ("error_code", "infobip_voice_error"),
        ("q850_cause", "q850"),
        ("sip_code", "sip"),
        ("status", "twilio_call_state"),
        ("status", "twilio_call_state"),
        ("status", "infobip_status"),
        ("outcome", "call_outcome"),
    ]
    assert {one.fault for one in told} == {"callee"}
    assert all(one.meaning and one.advice for one in told)


def test_a_pair_in_a_call_is_understood() -> None:
    """As logs of calls have it."""
    told = codes.advice("calls", {"error_code": "480/10037"})
    assert [(one.family, one.fault) for one in told] == [("acs_call_end", "callee")]


def test_a_code_that_needs_its_subcode_is_not_guessed() -> None:
    """487 alone is a cancelled call in every family; with which subcode it ended would be a guess."""
    told = codes.advice("calls", {"error_code": "487"})
    assert {(one.family, one.fault) for one in told} == {
        ("acs_calling_sdk", "nobody"),
        ("acs_call_end", "caller"),
        ("acs_call_automation", "caller"),
    }
    assert codes.advice("calls", {"error_code": "495"}) == []
    assert [one.family for one in codes.advice("calls", {"error_code": "301005"})] == ["acs_call_end"]


def test_requests_messages_and_attempts_are_advised_by_their_own_families() -> None:
    """403 is a status of HTTP in a request, never of SIP; a text message's 4007 is an opt-out."""
    assert [one.family for one in codes.advice("requests", {"status": 403, "operation": "SendChatMessage"})] == ["http"]
    assert [one.name for one in codes.advice("messages", {"error_code": "4007"})] == ["opted_out"]
    found = codes.advice("attempts", {"status": 503, "outcome": "failed"})
    assert [(one.column, one.family) for one in found] == [("status", "http"), ("outcome", "event_delivery")]


def test_nothing_is_advised_where_there_is_no_code() -> None:
    """Empty, 0, unknown, or another table."""
    assert codes.advice("calls", {"error_code": "0", "status": " "}) == []
    assert codes.advice("calls", {"error_code": "", "sip_code": 0, "q850_cause": None}) == []
    assert codes.advice("calls", {"error_code": "home made"}) == []
    assert codes.advice("samples", {"status": 404}) == []


# --- the tables themselves ---


def test_the_tables_are_checked_with_the_catalogue() -> None:
    """Before a port opens."""
    table.read.cache_clear()
    load.cache_clear()
    load()
    assert table.read.cache_info().misses == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code\tname\n", "has not 7 columns"),
        (HEAD.replace("advice", "hint"), "does not begin with the columns"),
        (HEAD + "1\t\t\t\tgremlins\tIt is.\tDo.\n", "gremlins"),
        (HEAD + "1\t\t\t\tcaller\tIt is.\n", "line 2 of x.tsv has not 7 columns"),
    ],
)
def test_a_table_of_a_wrong_form_is_refused(text: str, said: str) -> None:
    """With the file and the line."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        list(table.parsed("x", text, {}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1\t\t\t\tcaller\t\tDo.", "sip 1 needs a meaning and an advice"),
        ("1\t\t\t\tcaller\tIt is.\t=nowhere", "sip 1 needs a meaning and an advice"),
        ("1,1\t\t\t\tcaller\tIt is.\tDo.", "sip 1 stands there twice"),
        ("\t\t\t\tcaller\tIt is.\tDo.", "has neither a code nor a name"),
    ],
)
def test_a_row_that_says_too_little_is_found(line: str, said: str) -> None:
    """Or says again what another row says."""
    rows = tuple(table.parsed("sip", f"{HEAD}{line}\n", {}))
    found = list(table.problems(table.Codes(families=table.read().families, rows=rows)))
    assert any(said in sentence for sentence in found)


def test_a_family_of_no_column_is_found() -> None:
    """And one that does not say where it is seen."""
    family = table.Family(title="Odd", seen="", of=("calls.moon",))
    found = list(table.problems(table.Codes(families={"odd": family}, rows=())))
    assert found == [
        "the family odd needs a title and where it is seen",
        "the family odd is of calls.moon, which is no column",
    ]
    assert "moon" not in tables()["calls"]
