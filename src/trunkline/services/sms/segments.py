"""Segments: how many parts a text message takes on the air.

Source: 3GPP TS 23.038 (the default alphabet and its extension table) and TS 23.040 (a part's 140 octets, less six for
the header that joins parts).
"""

from __future__ import annotations

import re

_BASIC = re.compile(r"[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà]*\Z")
_EXTENSION = frozenset("\f^{}\\[~]|€")
_NOT_EXTENDED = str.maketrans(dict.fromkeys(_EXTENSION, ""))
_ONE, _PART = 160, 153
_ONE_WIDE, _PART_WIDE = 70, 67


def count(text: str) -> int:
    """Return the number of segments; a message without text takes one."""
    if is_narrow(text):
        return _parts([2 if character in _EXTENSION else 1 for character in text], _ONE, _PART)
    return _parts([2 if ord(character) > 0xFFFF else 1 for character in text], _ONE_WIDE, _PART_WIDE)


def is_narrow(text: str) -> bool:
    """Tell whether the default alphabet (7 bits a character) holds the whole text; else it takes UCS-2."""
    return bool(_BASIC.match(text.translate(_NOT_EXTENDED)))


def _parts(sizes: list[int], one: int, part: int) -> int:
    """Fill parts; a character of two units is never torn apart."""
    if sum(sizes) <= one:
        return 1
    parts, room = 1, part
    for size in sizes:
        if size > room:
            parts, room = parts + 1, part
        room -= size
    return parts
