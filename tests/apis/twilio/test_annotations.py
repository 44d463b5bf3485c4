"""What people say of calls, and the flags of accounts: given in parts, kept, refused with a sentence."""

from __future__ import annotations

import pytest

from tests.support.insights import BASE, Insights, basic, error_of
from trunkline.catalogue.twilio.sids import derived
from trunkline.catalogue.twilio.words import words

AT = "2026-11-21T11:59:00Z"
SID = derived("leg")
WHOLE = {
    "AnsweredBy": "human",
    "ConnectivityIssue": "invalid_number",
    "QualityIssues": "low_volume,choppy_robotic",
    "Spam": "true",
    "CallScore": "2",
    "Comment": "this is a call",
    "Incident": "https://tickets.example/17353089",
}


@pytest.fixture(autouse=True)
def _call(insights: Insights) -> None:
    insights.post("calls", {"leg_id": "leg", "capability": "phone", "happened_at": AT, "ended_at": AT})


def test_what_was_said_is_the_documented_sample(insights: Insights) -> None:
    """Answered at once, and read again, also after a restart."""
    said = insights.form(f"{SID}/Annotation", **WHOLE)
    expected = {
        "account_sid": insights.sid,
        "call_sid": SID,
        "answered_by": "human",
        "connectivity_issue": "invalid_number",
        "quality_issues": ["low_volume", "choppy_robotic"],
        "spam": True,
        "call_score": 2,
        "comment": "this is a call",
        "incident": "https://tickets.example/17353089",
        "url": f"{BASE}/v1/Voice/{SID}/Annotation",
    }
    assert (said.status, said.json) == (200, expected)
    insights.world.restart()
    assert Insights(insights.world).get(f"{SID}/Annotation") == expected


def test_nobody_has_said_anything_of_a_new_call(insights: Insights) -> None:
    """Everything is null, but for whose call it is."""
    found = insights.get(f"{SID}/Annotation")
    assert {name for name, value in found.items() if value is not None} == {"account_sid", "call_sid", "url"}


def test_only_what_is_given_changes(insights: Insights) -> None:
    """Field by field; an empty list of issues takes them away."""
    before = insights.form(f"{SID}/Annotation", **WHOLE).json
    for field, text, name, value in (
        ("AnsweredBy", "machine", "answered_by", "machine"),
        ("Spam", "False", "spam", False),
        ("QualityIssues", "", "quality_issues", []),
        ("QualityIssues", "echo, owa,echo", "quality_issues", ["echo", "owa"]),
        ("CallScore", "5", "call_score", 5),
        ("Comment", "", "comment", ""),
    ):
        after = insights.form(f"{SID}/Annotation", **{field: text}).json
        assert after == {**before, name: value}
        before = after
    assert insights.form(f"{SID}/Annotation").json == before


@pytest.mark.parametrize("part", ["answered_by", "connectivity_issue", "quality_issues"])
def test_every_word_is_understood_and_comes_back(insights: Insights, part: str) -> None:
    """Each by itself."""
    field = {"answered_by": "AnsweredBy", "connectivity_issue": "ConnectivityIssue", "quality_issues": "QualityIssues"}
    for word in words().annotation[part]:
        found = insights.form(f"{SID}/Annotation", **{field[part]: word}).json[part]
        assert found == ([word] if part == "quality_issues" else word)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("AnsweredBy", "robot"),
        ("AnsweredBy", ""),
        ("ConnectivityIssue", "x"),
        ("QualityIssues", "echo,x"),
        ("Spam", "maybe"),
        ("CallScore", "0"),
        ("CallScore", "6"),
        ("CallScore", "3.5"),
        ("Comment", "x" * 101),
        ("Comment", "a\0b"),
        ("Incident", "x" * 101),
    ],
)
def test_what_cannot_be_said_is_refused_whole(insights: Insights, field: str, text: str) -> None:
    """With the field's name; nothing of it is kept."""
    answer = insights.form(f"{SID}/Annotation", **{"Comment": "kept?", field: text})
    assert error_of(answer) == (400, 20001)
    assert field in answer.json["message"]
    assert insights.get(f"{SID}/Annotation")["comment"] is None


def test_a_parent_annotates_its_subaccount_s_call(insights: Insights) -> None:
    """And both read the same; a sibling neither reads nor writes it."""
    top = insights.of("top")
    child, other = insights.of("child", "top"), insights.of("other", "top")
    child.post("calls", {"leg_id": "theirs", "happened_at": AT})
    sid = derived("theirs")
    assert top.form(f"{sid}/Annotation", Comment="from above").status == 200
    assert child.get(f"{sid}/Annotation")["comment"] == "from above"
    assert error_of(other.ask(f"{sid}/Annotation")) == (403, 17000)
    assert error_of(other.form(f"{sid}/Annotation", Comment="x")) == (403, 17000)
    assert child.get(f"{sid}/Annotation")["comment"] == "from above"


def test_a_key_that_reads_says_nothing(insights: Insights) -> None:
    """It needs the role admin."""
    world = insights.world
    key, text = world.run(world.house.api_keys.make("ci", "read"))
    header = {"authorization": basic(key.sid, text.split("_", 2)[2])}
    path = f"/v1/Voice/{SID}/Annotation"
    assert insights.call("GET", path, headers=header).status == 200
    assert error_of(insights.call("POST", path, headers=header, body=b"Comment=x")) == (403, 17000)


def test_flags_are_on_until_they_are_switched_off(insights: Insights) -> None:
    """Each for itself, kept over a restart, and of each account apart."""
    before = insights.get("Settings")
    assert before == {
        "account_sid": insights.sid,
        "advanced_features": True,
        "voice_trace": True,
        "url": f"{BASE}/v1/Voice/Settings",
    }
    assert insights.form("Settings", VoiceTrace="false").json == {**before, "voice_trace": False}
    assert insights.form("Settings", AdvancedFeatures="false", VoiceTrace="true").json == {
        **before,
        "advanced_features": False,
    }
    child = insights.of("child", "trunkline")
    assert insights.form("Settings", SubaccountSid=child.sid, VoiceTrace="false").json["account_sid"] == child.sid
    insights.world.restart()
    again = Insights(insights.world)
    assert again.get("Settings")["advanced_features"] is False
    assert again.get("Settings", SubaccountSid=child.sid)["voice_trace"] is False
    assert again.of("child").get("Settings")["voice_trace"] is False


def test_the_flags_of_others_are_nobody_s_business(insights: Insights) -> None:
    """Not a parent's, not a sibling's, not nobody's; and a flag is true or false."""
    top, left, right = insights.of("top"), insights.of("left", "top"), insights.of("right", "top")
    for viewer, account in ((left, top), (left, right), (top, insights)):
        assert error_of(viewer.ask("Settings", SubaccountSid=account.sid)) == (403, 17000)
        assert error_of(viewer.form("Settings", SubaccountSid=account.sid, VoiceTrace="true")) == (403, 17000)
    assert error_of(top.ask("Settings", SubaccountSid="AC" + "0" * 32)) == (403, 17000)
    assert error_of(top.ask("Settings", SubaccountSid="x")) == (400, 20001)
    assert error_of(top.form("Settings", VoiceTrace="x")) == (400, 20001)
