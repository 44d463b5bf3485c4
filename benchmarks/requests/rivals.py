"""The peers as contenders, with default settings as ours: a bare Starlette echo, moto's SNS, Prism's mock.

Programmes that write a line for each request write it into a file. Prism is measured a second time without.
"""

import http.client
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

import msgspec

from benchmarks.errors import CannotMeasureError
from benchmarks.options import Options
from benchmarks.ours import request
from benchmarks.peers import CACHE, Peers
from benchmarks.processes import free_port, listens, running
from benchmarks.rounds import Contender

_HERE = Path(__file__).parent
_TOPIC = "arn:aws:sns:us-east-1:123456789012:visits"
# moto reads from it which service is meant, and verifies nothing
_AWS = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/sns/aws4_request, SignedHeaders=host;x-amz-date, "
    f"Signature={'0' * 64}"
)


@contextmanager
def bare_starlette(options: Options, text: str, connections: int) -> Iterator[Contender]:
    """Run an echo on the same loop and parser as our server."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.requests.echo", str(port)]
    with running("bare_starlette", command, log=CACHE / "echo.log", ready=lambda: listens(port)) as process:
        load = options.load(port, [_post(port, text)] * connections, status=201)
        yield Contender("bare_starlette", [process], load)


@contextmanager
def moto_sns(peers: Peers, options: Options, text: str, connections: int) -> Iterator[Contender]:
    """Run moto's server for SNS Publish to a topic without subscriptions; it keeps what is published in memory."""
    port = free_port()
    command = [str(peers.program("moto_server")), "-p", str(port)]
    with running("moto_sns", command, log=CACHE / "moto.log", ready=lambda: listens(port)) as process:
        _create_topic(port)
        body = f"Action=Publish&Version=2010-03-31&TopicArn={quote_plus(_TOPIC)}&Message={quote_plus(text)}".encode()
        publish = request("POST", "/", _form_headers(port, body), body)
        yield Contender("moto_sns", [process], options.load(port, [publish] * connections, status=200))


@contextmanager
def prism(peers: Peers, options: Options, text: str, connections: int, *, quiet: bool = False) -> Iterator[Contender]:
    """Run Prism's mock of an OpenAPI document with one POST."""
    name, more = ("prism_quiet", ["--verboseLevel", "error"]) if quiet else ("prism", [])
    port = free_port()
    command = [*peers.node_program("prism"), "mock", "--port", str(port), *more, str(_HERE / "one_post.yaml")]
    with running(name, command, log=CACHE / f"{name}.log", ready=lambda: listens(port)) as process:
        yield Contender(name, [process], options.load(port, [_post(port, text)] * connections, status=201))


def _post(port: int, text: str) -> bytes:
    body = msgspec.json.encode({"content": text, "senderDisplayName": "Nurse Ada", "type": "text"})
    head = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body)), "Content-Type": "application/json"}
    return request("POST", "/messages", head, body)


def _create_topic(port: int) -> None:
    body = b"Action=CreateTopic&Version=2010-03-31&Name=visits"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("POST", "/", body, _form_headers(port, body))
        answer = client.getresponse()
        said = answer.read().decode(errors="replace")
    finally:
        client.close()
    if answer.status != 200 or _TOPIC not in said:
        raise CannotMeasureError(f"moto made no topic: {answer.status} {said}")


def _form_headers(port: int, body: bytes) -> dict[str, str]:
    return {
        "Host": f"127.0.0.1:{port}",
        "Authorization": _AWS,
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
    }
