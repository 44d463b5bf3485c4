"""The secrets that the server knows: of its settings, of its accounts, of its event subscriptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from trunkline.config import Settings
from trunkline.events.subscriptions import Subscriptions
from trunkline.ids import account_sid
from trunkline.insight.redaction import basic
from trunkline.services.resources import Resources

_LEAST = 8
"""What is shorter in an address's query is no secret of its own."""


def known_secrets(settings: Settings, resources: Resources, subscriptions: Subscriptions) -> Iterator[str]:
    """Yield every secret as it was given; of addresses also the password and what stands in the query."""
    for row in dataclasses.fields(settings):
        if row.metadata.get("secret"):
            value = getattr(settings, row.name)
            for one in value if isinstance(value, tuple) else (value,):
                yield from _of_address(str(one))
    for one in resources.all():
        yield from (one.key1, one.key2, one.api_key, one.auth_token, one.app_key)
        yield basic(account_sid(one.immutable_id), one.auth_token)
    for subscription in subscriptions.all():
        yield subscription.code
        for spec in (subscription.spec, subscription.next):
            if spec is not None:
                yield from (value for _, value in parse_qsl(urlsplit(spec.url).query) if len(value) >= _LEAST)
                yield from (header.value for header in spec.headers if header.secret and header.value)


def _of_address(text: str) -> Iterator[str]:
    yield text
    try:
        password = urlsplit(text).password if "://" in text else None
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
