"""Certificates that renew themselves while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from trunkline.certificates import Certificate
from trunkline.clock import Clock
from trunkline.errors import ConfigurationError

_log = logging.getLogger(__name__)
PERIOD_S = 3600.0


async def keep_fresh(
    clock: Clock, shown: Certificate, certify: Callable[[], Certificate], show: Callable[[Certificate], None]
) -> None:
    """Every hour ask `certify` for the certificate of that moment, and `show` it when it is another one.

    It also warns before an operator's own certificate ends. What goes wrong is logged; the shown one stays.
    """
    while True:
        await clock.sleep(PERIOD_S)
        try:
            fresh = await asyncio.to_thread(certify)
            if fresh.serial != shown.serial:
                show(fresh)
                shown = fresh
                _log.info("the certificate was renewed; it ends at %s UTC", f"{fresh.not_after:%Y-%m-%d %H:%M}")
            if notice := fresh.expiry_notice(clock.now()):
                _log.warning("%s", notice)
        except ConfigurationError as error:
            _log.warning("%s", error.message)
