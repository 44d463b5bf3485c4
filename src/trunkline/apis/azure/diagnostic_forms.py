"""Diagnostic settings as clients write them, read as settings of the export; and as they read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from trunkline.apis.azure.subscription_forms import Form
from trunkline.catalogue.log_tables import LogTables
from trunkline.catalogue.words import nearest
from trunkline.errors import InvalidError, UnservedError
from trunkline.insight.logs.settings import LONGEST_NAME, LogSetting

TYPE = "Microsoft.Insights/diagnosticSettings"
CATEGORY_TYPE = "Microsoft.Insights/diagnosticSettingsCategories"
GROUP = "allLogs"
MOST_LOGS = 100
_NAME = re.compile(rf"[^<>*%&:\\?+/\x00-\x1f]{{1,{LONGEST_NAME}}}")
_ACCOUNT = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.(?:classic)?storage/storageaccounts/([^/]{1,64})/?",
    re.IGNORECASE,
)
_ELSEWHERE = {
    "workspace_id": "a Log Analytics workspace",
    "event_hub_authorization_rule_id": "an event hub",
    "service_bus_rule_id": "a service bus",
    "marketplace_partner_id": "a partner's resource",
}


class RetentionForm(Form, kw_only=True, rename="camel"):
    """How long a storage would keep it."""

    enabled: bool = False
    days: int = 0


class LogForm(Form, kw_only=True, rename="camel"):
    """A category, or a group of categories."""

    enabled: bool
    category: str | None = None
    category_group: str | None = None
    retention_policy: RetentionForm | None = None


class MetricForm(Form, kw_only=True, rename="camel"):
    """A category of metrics."""

    enabled: bool
    category: str | None = None


class PropertiesForm(Form, kw_only=True, rename="camel"):
    """What goes where."""

    storage_account_id: str | None = None
    workspace_id: str | None = None
    event_hub_authorization_rule_id: str | None = None
    service_bus_rule_id: str | None = None
    marketplace_partner_id: str | None = None
    logs: list[LogForm] | None = None
    metrics: list[MetricForm] | None = None


class SettingForm(Form, kw_only=True, rename="camel"):
    """The body of a PUT."""

    properties: PropertiesForm


def setting_of(body: SettingForm, name: str, resource: str, known: LogTables) -> LogSetting:
    """Read a setting of a resource. Raises InvalidError, UnservedError."""
    given = body.properties
    if not _NAME.fullmatch(name):
        raise InvalidError(f"A setting's name has 1 to {LONGEST_NAME} characters, and none of < > * % & : \\ ? + /.")
    for field, what in _ELSEWHERE.items():
        if getattr(given, field):
            raise UnservedError(f"Logs are written to storage accounts; {what} is not served as a destination.")
    if any(one.enabled for one in given.metrics or ()):
        raise UnservedError("Metrics are asked for by the metrics API; they are not exported.")
    account = _ACCOUNT.fullmatch(given.storage_account_id or "")
    if account is None:
        raise InvalidError(
            "storageAccountId is the id of a storage account: /subscriptions/{id}/resourceGroups/{group}/providers/"
            "Microsoft.Storage/storageAccounts/{name}.",
            target="storageAccountId",
        )
    logs = given.logs or []
    if not logs or len(logs) > MOST_LOGS:
        raise InvalidError(f"logs has 1 to {MOST_LOGS} categories, or the group {GROUP}.", target="logs")
    return LogSetting(
        resource=resource,
        name=name,
        destination=account.group(1).lower(),
        tables=tuple(dict.fromkeys(_tables(logs, known))),
        extra={
            "storageAccountId": given.storage_account_id,
            "logs": [_kept(one) for one in logs],
            "metrics": [{"category": one.category, "enabled": False} for one in given.metrics or ()],
        },
    )


def _tables(logs: Sequence[LogForm], known: LogTables) -> Iterator[str]:
    """Yield the tables of what is enabled."""
    by_category = {table.category.lower(): table.name for table in known.tables.values()}
    for one in logs:
        if bool(one.category) is bool(one.category_group):
            raise InvalidError("Each of logs names a category or a categoryGroup.", target="logs")
        if one.retention_policy and one.retention_policy.enabled and one.retention_policy.days:
            raise UnservedError("How long files are kept is the storage's to say; days of retention are not served.")
        if one.category_group:
            if one.category_group.lower() != GROUP.lower():
                raise InvalidError(f"The group of categories is {GROUP}.", target="categoryGroup")
            yield from by_category.values() if one.enabled else ()
        else:
            category = (one.category or "").lower()
            if category not in by_category:
                names = [table.category for table in known.tables.values()]
                raise InvalidError(
                    f"Category '{category[:60]}' is not supported{nearest(category, names)}.", target="category"
                )
            yield from [by_category[category]] if one.enabled else ()


def _kept(one: LogForm) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(one)
    return {name: value for name, value in row.items() if value is not None}


def render(one: LogSetting, setting_id: str) -> dict[str, Any]:
    """Return a setting as clients read it."""
    return {
        "id": setting_id,
        "type": TYPE,
        "name": one.name,
        "properties": {
            "storageAccountId": one.extra["storageAccountId"],
            "logs": one.extra["logs"],
            "metrics": one.extra["metrics"],
        },
    }
