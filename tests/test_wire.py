"""The wire: an answer leaves in one piece, and nothing of it is kept back."""

from __future__ import annotations

from typing import Any

from trunkline.wire import _Letter

HEAD = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n"


class Transport:
    """Keeps what is written, one item a call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """Keep a piece."""
        self.written.append(data)

    def close(self) -> None:
        """Note the end."""
        self.closed = True


def letter() -> tuple[Any, Transport]:
    """Give a letter and the transport that it goes by."""
    transport = Transport()
    return _Letter(transport), transport  # type: ignore[arg-type]


def test_head_and_body_leave_together() -> None:
    """And what follows leaves as it comes."""
    made, transport = letter()
    made.write(HEAD)
    assert transport.written == []
    made.write(b"ab")
    made.write(b"cd")
    assert transport.written == [HEAD + b"ab", b"cd"]


def test_an_empty_body_sends_the_head() -> None:
    """204 has no byte of a body, and is an answer all the same."""
    made, transport = letter()
    made.write(HEAD)
    made.write(b"")
    made.close()
    assert transport.written == [HEAD]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked_at_once() -> None:
    """`100 Continue` is no head of an answer."""
    made, transport = letter()
    made.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(transport.written) == 1
    made.write(HEAD)
    made.write(b"HTTP/1.1 100 in a body")
    assert transport.written[1:] == [HEAD + b"HTTP/1.1 100 in a body"]


def test_an_answer_that_breaks_off_is_sent_as_far_as_it_came() -> None:
    """A handler that fails after the head closes the connection."""
    made, transport = letter()
    made.write(HEAD)
    made.close()
    assert (transport.written, transport.closed) == ([HEAD], True)
