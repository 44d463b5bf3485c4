"""Redaction: what nobody may see is taken out of a text, in whatever form it stands there.

Secrets that the server knows are found by themselves, however they were written; others by what they look like. What is
not sure is taken out, too: a bundle that says too little can be made again.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

GONE = "[removed]"
SHORTEST = 4
"""A secret that is shorter is none: taking it out everywhere would leave nothing to read."""
_MARK = 16
_RUN = re.compile(r"[A-Za-z0-9+/=_%\\~.-]{16,}")
_PLAIN = re.compile(r"[A-Za-z0-9+/=_~.-]{16,}")
_SPELLED = (
    (r"\/", "/"),
    ("%2F", "/"),
    ("%2B", "+"),
    ("%3D", "="),
    (r"\u002B", "+"),
    (r"\u002F", "/"),
    (r"\u003D", "="),
)
_VALUE = r"(?:[^\"'\r\n\\]|\\[/u])+"
_WORD = r"(?:[^\s\"'&;,}\\]|\\[/u])+"
_SIGN = r"[\\\"'\s]*(?:=>|[:=,])[\\\"'\s\[]*(?:b[\\\"']+)?"
_MEANS = r"[\\\"']*\s*(?:=>|[:=>])\s*"
_HEADERS = r"(?:proxy-)?authorization|x-api-key|api-?key|(?:set-)?cookie|ocp-apim-subscription-key|x-ms-token"
_NAMES = (
    "(?:access|account|api|app|private|subscription)[_-]?keys?|sharedaccesssignature|password|passwd|pwd|secret|sig|"
    "signature|token|credential"
)
_SECRET_NAME = re.compile(rf"(?:{_HEADERS}|[\w-]*(?:{_NAMES}))", re.IGNORECASE)
_PATTERNS = [
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    (re.compile(rf"(\b(?:{_HEADERS})\b{_SIGN}){_VALUE}", re.IGNORECASE), rf"\1{GONE}"),
    (re.compile(r"\btl_[0-9a-f]{16}_[A-Za-z0-9_-]{43}"), GONE),
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}"), GONE),
    (re.compile(r"(?:ZXlK|dGxf)[A-Za-z0-9+/=_%-]{40,}"), GONE),  # these two in base64
    (
        re.compile(r"\b((?:bearer|basic|hmac-sha256|sharedkey)(?:\s+|%20))[A-Za-z0-9._~+/=&;%-]{8,}", re.IGNORECASE),
        rf"\1{GONE}",
    ),
    (re.compile(rf"((?:{_NAMES}){_MEANS})\[[^\]]{{1,2000}}\]", re.IGNORECASE), rf"\1{GONE}"),  # a list of them
    (re.compile(rf"((?:{_NAMES}){_MEANS}(?:b(?=[\\\"']))?[\\\"']*){_WORD}", re.IGNORECASE), rf"\1{GONE}"),
    (re.compile(rf"(--[\w-]*(?:{_NAMES})\s+[\"']?){_WORD}", re.IGNORECASE), rf"\1{GONE}"),  # an option of a command
    (re.compile(rf"([?&](?:code|key)=){_WORD}", re.IGNORECASE), rf"\1{GONE}"),
    (re.compile(r"(://[^/\s:@\"']{0,200}:)[^/\s@\"']{1,500}(?=@)"), rf"\1{GONE}"),
]


class Redactor:
    """Takes out secrets, and by choice the texts of messages and the numbers of people.

    `secrets` are those that the server knows. `texts` are what people wrote to each other, None to leave texts as they
    are; `numbers` are people's numbers, None to leave numbers and addresses as they are. Numbers get names that stay
    the same: "[number 1]" is one and the same person wherever it stands.
    """

    def __init__(
        self, secrets: Iterable[str], texts: Iterable[str] | None = None, numbers: Iterable[str] | None = None
    ) -> None:
        long_ones, odd_ones = set(), set()
        for secret in {*secrets}:
            if len(secret) < SHORTEST:
                continue
            if _PLAIN.fullmatch(secret):
                long_ones |= {secret[:_MARK], _in_base64(secret)[:_MARK]}
            else:
                odd_ones |= {"".join(map(_letter, secret)), re.escape(_in_base64(secret))}
        self._marks = frozenset(long_ones)
        self._odd = re.compile("|".join(sorted(odd_ones, key=len, reverse=True))) if odd_ones else None
        self.hides_texts, self.hides_numbers = texts is not None, numbers is not None
        self._texts = _Texts(texts or ()) if self.hides_texts else None
        self._numbers = Numbers(numbers or ()) if self.hides_numbers else None

    def text(self, text: str) -> str:
        """Return a text without what nobody may see."""
        if self._odd is not None:
            text = self._odd.sub(GONE, text)
        if self._marks:
            text = _RUN.sub(self._unmarked, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        if self._texts is not None:
            text = self._texts.hidden(text)
        return self._numbers.hidden(text) if self._numbers is not None else text

    def value(self, value: Any) -> Any:
        """Return what JSON can hold without it: names and values of objects, and every text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): GONE if _SECRET_NAME.fullmatch(str(name)) and one else self.value(one)
                for name, one in value.items()
            }
        return [self.value(one) for one in value] if isinstance(value, list | tuple) else value

    def knows(self, content: bytes) -> bool:
        """Tell whether a secret stands in bytes that are no text, also as two bytes a letter."""
        ways = (content, content[::2], content[1::2])
        return any(self.text(text) != text for text in (way.decode("latin-1") for way in ways))

    def _unmarked(self, found: re.Match[str]) -> str:
        run = plain = found[0]
        if "\\" in plain or "%" in plain:
            for spelled, meant in _SPELLED:
                plain = plain.replace(spelled, meant).replace(spelled.lower(), meant)
        marks = self._marks
        return GONE if any(plain[at : at + _MARK] in marks for at in range(len(plain) - _MARK + 1)) else run


class _Texts:
    """Takes out what people wrote: where it is known, and where JSON says by its names that it is such a text."""

    _MEMBER = re.compile(
        r"(\\*[\"'](?:content|message|messagetext|text|body|plaintext|html|subject|topic|caption)\\*[\"']\s*:\s*\\*[\"'])"
        r"(?:[^\"'\\]|\\.)+",
        re.IGNORECASE,
    )
    _BEGINNING = 40

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: list[str] = []
        self._cut: list[re.Pattern[str]] = []
        for text in texts:
            flat = " ".join(text.split())
            if len(flat) < SHORTEST:
                continue
            self._known += {text, flat, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
            if len(flat) > self._BEGINNING:  # where a line was cut, only its beginning stands
                self._cut += [re.compile(re.escape(one[: self._BEGINNING]) + r"[^\r\n]*") for one in {text, flat}]
        self._known.sort(key=len, reverse=True)

    def hidden(self, text: str) -> str:
        """Return a text without them."""
        for known in self._known:
            text = text.replace(known, GONE)
        for pattern in self._cut:
            text = pattern.sub(GONE, text)
        return self._MEMBER.sub(rf"\1{GONE}", text)


class Numbers:
    """Gives people's numbers and e-mail addresses other names, the same each time."""

    _FORM = re.compile(
        r"(?<![0-9])(?:\+|%2B|\\u002B)[ \u00a0]?[0-9](?:[ ().\u00a0/-]{0,2}[0-9]){6,14}(?![0-9])"
        r"|(?<![\w.+-])00[1-9][0-9]{7,13}(?!\w)",
        re.IGNORECASE,
    )
    _ADDRESS = re.compile(
        r"(?<![\w.+-])[\w.+-]{1,64}(?:@|%40)(?!(?:thread\.[a-z0-9]+|unq\.gbl\.spaces)\b)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+",
        re.IGNORECASE,
    )

    def __init__(self, known: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        digits: dict[str, str] = {}
        for number in known:
            bare = re.sub(r"[^0-9]", "", number)
            if len(bare) >= 7:
                digits[bare] = bare
                for national in range(1, 4):  # without the country's code, which has one to three digits
                    if len(bare) - national >= 8:
                        digits.setdefault(bare[national:], bare)
            elif len(bare) >= 3 and bare == number.lstrip("+"):
                digits[bare] = bare  # a short code
        self._whole = digits
        parts = [r"[ ().\u00a0/-]{0,2}".join(one) for one in sorted(digits, key=len, reverse=True)]
        self._known = re.compile(rf"(?<![0-9])\+?(?:{'|'.join(parts)})(?![0-9])") if parts else None

    def hidden(self, text: str) -> str:
        """Return a text with such names in their place."""
        text = self._ADDRESS.sub(lambda found: self._name("address", found[0].lower()), text)
        text = self._FORM.sub(lambda found: self._number(found[0]), text)
        return self._known.sub(lambda found: self._number(found[0]), text) if self._known else text

    def _number(self, text: str) -> str:
        bare = re.sub(r"[^0-9]", "", re.sub(r"^(?:%2B|\\u002B|00)", "", text, flags=re.IGNORECASE))
        return self._name("number", self._whole.get(bare, bare))

    def _name(self, kind: str, which: str) -> str:
        place = self._names.setdefault(f"{kind} {which}", str(len(self._names) + 1))
        return f"[{kind} {place}]"


def basic(name: str, password: str) -> str:
    """Return what stands in a header after the word Basic."""
    return _in_base64(f"{name}:{password}")


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _letter(letter: str) -> str:
    """Return the pattern of a letter as it may be written: as it is, in JSON, in an address."""
    if letter.isascii() and letter.isalnum():
        return letter
    pairs = letter.encode("utf-16-be").hex()
    numbered = "".join(rf"\\u(?i:{pairs[at : at + 4]})" for at in range(0, len(pairs), 4))
    quoted = f"(?i:{''.join(f'%{byte:02x}' for byte in letter.encode())})"
    forms = [json.dumps(letter)[1:-1], f"\\{letter}", letter, *("+" if letter == " " else "")]
    return f"(?:{'|'.join([numbered, quoted, *map(re.escape, dict.fromkeys(forms))])})"
