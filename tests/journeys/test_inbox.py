"""A test of an application, written with the inbox: what it sent is asserted without sleeping."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from azure.communication.chat import ChatParticipant

from tests.support.customer import Customer, Person, visiting
from trunkline.library.served import Server

QUICKSTART = Path(__file__).parents[2] / "docs" / "quickstart.md"


@pytest.fixture
def customer(served: Server) -> Iterator[Customer]:
    """Let a customer in, with a resource of their own."""
    with visiting(served, f"inbox-{time.time_ns()}") as one:
        yield one


def inbox(customer: Customer, **conditions: Any) -> Any:
    """Ask the inbox in the customer's name."""
    target = f"/api/v1/inbox?{urlencode(conditions)}"
    answer = customer._put("GET", target, b"", {"x-api-key": customer.resource.api_key})
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body)


def tell(shop: Person, *whom: Person, texts: list[str]) -> str:
    """Do what the application does: open a thread and write to it; returns its id."""
    people = [ChatParticipant(identifier=one.identifier) for one in whom]
    thread_id: str = shop.chat.create_chat_thread("Order", thread_participants=people).chat_thread.id
    for text in texts:
        shop.thread(thread_id).send_message(text, sender_display_name="Shop")
    return thread_id


def test_what_an_application_sends_by_the_sdk_is_asserted_without_sleeping(customer: Customer) -> None:
    """The test begins to wait before the application begins to send, and is answered when both have come."""
    shop, ann, bob = customer.person(), customer.person(), customer.person()
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        awaited = pool.submit(inbox, customer, to=ann.id, wait_s=30, count=2)
        thread_id = tell(shop, ann, bob, texts=["It is packed.", "It is on its way."])
        told = awaited.result(30)
    assert time.monotonic() - begun < 15  # the wait ended with the message, not with its time
    assert told["complete"]
    assert [one["text"] for one in told["messages"]] == ["It is on its way.", "It is packed."]
    assert {(one["from"], one["to"], one["channel"]) for one in told["messages"]} == {(shop.id, ann.id, "chat")}
    assert {one["details"]["thread_id"] for one in told["messages"]} == {thread_id}
    listed = list(ann.thread(thread_id).list_messages())
    assert {one["id"] for one in told["messages"]} == {one.id for one in listed if one.type == "text"}
    # what was deleted says so, and the sender was sent nothing
    last = told["messages"][0]["id"]
    shop.thread(thread_id).delete_message(last)
    assert [one["to"] for one in inbox(customer, status="deleted", id=last)["messages"]] == sorted([ann.id, bob.id])
    assert inbox(customer, to=shop.id)["messages"] == []


def test_many_tests_wait_side_by_side_and_each_hears_its_own(customer: Customer) -> None:
    """Twenty waits over connections of their own while one application writes to them all."""
    shop, people = customer.person(), [customer.person() for _ in range(20)]
    ready = threading.Barrier(len(people) + 1)

    def wait(person: Person) -> Any:
        ready.wait(20)
        return inbox(customer, to=person.id, wait_s=30)

    with ThreadPoolExecutor(len(people)) as pool:
        awaited = [pool.submit(wait, person) for person in people]
        ready.wait(20)
        for number, person in enumerate(people):
            tell(shop, person, texts=[f"number {number}"])
        heard = [one.result(40) for one in awaited]
    assert [[message["text"] for message in one["messages"]] for one in heard] == [
        [f"number {number}"] for number in range(len(people))
    ]


def test_the_quick_start_s_example_passes_and_can_fail(tmp_path: Path) -> None:
    """Copied out of the page as it stands and run by pytest; with another text in the application it fails."""
    section = QUICKSTART.read_text(encoding="utf-8").partition("## Assert in your tests what was sent")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    example = tmp_path / "test_orders.py"
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    for change, status in ((("", ""), 0), (('is on its way.", sender', 'is late.", sender'), 1)):
        example.write_text(found.group(1).replace(*change), encoding="utf-8")
        words = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), str(example)]
        done = subprocess.run(  # noqa: S603 - our own program
            words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert ("1 passed" if status == 0 else "1 failed") in done.stdout
