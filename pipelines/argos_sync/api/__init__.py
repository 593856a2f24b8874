"""Query the ARGOS API over HTTP.

In: a `Query`, the API key and, where the project needs one, an encryption `Envelope`.
Out: a `Page` of decoded submissions with the key of the next page, or an error of `api.errors`.
"""

from argos_sync.api.budget import DailyBudget
from argos_sync.api.client import ArgosClient, RequestStyle
from argos_sync.api.crypto import EncryptionMode, Envelope, KeyDerivation
from argos_sync.api.page_key import PageKey, decode_page_key
from argos_sync.api.query import REQUEST_TYPES, Page, Query
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.stats import RequestStats

__all__ = [
    "REQUEST_TYPES",
    "ArgosClient",
    "DailyBudget",
    "EncryptionMode",
    "Envelope",
    "KeyDerivation",
    "Page",
    "PageKey",
    "Query",
    "RequestStats",
    "RequestStyle",
    "RetryPolicy",
    "crypto",
    "decode_page_key",
    "errors",
    "webhook",
]
