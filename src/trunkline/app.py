"""The one place where the house is put together: everything that is plugged into everything else."""

from __future__ import annotations

from contextlib import AsyncExitStack

from trunkline.api.application import Application
from trunkline.api.hosts import Hosts
from trunkline.apis.acs.auth import Callers
from trunkline.apis.acs.chat import ChatHandlers
from trunkline.apis.acs.door import AcsDoor
from trunkline.apis.acs.identity import IdentityHandlers
from trunkline.apis.acs.tokens import UserTokens
from trunkline.catalogue.load import load as load_catalogue
from trunkline.clock import Clock, RealClock
from trunkline.config import Settings
from trunkline.ids import Ids
from trunkline.services.access import Keyring
from trunkline.services.chat import Chat
from trunkline.services.identity import Identities
from trunkline.services.issuers import Issuers
from trunkline.services.resources import Resources
from trunkline.state.database import Database
from trunkline.state.folder import Folder
from trunkline.state.transaction import metadata
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.stores.duckdb import DuckDBStore


class House:
    """One running Trunkline, without its listeners: `open`, use `application`, `close`."""

    def __init__(self, settings: Settings, folder: Folder, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.settings = settings
        self.folder = folder
        self.clock = clock or RealClock()
        self.ids = ids or Ids()
        self.catalogue = load_catalogue()
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Hold the data folder and start every part; raises ConfigurationError."""
        settings, clock, ids = self.settings, self.clock, self.ids
        self.folder.hold()
        self._stack.callback(self.folder.release)

        self.database = Database.in_folder(self.folder.path, backlog=settings.backlog)
        metadata.create_all(self.database.engine)
        self.store = DuckDBStore(self.folder.path / "facts.duckdb")
        self._stack.callback(self.store.close)
        inbox = Inbox(self.database)
        self.loader = Loader(inbox, self.store)
        self.loader.open()
        self.database.start()
        self._stack.push_async_callback(self.database.stop)
        self.loader.start()
        self._stack.push_async_callback(self.loader.stop)
        self.recorder = Recorder(
            self.database, inbox, self.loader, self.store, Planner(self.catalogue.measures)
        )
        self._stack.callback(self.recorder.close)

        self.resources = Resources(self.database, clock, ids)
        self.resources.open(settings)
        await self.resources.settle(settings)
        self.keyring = Keyring(self.database, clock)
        await self.keyring.open()
        self.issuers = Issuers(settings.issuers, settings.audiences, clock)
        self.identities = Identities(self.database, clock, ids)
        self.identities.open()
        self.chat = Chat(self.database, clock, ids, self.identities)

        self.application = self._application()

    def _application(self) -> Application:
        settings = self.settings
        tokens = UserTokens(self.keyring)
        callers = Callers(
            settings, self.clock, self.resources, self.identities, self.keyring, self.issuers, tokens
        )
        identity = IdentityHandlers(settings, self.clock, self.ids, self.identities, self.issuers, tokens)
        chat = ChatHandlers(self.chat)
        doors = [
            AcsDoor(self.catalogue.of_vendor("acs"), {**identity.handlers(), **chat.handlers()}, callers),
        ]
        return Application(
            doors=doors, hosts=Hosts(settings, self.resources), resources=self.resources, recorder=self.recorder,
            clock=self.clock, ids=self.ids, largest_body=settings.max_body_bytes,
        )

    async def close(self) -> None:
        """Stop every part; what was acknowledged is kept."""
        await self._stack.aclose()
