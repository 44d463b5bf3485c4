"""The doors: which APIs there are, in the order in which they are asked, and what each stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline import __version__
from trunkline.api.door import Door
from trunkline.api.rooms import handlers_of, telling
from trunkline.apis.acs.auth import Callers as AcsCallers
from trunkline.apis.acs.chat import ChatHandlers
from trunkline.apis.acs.door import AcsDoor
from trunkline.apis.acs.identity import IdentityHandlers
from trunkline.apis.acs.sms import SmsHandlers
from trunkline.apis.acs.tokens import UserTokens
from trunkline.apis.azure.auth import Callers as AzureCallers
from trunkline.apis.azure.communication import CommunicationHandlers
from trunkline.apis.azure.diagnostic_settings import DiagnosticSettingHandlers
from trunkline.apis.azure.door import AzureDoor
from trunkline.apis.azure.event_grid import EventGridHandlers
from trunkline.apis.azure.metric_alerts import MetricAlertHandlers
from trunkline.apis.azure.metric_answers import MetricAnswers
from trunkline.apis.azure.metrics import Metrics
from trunkline.apis.azure.monitor import MonitorHandlers
from trunkline.apis.azure.resource_health import ResourceHealthHandlers
from trunkline.apis.graph.auth import Callers as GraphCallers
from trunkline.apis.graph.door import GraphDoor
from trunkline.apis.graph.licences import LicenceHandlers
from trunkline.apis.infobip.auth import Callers as InfobipCallers
from trunkline.apis.infobip.door import InfobipDoor
from trunkline.apis.infobip.metrics import MetricsHandlers
from trunkline.apis.trunkline.accounts import AccountHandlers
from trunkline.apis.trunkline.alerts import AlertHandlers
from trunkline.apis.trunkline.ask import AskHandlers
from trunkline.apis.trunkline.auth import Callers
from trunkline.apis.trunkline.backups import BackupHandlers
from trunkline.apis.trunkline.bundle import BundleHandlers
from trunkline.apis.trunkline.catalogue import CatalogueHandlers
from trunkline.apis.trunkline.connection import ConnectionHandlers
from trunkline.apis.trunkline.door import TrunklineDoor
from trunkline.apis.trunkline.explain import ExplainHandlers
from trunkline.apis.trunkline.health import HealthHandlers
from trunkline.apis.trunkline.inbox import InboxHandlers
from trunkline.apis.trunkline.incidents import HealthView
from trunkline.apis.trunkline.ingest import IngestHandlers
from trunkline.apis.trunkline.keys import KeyHandlers
from trunkline.apis.trunkline.log_tables import LogTableHandlers
from trunkline.apis.trunkline.numbers import NumberHandlers
from trunkline.apis.trunkline.openapi import OpenApiHandlers
from trunkline.apis.trunkline.search import SearchHandlers
from trunkline.apis.trunkline.state import StateHandlers
from trunkline.apis.trunkline.subscriptions import SubscriptionHandlers
from trunkline.apis.trunkline.support_files import SupportFileHandlers
from trunkline.apis.trunkline.teams_users import TeamsUserHandlers
from trunkline.apis.trunkline.tokens import TokenHandlers
from trunkline.apis.twilio.rooms import insights_door
from trunkline.connection import Connection
from trunkline.services.limits import Limits
from trunkline.web.page import PageDoor
from trunkline.web.status import StatusPage

if TYPE_CHECKING:
    from trunkline.app import House


class Doors:
    """Makes the doors of a house whose parts are open."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._acs_callers: AcsCallers

    def all(self) -> list[Door]:
        """Return every door."""
        return [
            self._acs_door(),
            self._azure_door(),
            self._graph_door(),
            self._infobip_door(),
            self._twilio_door(),
            self._own_door(),
            self._page_door(),
        ]

    def _acs_door(self) -> Door:
        house = self._house
        settings, services = house.settings, house.catalogue.of_vendor("acs")
        tokens = UserTokens(house.keyring)
        self._acs_callers = AcsCallers(
            settings,
            house.clock,
            house.resources,
            house.identities,
            house.keyring,
            house.issuers,
            tokens,
        )
        identity = IdentityHandlers(
            settings,
            house.clock,
            house.ids,
            house.identities,
            house.issuers,
            tokens,
            house.teams_users,
        )
        handlers = handlers_of(identity, ChatHandlers(house.chat), SmsHandlers(house.sms))
        limits = Limits(services, house.clock) if settings.service_limits else None
        return AcsDoor(services, telling(handlers, services, house.dispatcher.nudge), self._acs_callers, limits)

    def _azure_door(self) -> Door:
        house = self._house
        callers = AzureCallers(house.settings, house.clock, house.resources, house.keyring, house.issuers)
        monitor = MonitorHandlers(Metrics(house.catalogue), MetricAnswers(house.recorder), callers)
        events = EventGridHandlers(house.catalogue, house.subscriptions, callers)
        health = ResourceHealthHandlers(
            house.catalogue,
            house.standings,
            house.incidents,
            house.notices,
            callers,
        )
        alerts = MetricAlertHandlers(
            Metrics(house.catalogue),
            house.alert_rules,
            house.incidents,
            house.resources,
            callers,
        )
        logs = DiagnosticSettingHandlers(house.log_reader.known, house.log_settings, house.log_destinations)
        handlers = handlers_of(monitor, events, health, alerts, logs, CommunicationHandlers(callers))
        return AzureDoor(house.catalogue.of_vendor("azure"), handlers, callers)

    def _graph_door(self) -> Door:
        house = self._house
        callers = GraphCallers(
            house.settings,
            house.clock,
            house.resources,
            house.keyring,
            house.issuers,
            house.teams_users,
        )
        licences = LicenceHandlers(callers, house.catalogue.service_plans)
        return GraphDoor(house.catalogue.of_vendor("graph"), handlers_of(licences), callers)

    def _infobip_door(self) -> Door:
        house = self._house
        callers = InfobipCallers(house.resources, house.keyring, house.api_keys)
        metrics = MetricsHandlers(
            house.catalogue.words["infobip"],
            house.reports,
            house.resources,
            house.courier.check_url,
        )
        return InfobipDoor(house.catalogue.of_vendor("infobip"), metrics.handlers(), callers)

    def _twilio_door(self) -> Door:
        house = self._house
        return insights_door(
            house.catalogue.of_vendor("twilio"),
            house.recorder,
            house.resources,
            house.api_keys,
            house.database,
            house.clock,
        )

    def _own_door(self) -> Door:
        house = self._house
        callers = Callers(house.resources, house.keyring, house.api_keys)
        state = StateHandlers(
            version=__version__,
            database=house.database,
            inbox=house.inbox,
            loader=house.loader,
            store=house.store,
            recorder=house.recorder,
            verdicts=house.verdicts,
            dispatcher=house.dispatcher,
            courier=house.courier,
            in_flight=lambda: house.application.in_flight,
            errors=lambda: house.application.errors,
            mismatches=lambda: self._acs_callers.mismatches,
        )
        types = (*house.catalogue.event_types, *house.catalogue.untold_event_types)
        handlers = handlers_of(
            HealthHandlers(house.instance, __version__, house.hindrances),
            state,
            AlertHandlers(house.alert_rules, callers),
            HealthView(house.standings, house.incidents, house.notices, callers),
            OpenApiHandlers(house.catalogue, __version__, Connection),
            CatalogueHandlers(house.catalogue),
            ExplainHandlers(house.catalogue),
            ConnectionHandlers(callers, house.connection),
            AccountHandlers(house.resources, callers, house.connection, house.announce),
            KeyHandlers(house.api_keys, callers),
            TokenHandlers(house.keyring, callers),
            TeamsUserHandlers(house.teams_users),
            BackupHandlers(house.backups),
            AskHandlers(house.recorder),
            SearchHandlers(house.stories, callers, house.catalogue.ids),
            BundleHandlers(house.bundles, callers),
            LogTableHandlers(house.log_reader, callers),
            IngestHandlers(house.recorder, callers),
            SupportFileHandlers(house.support_files, callers),
            InboxHandlers(house.sentbox, callers),
            NumberHandlers(house.numbers, house.sms, callers, house.announce),
            SubscriptionHandlers(
                house.database,
                house.clock,
                house.subscriptions,
                house.dispatcher,
                callers,
                types,
            ),
        )
        return TrunklineDoor([house.catalogue.services["api"]], handlers, callers)

    def _page_door(self) -> Door:
        house = self._house
        status = StatusPage(house.standings, house.incidents, house.notices, house.clock)
        return PageDoor([house.catalogue.services["page"]], __version__, status)
