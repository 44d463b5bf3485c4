"""Vendors' words stay in their rooms."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "trunkline"
WORDS = re.compile(r"microsoft|azure|event ?grid|entra|skype|twilio|infobip|\bacs\b|\barm\b", re.IGNORECASE)
ROOMS = ("catalogue/", "apis/")
EXCEPTIONS = {
    "app.py": "plugs the vendors' parts into the house",
    "doors.py": "plugs the vendors' rooms into the house",
    "config.py": "says to its reader which credentials and ids a setting is about",
    "events/envelopes.py": "writes Event Grid's schema",
    "delivery/retry.py": "keeps Event Grid's ladder",
    "quality.py": "says whose formula it is",
}


def test_no_vendors_word_stands_outside_its_room() -> None:
    """A word of a vendor stands in the catalogue, in the vendor's room, or in a named exception."""
    found = {
        str(file.relative_to(SOURCE)): sorted(set(WORDS.findall(code_of(file))))
        for file in sorted(SOURCE.rglob("*.py"))
        if not str(file.relative_to(SOURCE)).startswith(ROOMS)
    }
    strays = {name: words for name, words in found.items() if words and name not in EXCEPTIONS}
    assert strays == {}


def test_every_exception_is_needed() -> None:
    """An exception that no longer holds a vendor's word is taken off the list."""
    needless = [name for name in EXCEPTIONS if not WORDS.search(code_of(SOURCE / name))]
    assert needless == []


def code_of(file: Path) -> str:
    """Return a module without the imports, whose paths name the rooms."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not re.match(r"\s*(from|import) ", line))
