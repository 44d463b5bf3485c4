"""Azure's resource ids: how they are written and read."""

from __future__ import annotations

PROVIDER = "Microsoft.Communication"
TYPE = "CommunicationServices"
NAMESPACE = f"{PROVIDER}/{TYPE}"


def resource_id(subscription_id: str, group: str, name: str) -> str:
    """Return the ARM id of a communication resource."""
    return f"/subscriptions/{subscription_id}/resourceGroups/{group}/providers/{PROVIDER}/communicationServices/{name}"


def name_of(scope: str) -> str | None:
    """Return the resource's name if the scope is a communication resource's id, in any case."""
    parts = scope.strip("/").split("/")
    shape = [part.lower() for part in parts]
    if len(parts) == 8 and shape[0::2] == ["subscriptions", "resourcegroups", "providers", TYPE.lower()]:
        return parts[7] if shape[5] == PROVIDER.lower() else None
    return None
