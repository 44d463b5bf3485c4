"""Diagnostic settings: which categories of a resource's logs go to which storage account."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure.diagnostic_forms import CATEGORY_TYPE, GROUP, TYPE, SettingForm, render, setting_of
from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.log_tables import LogTables
from trunkline.errors import NotFoundError
from trunkline.insight.logs.destinations import Destinations
from trunkline.insight.logs.settings import LogSetting, LogSettings


class DiagnosticSettingHandlers:
    """The operations of diagnostic settings and their categories."""

    def __init__(self, known: LogTables, settings: LogSettings, destinations: Destinations) -> None:
        self._known = known
        self._settings = settings
        self._destinations = destinations

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "DiagnosticSettings_CreateOrUpdate": self.create_or_update,
            "DiagnosticSettings_Get": self.get,
            "DiagnosticSettings_Delete": self.delete,
            "DiagnosticSettings_List": self.list_settings,
            "DiagnosticSettingsCategory_Get": self.get_category,
            "DiagnosticSettingsCategory_List": self.list_categories,
        }

    async def create_or_update(self, exchange: Exchange) -> Response:
        """Make a setting, or replace the one of that name; logs of the present hour on are written."""
        body = exchange.json(SettingForm)
        setting = setting_of(body, exchange.params["name"], exchange.owner.name, self._known)
        self._destinations.named(setting.destination)
        return json_response(self._shown(exchange, await self._settings.put(setting)))

    async def get(self, exchange: Exchange) -> Response:
        """Return one setting."""
        name = exchange.params["name"]
        try:
            found = await self._settings.get(exchange.owner.name, name)
        except NotFoundError as error:
            raise NotFoundError(f"The Resource '{TYPE}/{name[:60]}' was not found.") from error
        return json_response(self._shown(exchange, found))

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a setting; 204 when there was none. What was written stays where it is."""
        found = await self._settings.remove(exchange.owner.name, exchange.params["name"])
        return Response(status_code=200 if found else 204)

    async def list_settings(self, exchange: Exchange) -> Response:
        """List the settings of the resource."""
        those = [one.setting for one in await self._settings.all() if one.setting.resource == exchange.owner.name]
        return json_response({"value": [self._shown(exchange, one) for one in those]})

    async def get_category(self, exchange: Exchange) -> Response:
        """Return one category."""
        wanted = exchange.params["name"].lower()
        for table in self._known.tables.values():
            if table.category.lower() == wanted:
                return json_response(self._category(exchange, table.category))
        raise NotFoundError(f"The category '{wanted[:60]}' was not found.")

    async def list_categories(self, exchange: Exchange) -> Response:
        """List the categories; all of them are of the group of all logs."""
        names = sorted(table.category for table in self._known.tables.values())
        return json_response({"value": [self._category(exchange, name) for name in names]})

    # --- inside ---

    def _category(self, exchange: Exchange, name: str) -> dict[str, Any]:
        return {
            "id": f"{self._scope(exchange)}/providers/{CATEGORY_TYPE}/{name}",
            "type": CATEGORY_TYPE,
            "name": name,
            "properties": {"categoryType": "Logs", "categoryGroups": [GROUP]},
        }

    def _shown(self, exchange: Exchange, one: LogSetting) -> dict[str, Any]:
        return render(one, f"{self._scope(exchange)}/providers/{TYPE}/{one.name}")

    def _scope(self, exchange: Exchange) -> str:
        owner = exchange.owner
        return resource_id(owner.subscription_id, owner.resource_group, owner.name)
