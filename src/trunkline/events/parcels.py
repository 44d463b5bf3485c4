"""Wraps the envelopes of one subscription into parcels: one each, or batches when it asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from trunkline.delivery.parcel import Parcel
from trunkline.events import envelopes
from trunkline.events.envelopes import Envelope
from trunkline.events.filters import Sieve
from trunkline.events.subscription import Subscription


class Address:
    """A subscription made ready for many events."""

    def __init__(self, subscription: Subscription, *, lenient_subjects: bool, previews: bool) -> None:
        self.subscription = subscription
        self._spec = spec = subscription.spec
        self._sieve = Sieve(spec.filter, lenient_subjects=lenient_subjects)
        self._previews = previews
        self._dynamic = [header for header in spec.headers if header.source]
        fixed = {header.name: header.value or "" for header in spec.headers if not header.source}
        own = envelopes.headers_of(subscription.name, spec.schema, batched=spec.batched)
        self._headers = {**fixed, **own}

    def takes_type(self, name: str, *, is_preview: bool, is_named_only: bool = False) -> bool:
        """Tell whether events of a type are for it; preview names only when it names them, or all get them."""
        if (is_preview or is_named_only) and not self._sieve.names_types:
            return self._previews and not is_named_only
        return self._sieve.takes_type(name)

    def takes(self, envelope: Envelope) -> bool:
        """Tell whether an event of such a type passes the rest of the filter."""
        if not self._sieve.takes_subject(envelope.subject):
            return False
        return not self._sieve.has_conditions or self._sieve.takes(envelope.grid)

    def parcels(self, taken: Sequence[Envelope], now: datetime) -> Iterator[Parcel]:
        """Yield the parcels for envelopes, which are not held back to fill a batch."""
        if not self._spec.batched:
            for envelope in taken:
                yield self._parcel([envelope], now)
            return
        most_bytes = self._spec.preferred_kb * 1024
        batch: list[Envelope] = []
        size = 0
        for envelope in taken:
            more = len(envelope.encoded(self._spec.schema))
            if batch and (len(batch) >= self._spec.most_events or size + more > most_bytes):
                yield self._parcel(batch, now)
                batch, size = [], 0
            batch.append(envelope)
            size += more
        if batch:
            yield self._parcel(batch, now)

    def _parcel(self, batch: list[Envelope], now: datetime) -> Parcel:
        spec, first = self._spec, batch[0]
        headers = dict(self._headers)
        if len(batch) == 1:
            headers["aeg-output-event-id"] = first.id
        for header in self._dynamic:
            if (value := envelopes.attribute(first, header.source)) is not None:
                headers[header.name] = value
        types = {envelope.type for envelope in batch}
        return Parcel(
            subscription=self.subscription.id,
            subscription_name=self.subscription.name,
            resource=self.subscription.resource,
            url=spec.url,
            body=envelopes.body_of(batch, spec.schema, batched=spec.batched),
            headers=headers,
            count_header=envelopes.COUNT_HEADER,
            event_type=first.type if len(types) == 1 else "",
            event_ids=tuple(envelope.id for envelope in batch),
            causes=tuple(dict.fromkeys(envelope.cause for envelope in batch if envelope.cause)),
            most_attempts=spec.most_attempts,
            made_at=now,
            due_at=now,
            expires_at=now + spec.life,
        )
