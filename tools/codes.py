"""Holds the tables of codes against copies of the vendors' own, which are not ours to keep: only their keys are.

`python -m tools.codes FOLDER` wants `acs-codes.tsv` and `infobip-error-codes.yml` somewhere below the folder; `--keys`
writes the file of keys anew, which the tests hold the tables to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from trunkline.catalogue.codes.table import read

KEYS = Path(__file__).parent.parent / "tests" / "catalogue" / "code_keys.tsv"
ACS = {
    "calling-sdk-client": "acs_calling_sdk",
    "call-end": "acs_call_end",
    "call-automation": "acs_call_automation",
    "call-automation-generic-subcode": "acs_call_automation_subcode",
    "pstn": "acs_pstn",
    "chat-sdk": "acs_chat",
    "sms-delivery-status-details": "acs_sms",
}
_OTHER_STATUS = "infobip_other_status"
INFOBIP = {
    "General status codes": "infobip_status",
    "Voice status codes": "infobip_voice_status",
    "MMS status codes": _OTHER_STATUS,
    "Email status codes": _OTHER_STATUS,
    "Push notifications status codes": _OTHER_STATUS,
    "Moments status codes": _OTHER_STATUS,
    "General error codes": "infobip_error",
    "Voice error codes (DEPRECATED)": "infobip_former_voice_error",
    "Voice and WebRTC error codes": "infobip_voice_error",
    "Push notification error codes": "infobip_push_error",
    "MMS error codes": "infobip_mms_error",
    "Email error codes": "infobip_email_error",
    "Chat error codes": "infobip_chat_error",
    "Mobile Identity error codes": "infobip_identity_error",
    "DLT error codes": "infobip_dlt_error",
    "Live Chat error codes": "infobip_live_chat_error",
    "Moments error codes": "infobip_moments_error",
    "People API error codes": "infobip_people_error",
}


SHORT = 3
"""Spaces in a text below which nobody could say it in other words."""


class Key(msgspec.Struct, frozen=True, order=True):
    """What tells a code of a vendor from another."""

    family: str
    code: str
    subcode: str
    name: str


def of_acs(text: str) -> Iterator[tuple[Key, str]]:
    """Yield each key of the table of Azure Communication Services with what the vendor says about it."""
    for line in text.splitlines()[1:]:
        table, codes, subcode, _, said = line.split("\t")
        family = ACS[table]
        name = said if family == "acs_call_automation_subcode" else ""
        for code in codes.split(","):
            yield Key(family, code, subcode, name), "" if name else said


def of_infobip(text: str) -> Iterator[tuple[Key, str]]:
    """Yield each key of Infobip's table with what the vendor says about it; read as far as its plain form goes."""
    family, code = "", ""
    for block in re.split(r"\n *- (?=family:|group:|id:)", text):
        if found := re.match(r"family: (.+)", block):
            family = INFOBIP[found[1].strip("'\"")]
        elif found := re.match(r"id: (\d+)\n +name: (.+)", block):
            code, name = found[1], found[2].strip("'\"")
            said = " ".join(block.partition("description:")[2].split())
            yield Key(family, code, "", name), said


def keys() -> list[Key]:
    """Read the keys that the tests hold the tables to."""
    return [Key(*line.split("\t")) for line in KEYS.read_text(encoding="utf-8").splitlines()]


def ours() -> dict[Key, str]:
    """Return the key of every code with what we say; a name of our own for a vendor's number is left out."""
    return {
        Key(row.family, row.code, row.subcode, "" if row.family in {"acs_sms", "acs_chat"} else row.name): row.meaning
        for row in read().rows
        if row.family in {*ACS.values(), *INFOBIP.values()}
    }


def compared(theirs: dict[Key, str]) -> Iterator[str]:
    """Yield a sentence for each code that one side lacks, and for each text that is the vendor's."""
    mine = ours()
    yield from (f"missing: {key}" for key in sorted(theirs.keys() - mine.keys()))
    yield from (f"not the vendor's: {key}" for key in sorted(mine.keys() - theirs.keys()))
    for key in sorted(theirs.keys() & mine.keys()):
        if theirs[key].count(" ") >= SHORT and _bare(theirs[key]) == _bare(mine[key]):
            yield f"the vendor's own words: {key}"


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text).casefold()


def main(arguments: list[str]) -> int:
    """Compare, or write the keys anew with --keys."""
    folder = Path(next((word for word in arguments if not word.startswith("-")), ""))
    theirs: dict[Key, str] = {}
    for name, reader in (("acs-codes.tsv", of_acs), ("infobip-error-codes.yml", of_infobip)):
        file = next(folder.rglob(name), None)
        if file is None:
            print(f"There is no {name} below {folder}.")
            return 2
        theirs |= reader(file.read_text(encoding="utf-8"))
    if "--keys" in arguments:
        KEYS.write_text("".join("\t".join(msgspec.structs.astuple(key)) + "\n" for key in sorted(theirs)), "utf-8")
    wrong = list(compared(theirs))
    for sentence in wrong:
        print(sentence)
    print(f"{len(theirs)} codes of the vendors, {len(ours())} of ours, {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
