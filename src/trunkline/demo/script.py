"""What the demo's people say: support chats of a web shop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialogue:
    """One conversation: its topic, and lines that begin with `c` (customer), `a` (agent) or `s` (supervisor)."""

    topic: str
    lines: tuple[str, ...]


CUSTOMERS = ("Aisha", "Björn", "Chen", "Daniela", "Emeka", "Farid", "Giulia", "Hana", "Ivo", "Jorge", "Kaia", "Lucía")
AGENTS = ("Mia (support)", "Noah (support)", "Olga (support)")
SUPERVISOR = "Pat (supervisor)"

DIALOGUES = (
    Dialogue(
        "Order 48213 has not arrived",
        (
            "c Hello, my order 48213 should have been here on Monday.",
            "a Hi! I am sorry about that, let me look it up.",
            "a The carrier has it marked as out for delivery since this morning.",
            "c It said the same yesterday.",
            "a I see that now. I have asked the carrier to call you today before 18:00.",
            "c Thank you, that helps.",
        ),
    ),
    Dialogue(
        "Wrong size, exchange",
        (
            "c The jacket I got is a 42, I had ordered a 40.",
            "a Thanks for telling us. Do you still have the delivery note?",
            "c Yes, it says 40.",
            "a Then it was our mistake. A 40 leaves the warehouse today, the return label is in your mail.",
            "c Great, thanks!",
        ),
    ),
    Dialogue(
        "Charged twice",
        (
            "c My card was charged twice for one order.",
            "a That should not happen. Which order is it?",
            "c 51077, two times 89.90.",
            "a I see both. I am asking my supervisor to release the second one.",
            "s Hello, I have released it. It is back on the card in two or three days.",
            "c Perfect, thank you both.",
            "a You are welcome. Anything else?",
            "c No, that was all.",
        ),
    ),
    Dialogue(
        "Cannot sign in",
        (
            "c I changed my phone and cannot sign in any more.",
            "a We can reset the second factor. May I send a code to your mail address?",
            "c Yes please.",
            "a It is on its way. Tell me when you are in.",
            "c It works again.",
        ),
    ),
    Dialogue(
        "Invoice with company address",
        (
            "c Could you put our company's address on invoice 3391?",
            "a Of course. Please write it here as it should stand there.",
            "c Kestrel Instruments, 14 Quay Street.",
            "a Done, the new invoice is in your account.",
        ),
    ),
    Dialogue(
        "Is the lamp dimmable?",
        (
            "c Is the Lund floor lamp dimmable with a normal wall dimmer?",
            "a Only with a trailing-edge one, the leading-edge kind makes it flicker.",
            "c Good that I asked. Do you sell one?",
            "a Yes, the first accessory on the lamp's page.",
        ),
    ),
    Dialogue(
        "Damaged on arrival",
        (
            "c Two of the six glasses arrived broken.",
            "a I am sorry! No need to send them back. New ones, or the money?",
            "c New ones please.",
            "a They leave tomorrow.",
            "s We have also told the packing station about it. Sorry again.",
            "c Thanks, that is kind.",
        ),
    ),
    Dialogue(
        "Delivery while on holiday",
        (
            "c I am away until the 12th, can you keep my parcel until then?",
            "a Yes. Which order is it?",
            "c 50988.",
            "a It now leaves on the 11th.",
        ),
    ),
)
