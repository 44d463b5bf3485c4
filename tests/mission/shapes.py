"""Shapes of JSON: what a value must look like, to the key, the type and the digit, and where it does not."""

from __future__ import annotations

import re
from typing import Any

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
TIME0, TIME3, TIME7 = rf"{SECOND}Z", rf"{SECOND}\.\d{{3}}Z", rf"{SECOND}\.\d{{7}}Z"
USER = rf"8:acs:{GUID}_{GUID}"
THREAD = r"19:[0-9a-f]{32}@thread\.v2"
TEXT, NUMBER, TEXTS = ".*", int, "texts"


def misfits(value: Any, kind: Any, where: str = "") -> list[str]:
    """List where a value is not of a kind: a pattern for a text, a type, an object's members, or a list's element.

    An object has exactly the members of its kind, on every level. `TEXTS` is an object of any members that are texts.
    """
    if kind == TEXTS:
        good = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        return [] if good else [f"{where}: {value!r} does not map texts to texts"]
    if isinstance(kind, str):
        good = isinstance(value, str) and re.fullmatch(kind, value, re.ASCII)
        return [] if good else [f"{where}: {value!r} is not {kind}"]
    if isinstance(kind, type):
        good = isinstance(value, kind) and not isinstance(value, bool)
        return [] if good else [f"{where}: {value!r} is no {kind.__name__}"]
    if isinstance(kind, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: {value!r} is no list with something in it"]
        return [one for place, item in enumerate(value) for one in misfits(item, kind[0], f"{where}[{place}]")]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    found = [f"{where}.{key} is missing" for key in kind if key not in value]
    found += [f"{where}.{key} is too much" for key in value if key not in kind]
    return found + [one for key in kind if key in value for one in misfits(value[key], kind[key], f"{where}.{key}")]
