"""Backups, made by whoever owns the server; where they go is the server's choice, not the caller's."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import check_unconfined
from trunkline.services.backups import Backups


class BackupHandlers:
    """The operation that makes a backup."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of the operation."""
        return {"CreateBackup": self.create}

    async def create(self, exchange: Exchange) -> Response:
        """Make a backup in the data folder: 201 with its name and folder, once it is whole."""
        check_unconfined(exchange)
        return json_response(await self._backups.make(), 201)
