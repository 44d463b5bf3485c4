"""The webhook under load: answers 200 to every delivery, agrees to the handshake, and tells what came (GET).

It shares the machine with the server that is measured, so it reads no event until it is asked.
"""

import asyncio
import sys

import httptools
import msgspec
import uvloop


class Kept:
    """What came: bodies that were not read yet, and the ids of the events in those that were."""

    def __init__(self) -> None:
        self.deliveries = 0
        self._unread: list[bytes] = []
        self._ids: set[str] = set()

    def keep(self, body: bytes) -> None:
        """Keep a delivery."""
        self.deliveries += 1
        self._unread.append(body)

    def told(self) -> dict[str, int]:
        """Return how many deliveries and how many different events came."""
        for body in self._unread:
            self._ids.update(event["id"] for event in msgspec.json.decode(body))
        self._unread.clear()
        return {"deliveries": self.deliveries, "events": len(self._ids)}


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a stream
        """Begin to read."""
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        """Collect the body (the parser calls this)."""
        self._body += piece

    def on_message_complete(self) -> None:
        """Answer (the parser calls this)."""
        body, self._body = self._body, b""
        answer = b""
        if self._parser.get_method() == b"GET":
            answer = msgspec.json.encode(self._kept.told())
        elif b'"Microsoft.EventGrid.SubscriptionValidationEvent"' in body:
            code = msgspec.json.decode(body)[0]["data"]["validationCode"]
            answer = msgspec.json.encode({"validationResponse": code})
        else:
            self._kept.keep(body)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    kept = Kept()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(kept), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
