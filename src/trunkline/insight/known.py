"""What is kept under an id besides facts: users, threads, numbers, accounts, subscriptions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from trunkline.events.subscriptions import Subscriptions
from trunkline.insight.sentences import Entry
from trunkline.insight.story import Knower, Meaning
from trunkline.services.chat import Chat
from trunkline.services.identity import Identities
from trunkline.services.numbers import Numbers
from trunkline.services.resources import Resources
from trunkline.services.teams import TeamsUsers

Found = tuple[Meaning, Entry | None]


class Known:
    """Asks each in turn."""

    def __init__(
        self,
        resources: Resources,
        numbers: Numbers,
        identities: Identities,
        chat: Chat,
        subscriptions: Subscriptions,
        teams_users: TeamsUsers,
    ) -> None:
        self._resources = resources
        self._numbers = numbers
        self._identities = identities
        self._chat = chat
        self._subscriptions = subscriptions
        self._teams_users = teams_users

    @property
    def knowers(self) -> tuple[Knower, ...]:
        """Those who can be asked."""
        return self._accounts, self._owned_numbers, self._users, self._threads, self._addresses, self._of_directory

    async def _accounts(self, wanted: str) -> list[Found]:
        named = {
            "immutable_id": "the immutable resource id of the account",
            "tenant_id": "the directory (tenant) id of the account",
            "subscription_id": "the subscription id of the account",
            "application_id": "the application id of this server's own bearers, in the directory of the account",
            "operator_id": "the user object id of this server's own bearers, in the directory of the account",
            "sid": "the SID of the account",
            "name": "the name of the account",
        }
        return [
            _found("account", f"{text} {one.name}", one.name)
            for one in self._resources.all()
            for name, text in named.items()
            if getattr(one, name).lower() == wanted.lower()
        ]

    async def _owned_numbers(self, wanted: str) -> list[Found]:
        found = [
            _begun("number", f"the {number.kind} {number.number}", number.resource, number.added_at, "was added")
            for one in self._resources.all()
            for number in self._numbers.list(one.name)
            if number.number == wanted
        ]
        return found + [
            _found("brief", f"the brief of the {number.kind} {number.number}", number.resource)
            for number in self._numbers.briefed(wanted)
        ]

    async def _users(self, wanted: str) -> list[Found]:
        row = await self._identities.kept(wanted)
        if row is None:
            return []
        text = "a user that was deleted" if row.deleted_at else "a user"
        return [_begun("user", text, row.resource, row.created_at, "The user was created.")]

    async def _threads(self, wanted: str) -> list[Found]:
        row = await self._chat.threads.kept(wanted)
        if row is None:
            return []
        text = "a chat thread that was deleted" if row.deleted_at else "a chat thread"
        return [_begun("thread", text, row.resource, row.created_at, f"The thread was created by {row.created_by}.")]

    async def _of_directory(self, wanted: str) -> list[Found]:
        user = self._teams_users.find(wanted)
        if user is None:
            return []
        text = f"a Teams user of the directory {user.tenant_id}"
        return [_begun("teams user", text, "", user.added_at, "The Teams user was registered.")]

    async def _addresses(self, wanted: str) -> list[Found]:
        return list(_subscribed(self._subscriptions, wanted))


def _subscribed(subscriptions: Subscriptions, wanted: str) -> Iterator[Found]:
    for one in subscriptions.all():
        if wanted in {one.id, one.name}:
            yield _found("subscription", f"the event subscription {one.name}", one.resource)


def _found(kind: str, text: str, account: str) -> Found:
    return Meaning(kind=kind, text=text, account=account), None


def _begun(kind: str, text: str, account: str, at: datetime | None, sentence: str) -> Found:
    told = sentence if sentence.endswith(".") else f"{text.capitalize()} {sentence}."
    entry = Entry(at=at, text=told, account=account) if at else None
    return Meaning(kind=kind, text=text, account=account), entry
