"""A query of the Metrics API as people paste it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

QUERY_PATH = "/metrics/1/query-aggregate-data"
RESULT_PATH = "/metrics/1/requests/{id}/result"


def query(now: datetime) -> str:
    """Return the body that asks for the calls of the last week by day and direction."""
    since, until = ((now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000") for days in (7, 0))
    asked = {
        "filterBy": {"channelCodes": ["VOICE_VIDEO"], "sentSince": since, "sentUntil": until},
        "aggregateBy": ["DAY", "DIRECTION"],
        "metrics": ["TOTAL_CALL_COUNT", "ANSWER_RATE"],
    }
    return json.dumps({"request": asked}, separators=(",", ":"))
