"""Odd things: what is no JSON, no text, no number, no id, no query, no header and no host, as tables."""

from __future__ import annotations

import gzip
from typing import Any


class Raw(bytes):
    """Bytes that stand in a body as they are, where JSON has another thing."""


DEEP = 100_000
UNREADABLE = {
    "a beginning": b"{",
    "half a text": b'{"topic": "abc',
    "two values": b"{} {}",
    "no JSON": b"content=c&type=text",
    "XML": b"<?xml version='1.0'?><a/>",
    "not a number": b"NaN",
    "an unquoted key": b"{a: 1}",
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 'b'}",
    "a NUL": b"\0",
    "deep lists": b"[" * DEEP,
    "closed deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * (DEEP // 3),
    "UTF-16": '{"topic": "a"}'.encode("utf-16"),
    "UTF-32": '{"topic": "a"}'.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "gzip": gzip.compress(b'{"topic": "a"}', mtime=0),
}
"""Bodies that are no JSON at all, or not in UTF-8."""

WRONG_SHAPES = {
    "null": b"null",
    "a list": b"[]",
    "a list of objects": b"[{}]",
    "a text": b'"topic"',
    "a number": b"7",
    "true": b"true",
    "an endless number": b"1e999",
    "many digits": b"9" * 20_000,
}
"""Bodies that are JSON, but no object."""

WRONG_TEXTS = {
    "a bare control character": Raw(b'"a\x01b"'),
    "a bare line break": Raw(b'"a\nb"'),
    "a bare NUL": Raw(b'"a\0b"'),
    "invalid UTF-8": Raw(b'"\xff\xfe\xfa"'),
    "a character cut short": Raw(b'"\xf0\x9f\x98"'),
    "a surrogate in UTF-8": Raw(b'"\xed\xa0\x80"'),
    "overlong UTF-8": Raw(b'"\xc0\xaf"'),
    "half a surrogate pair": Raw(b'"\\ud800"'),
    "an unknown escape": Raw(b'"\\x41"'),
    "an escape cut short": Raw(b'"\\u00"'),
    "Latin-1": Raw("ä".encode("latin-1").join([b'"'] * 2)),
}
"""Texts that are no JSON texts, or not in UTF-8; they stand where a text should."""

ODD_TEXTS = [
    *("", " ", "\0", "a\0b", "\x01\x1f\x7f", "\n\r\t", "\ud800", "a\udfffb", "\ufeff", "\u202e", "\U0001f600" * 20),
    *(
        "x" * 5_000,
        "x" * 60_000,
        "'",
        '"',
        "';--",
        "%",
        "%00",
        "../../etc/passwd",
        "${jndi:ldap://x}",
        "{0}",
        "*",
        "\\",
    ),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z"),
    *("10000-01-01T00:00:00Z", "P99999999D", "-1", "1e999", "8:acs:a_b", "4:+1", "+", "28:orgid:", "null", "a b=c&d"),
    *(
        "http://",
        "http://[::1",
        "http://169.254.169.254/",
        "ftp://127.0.0.1/",
        "http://u:p@127.0.0.1/",
        "//x",
        "http://\0",
    ),
]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 0.1, -0.0, 1e300, -1e-300]
ODD_VALUES: list[Any] = [
    *(None, True, False, [], {}, [None], [[]], {"": ""}, {"a": {"b": {"c": []}}}, ["x"] * 2_000),
    *(Raw(b"NaN"), Raw(b"Infinity"), Raw(b"-Infinity"), Raw(b"1e999"), Raw(b"-1e999"), Raw(b"9" * 5_000), Raw(b"01")),
    *(Raw(b"[" * DEEP + b"]" * DEEP), Raw(b'{"a":' * (DEEP // 3) + b"1" + b"}" * (DEEP // 3)), Raw(b"")),
    *(Raw(b'"\\ud800"'), Raw(b'"\\u0000"'), Raw(b'"\xff"'), Raw(b'"\xed\xa0\x80"'), Raw(b'"\\x"'), Raw(b"'a'")),
    *ODD_TEXTS,
    *ODD_NUMBERS,
]
SEGMENTS = [
    *(
        "%00",
        "a%00b",
        "%2F",
        "a%2Fb",
        "%2E%2E",
        "..",
        ".",
        "%5C",
        "%25",
        "%",
        "%zz",
        "%FF%FE",
        "%ED%A0%80",
        "%F0%9F%98%80",
    ),
    *(
        "x" * 10_000,
        "%41" * 3_000,
        "0",
        "-1",
        "1e9",
        "99999999999999999999",
        "%D9%A3",
        "'",
        "%22",
        "*",
        "$",
        "a;b",
        "a=b",
    ),
    *(
        "19%3Ax%40thread.v2",
        "8%3Aacs%3Aa_b",
        "8:acs:a_b",
        ":",
        "a:b",
        "%20",
        "+",
        "null",
        "%0D%0AX-A%3A%20b",
        "%3Cscript%3E",
    ),
]
"""Ids as they stand in a path; none is one of this house's."""

ODD_QUERY_VALUES = [
    *(
        "",
        "0",
        "-1",
        "1.5",
        "1e9",
        "9" * 18,
        "9" * 19,
        "9" * 5_000,
        "x" * 20_000,
        "\0",
        "\xff",
        "\u0663",
        "NaN",
        "true",
    ),
    *(
        "'",
        "''",
        "' or '1'='1",
        "name eq '" + "''" * 4_000 + "'",
        "and " * 2_000,
        "(" * 5_000,
        "a eq 'b' and ",
        "*",
        "%",
    ),
    *(
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "P1D",
        "PT0S",
        "P999999D",
        "FULL",
    ),
    *("0001-01-01T00:00:00Z/9999-12-31T23:59:59Z", "PT1H/0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z/P1D", "/", "//"),
    *("MQ==", "MQ", "AAAA", "====", "é", "count", "count asc,count desc", ",", ",," * 1_000, "average desc", "\u202e"),
]
QUERIES = [
    *(
        "",
        "&",
        "=",
        "=&=&&",
        "%",
        "%FF=%FF",
        "api-version",
        "api-version=",
        "api-version=1&api-version=2",
        "API-VERSION=1",
    ),
    *(
        "api-version=" + "1" * 20_000,
        "api-version=%00",
        "api-version=%FF",
        "&".join("a=b" for _ in range(300)),
        "?" * 100,
    ),
    "&".join(f"a{number}={number}" for number in range(199)),
]
HEADERS: dict[str, list[str]] = {
    "content-type": [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "\xff",
    ],
    "content-encoding": ["gzip", "br", "deflate", "identity", "\xff"],
    "content-length": ["", "-1", "+5", "1e3", "0x10", "abc", "\xb2", "5, 5"],
    "transfer-encoding": ["gzip", "chunked, gzip", "\xff"],
    "x-ms-client-request-id": ["", "x" * 5_000, "\xff\xfe", "a\tb", "{}"],
    "repeatability-request-id": ["", "x" * 129, "x" * 10_000, "\xff", "not-a-guid"],
    "repeatability-first-sent": ["", "yesterday", "Sat, 99 Nov 99999 12:00:00 GMT", "\xff", "0"],
    "user-agent": ["", "x" * 20_000, "\xff", "azsdk-" + "a-" * 3_000, "azsdk-python-x/" + "1." * 3_000],
    "accept": ["", "text/html", "\xff", "*/*;q=x"],
    "if-match": ["*", '"x"', "\xff"],
    "expect": ["100-continue", "200-ok"],
    "range": ["bytes=0-", "bytes=9-1"],
    "x-forwarded-host": ["evil.example.com", "\xff"],
    "x-forwarded-for": ["1.2.3.4", "x" * 5_000],
    "x-http-method-override": ["DELETE"],
    "traceparent": ["00-zz", "\xff"],
    "date": ["", "yesterday", "\xff"],
}
HOSTS = [
    "",
    ":",
    "[",
    "[::1",
    "evil.example.com",
    "localhost:x",
    "localhost:99999999",
    "a" * 5_000,
    "\xff",
    "nobody.communication.localhost",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "get"]
