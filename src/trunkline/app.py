"""The one place where the house is put together: everything that is plugged into everything else."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from trunkline import __version__
from trunkline.api.application import Application
from trunkline.api.hosts import Hosts
from trunkline.apis.acs.counted import Counted
from trunkline.apis.infobip.answers import Answers
from trunkline.apis.infobip.metrics import KIND as METRICS_QUERY
from trunkline.apis.infobip.metrics import QueryAnswerer
from trunkline.apis.infobip.query import account_key
from trunkline.catalogue.acs import identifiers
from trunkline.catalogue.load import load as load_catalogue
from trunkline.catalogue.log_tables import read as read_log_tables
from trunkline.catalogue.twilio import sids
from trunkline.catalogue.words import measures as askable
from trunkline.clock import Clock, RealClock
from trunkline.config import Settings
from trunkline.connection import Announcement, Connection, Place, describe
from trunkline.connection import write as write_connection
from trunkline.delivery.carriers.simulated import SimulatedCarrier
from trunkline.delivery.carriers.smtp import SmtpMailer
from trunkline.delivery.courier import Courier
from trunkline.delivery.mails import Postman
from trunkline.doors import Doors
from trunkline.errors import ConfigurationError, UnavailableError
from trunkline.events.dispatcher import Dispatcher
from trunkline.events.event import Event
from trunkline.events.retention import Retention
from trunkline.events.subscriptions import Subscriptions
from trunkline.ids import Ids
from trunkline.insight.alerting import Alerts
from trunkline.insight.alerts import AlertRules
from trunkline.insight.arrivals import Arrivals
from trunkline.insight.attached import Attached
from trunkline.insight.bundle import Bundles
from trunkline.insight.health import Outages, rule_of
from trunkline.insight.incidents import Incidents
from trunkline.insight.known import Known
from trunkline.insight.known_secrets import known_secrets
from trunkline.insight.logs.destinations import Destinations
from trunkline.insight.logs.export import LogExport
from trunkline.insight.logs.reader import LogReader
from trunkline.insight.logs.settings import LogSettings
from trunkline.insight.reports import Reports
from trunkline.insight.standing import Standings
from trunkline.insight.story import Stories
from trunkline.insight.telling import Telling, mailing_of, texting_of
from trunkline.insight.verdicts import Verdicts
from trunkline.insight.watch import Watch
from trunkline.services import repeatability
from trunkline.services.access import Keyring
from trunkline.services.backups import Backups
from trunkline.services.chat import Chat
from trunkline.services.chat.sent import ChatSent
from trunkline.services.identity import Identities
from trunkline.services.issuers import Issuers
from trunkline.services.keys import ApiKeys
from trunkline.services.notices import Notices
from trunkline.services.numbers import Numbers, numbers
from trunkline.services.resources import Resource, Resources, resources
from trunkline.services.sent import Sentbox
from trunkline.services.sms import Sms
from trunkline.services.support_files import Bounds, SupportFiles
from trunkline.services.teams import TeamsUsers
from trunkline.state.database import Database
from trunkline.state.folder import Folder, process_name
from trunkline.state.migrations import upgrade
from trunkline.telemetry.forgetting import Forgetting, periods
from trunkline.telemetry.inbox import Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.recorder import Recorder
from trunkline.telemetry.stores.chosen import chosen


class House:
    """One running Trunkline, without its listeners: `open`, use `application`, `close`.

    Whoever runs the listeners sets `place`, where clients reach it, and `hindrance`, which says why requests should
    not be sent here ("" when they may).
    """

    def __init__(self, settings: Settings, folder: Folder, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.settings = settings
        self.folder = folder
        self.clock = clock or RealClock()
        self.ids = ids or Ids()
        self.catalogue = load_catalogue()
        self.hindrance = "it is starting"
        self.instance = self.ids.guid()
        self.place: Place | None = None
        self._stack = AsyncExitStack()

    # --- start and stop ---

    async def open(self, *, facts_only: bool = False) -> None:
        """Hold the data folder and start every part; raises ConfigurationError, and holds nothing then.

        With `facts_only` there is the recorder with what it stands on, and nobody serves, tells or delivers.
        """
        try:
            self.folder.hold()
            self._stack.callback(self.folder.release)
            self._open_state()
            await self._open_resources(settled=facts_only)
            if not facts_only:
                await self._open_services()
                await self._open_events()
                await self._open_watch()
                await self._open_logs()
                self.application = self._application()
            self.loader.start()
        except UnavailableError as error:  # what it holds cannot be read, or a first row not written
            await self.close()
            cause = error.__cause__
            raise (
                self.database.refusal(cause) if isinstance(cause, DBAPIError) else ConfigurationError(error.message)
            ) from error
        except BaseException:
            await self.close()
            raise

    def leave(self) -> None:
        """Get ready to stop: requests had better go elsewhere, and who waits for messages gets what there is."""
        self.hindrance = "it is stopping"
        self.sentbox.dismiss()

    async def close(self) -> None:
        """Stop every part, the last one first; what was acknowledged is kept."""
        await self._stack.aclose()

    def _open_state(self) -> None:
        kept = periods(self.settings.retention_days)
        self.database = Database.at(self.settings.database, self.folder.path, backlog=self.settings.backlog)
        self._stack.push_async_callback(self.database.stop)
        upgrade(self.database.engine)
        self.store = chosen(
            self.settings.facts,
            self.folder.path,
            memory_mb=self.settings.facts_memory_mb,
            temp_mb=self.settings.facts_temp_mb,
        )
        self._stack.callback(self.store.close)
        # marks in a fact store that outlives a folder must not be taken for another folder's
        process = process_name(self.folder.path) if self.settings.facts else self.database.process
        self.inbox = Inbox(self.database, process=process)
        forgetting = Forgetting(self.store, self.clock, kept)
        self.arrivals = Arrivals(self.store, process)
        self.loader = Loader(self.inbox, self.store, process=process, forgetting=forgetting, observer=self.arrivals)
        self.loader.open()
        self.database.start()
        self.arrivals.open(Verdicts.noted(self.database, process))
        self._stack.push_async_callback(self.loader.stop)
        planner = Planner(askable(self.catalogue), self.store.dialect)
        self.recorder = Recorder(self.database, self.inbox, self.loader, self.store, planner)
        self._stack.callback(self.recorder.close)
        self.verdicts = Verdicts(
            database=self.database,
            recorder=self.recorder,
            arrivals=self.arrivals,
            clock=self.clock,
            process=process,
            rules=self.catalogue.quality,
        )
        self.backups = Backups(self.folder.path, self.database, self.loader, self.recorder, self.store, self.clock)
        self.backups.open()
        self._stack.push_async_callback(self.backups.stop)

    async def _open_resources(self, *, settled: bool) -> None:
        """Read the resources; what is settled is not brought in line with the settings again."""
        self.resources = Resources(self.database, self.clock, self.ids)
        self.resources.open(self.settings)
        if not settled or self.resources.find(self.resources.default) is None:
            await self.resources.settle(self.settings)

    async def _open_services(self) -> None:
        settings, clock, ids = self.settings, self.clock, self.ids
        self.keyring = Keyring(self.database, clock)
        await self.keyring.open()
        self.api_keys = ApiKeys(self.database, clock, ids)
        self.api_keys.open()
        self.issuers = Issuers(settings.issuers, settings.audiences, clock, settings.owners)
        self.identities = Identities(self.database, clock, ids)
        self.identities.open()
        plans, tenant = self.catalogue.service_plans, lambda: self.resources.get(self.resources.default).tenant_id
        self.teams_users = TeamsUsers(self.database, clock, plans, tenant)
        self.teams_users.open()
        self.chat = Chat(self.database, clock, ids, self.identities, self.recorder.record)
        self.numbers = Numbers(self.database, clock)
        self.numbers.open(settings)
        self.support_files = SupportFiles(self.folder.path, self.database, clock, ids, _bounds(settings))
        self.support_files.open()
        self.counted = Counted(self.catalogue.of_vendor("acs"), self.recorder)
        carrier = SimulatedCarrier(self.catalogue.simulated_numbers)
        self.sms = Sms(self.database, clock, ids, self.numbers, carrier, self._happened, self.recorder.record)
        self.sentbox = Sentbox(self.database, clock, [ChatSent(), self.sms.sent])
        self.sentbox.open()
        self.database.watch([resources.name, numbers.name], self._announce_again)

    async def _announce_again(self) -> None:
        """Write the connection file anew after another process changed accounts or numbers."""
        await self.resources.refresh()
        await self.numbers.refresh()
        self.announce()

    async def _open_events(self) -> None:
        settings, clock, ids, find = self.settings, self.clock, self.ids, self.resources.find
        self.courier = Courier(database=self.database, clock=clock, settings=settings, recorder=self.recorder)
        self.subscriptions = Subscriptions(
            database=self.database,
            clock=clock,
            ids=ids,
            courier=self.courier,
            resource=find,
            look_for_resources=self.resources.refresh,
            public_url=lambda: self.place.https if self.place else settings.public_url,
        )
        self.dispatcher = Dispatcher(
            database=self.database,
            clock=clock,
            ids=ids,
            settings=settings,
            catalogue=self.catalogue,
            subscriptions=self.subscriptions,
            courier=self.courier,
            resource=find,
        )
        self.reports = Reports(database=self.database, clock=clock, ids=ids, settings=settings, courier=self.courier)
        self.reports.answerers[METRICS_QUERY] = QueryAnswerer(
            Answers(
                self.catalogue,
                self.recorder,
                settings,
                lambda: {one.name: account_key(one) for one in self.resources.all()},
            )
        )
        retention = Retention(
            database=self.database,
            clock=clock,
            settings=settings,
            subscriptions=self.subscriptions,
            also=(repeatability.forget, self.reports.forget, self.support_files.forget),
        )
        known = Known(self.resources, self.numbers, self.identities, self.chat, self.subscriptions, self.teams_users)
        self.stories = Stories(self.recorder, known.knowers, _spellings)
        self.subscriptions.open()
        parts = (self.courier, self.subscriptions, self.dispatcher, retention, self.sms.carriage)
        for part in (*parts, self.verdicts, self.reports):
            self._stack.push_async_callback(part.stop)
            await part.start()

    async def _open_watch(self) -> None:
        """Begin to watch for outages."""
        settings, record = self.settings, self.recorder.record
        self.postman: Postman | None = None
        if settings.smtp_url:
            self.postman = Postman(self.database, self.clock, SmtpMailer(settings.smtp_url, settings.smtp_ca_file))
            self._stack.push_async_callback(self.postman.stop)
            await self.postman.start()
        teller = Telling(
            ids=self.ids,
            numbers=self.numbers,
            resource=self.resources.default,
            everybody=lambda: [one.name for one in self.resources.all()],
            texting=texting_of(settings),
            mailing=mailing_of(settings),
            nudge=self._told,
            record=record,
        )
        self.outages = Outages(self.catalogue, self.recorder, self.ids, rule_of(settings))
        self.alert_rules = AlertRules(self.database, self.clock, self.recorder.explain, teller)
        self.incidents = Incidents(self.database)
        attached = Attached(self.support_files, self.incidents)
        self.stories.join(attached.knowers, attached.attachers)
        self.notices = Notices(self.database, self.clock, self.ids, self.outages.titles, teller)
        self.bundles = Bundles(
            recorder=self.recorder,
            stories=self.stories,
            files=self.support_files,
            incidents=self.incidents,
            notices=self.notices,
            resources=self.resources,
            numbers=self.numbers,
            sentbox=self.sentbox,
            settings=settings,
            clock=self.clock,
            secrets=lambda: known_secrets(settings, self.resources, self.subscriptions),
            version=__version__,
        )
        self.standings = Standings(self.outages, self.incidents, self.notices, self.clock)
        self.watch = Watch(
            database=self.database,
            clock=self.clock,
            watchers=[self.outages, Alerts(self.alert_rules, askable(self.catalogue), self.recorder, self.ids)],
            teller=teller,
            kept_days=settings.incident_retention_days,
        )
        self._stack.push_async_callback(self.watch.stop)
        await self.watch.start()

    async def _open_logs(self) -> None:
        """Begin to write log tables where settings say."""
        find, clock = self.resources.find, self.clock
        self.log_reader = LogReader(read_log_tables(), self.recorder, self.catalogue.measures, find, clock.now)
        self.log_settings = LogSettings(self.database, clock, self.ids.guid)
        self.log_destinations = Destinations.of_settings(self.settings.log_destinations, clock)
        self.log_export = LogExport(
            database=self.database,
            clock=clock,
            reader=self.log_reader,
            recorder=self.recorder,
            kept=self.log_settings,
            destinations=self.log_destinations,
            find=find,
        )
        self._stack.push_async_callback(self.log_export.stop)
        await self.log_export.start()

    def _told(self) -> None:
        """Let what was told of an incident be carried."""
        self.dispatcher.nudge()
        self.sms.carriage.nudge()
        if self.postman is not None:
            self.postman.nudge()

    def _happened(self, event: Event) -> None:
        """Count and tell what no request caused: a carrier's report, a message that came in."""
        self.counted(event)
        self.dispatcher.nudge()

    # --- the doors ---

    def _application(self) -> Application:
        return Application(
            doors=Doors(self).all(),
            hosts=Hosts(self.settings, self.resources),
            resources=self.resources,
            recorder=self.recorder,
            clock=self.clock,
            ids=self.ids,
            largest_body=self.settings.max_body_bytes,
        )

    # --- where it is ---

    def hindrances(self) -> list[str]:
        """List why requests should not be sent here now; nothing when they may."""
        reasons = [self.hindrance] if self.hindrance else []
        if self.database.trouble:
            reasons.append(f"the database cannot be written: {self.database.trouble}")
        if self.database.waiting >= self.settings.backlog:
            reasons.append("too many writes wait for the database")
        return reasons

    def connection(self, resource: Resource) -> Connection:
        """Return what a client of a resource needs; raises UnavailableError before the server listens."""
        if self.place is None:
            raise UnavailableError("The server does not listen yet.")
        return describe(resource, self.place, [one.number for one in self.numbers.list(resource.name)])

    def announce(self, place: Place | None = None) -> None:
        """Write the connection file: first with the place, then again whenever accounts or keys changed."""
        self.place = place or self.place
        if self.place is None:
            return
        accounts = {resource.name: self.connection(resource) for resource in self.resources.all()}
        write_connection(
            self.folder.path, Announcement(instance=self.instance, local=self.place.http, accounts=accounts)
        )


def _spellings(text: str) -> list[str]:
    """Return how else facts spell an id that a vendor's SDK shows."""
    return identifiers.spellings(text) + sids.spellings(text)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        file_bytes=settings.support_file_mb * 2**20,
        files_per_call=settings.support_files_per_call,
        bytes=settings.support_mb * 2**20,
        kept_for=timedelta(days=settings.support_retention_days),
    )
