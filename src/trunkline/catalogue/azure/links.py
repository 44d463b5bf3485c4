"""Azure's addresses as people paste them."""

from __future__ import annotations

from urllib.parse import quote, urlencode

API_VERSION = "2024-02-01"


def metric_url(base: str, resource_id: str, metric: str) -> str:
    """Return the address that answers a metric of a resource, counted by operation, over the last hour."""
    query = urlencode(
        {
            "api-version": API_VERSION,
            "metricnames": metric,
            "aggregation": "Count",
            "interval": "FULL",
            "$filter": "Operation eq '*'",
        },
        quote_via=quote,
    )
    return f"{base}{quote(resource_id)}/providers/Microsoft.Insights/metrics?{query}"
