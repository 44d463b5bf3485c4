"""The codes with which calls, messages, requests and deliveries end: what they mean, whose fault it is, what to do."""

from __future__ import annotations

from trunkline.catalogue.codes.advice import Advice, advice
from trunkline.catalogue.codes.lookup import Explained, Found, Near, explained
from trunkline.catalogue.codes.table import Code, Codes, Family, Fault

__all__ = ["Advice", "Code", "Codes", "Explained", "Family", "Fault", "Found", "Near", "advice", "explained"]
