"""The rooms behind Twilio's door, put together: app.py has one line for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.api.door import Door
from trunkline.apis.twilio.annotations import AnnotationHandlers
from trunkline.apis.twilio.auth import Callers
from trunkline.apis.twilio.calls import Calls
from trunkline.apis.twilio.door import TwilioDoor
from trunkline.apis.twilio.events import EventHandlers
from trunkline.apis.twilio.metrics import MetricHandlers
from trunkline.apis.twilio.settings import SettingHandlers
from trunkline.apis.twilio.summaries import SummaryHandlers
from trunkline.apis.twilio.voice import VoiceHandlers
from trunkline.catalogue.rows import Service
from trunkline.clock import Clock
from trunkline.services.annotations import Annotations
from trunkline.services.flags import Flags
from trunkline.services.keys import ApiKeys
from trunkline.services.resources import Resources
from trunkline.state.database import Database
from trunkline.telemetry.recorder import Recorder


def insights_door(
    services: Iterable[Service],
    recorder: Recorder,
    resources: Resources,
    keys: ApiKeys,
    database: Database,
    clock: Clock,
) -> Door:
    """Return the door of Insights with everything that stands behind it."""
    callers = Callers(resources, keys)
    calls = Calls(recorder, callers)
    annotations = Annotations(database, clock)
    rooms = (
        VoiceHandlers(calls),
        MetricHandlers(calls),
        EventHandlers(calls),
        SummaryHandlers(recorder, calls, callers, annotations),
        AnnotationHandlers(annotations, calls),
        SettingHandlers(Flags(database), callers),
    )
    handlers = {name: handler for room in rooms for name, handler in room.handlers().items()}
    return TwilioDoor(services, handlers, callers)
