"""The source API over HTTP: requests, paging, retries, errors, encryption."""

from argos_sync.api.client import ArgosClient, RequestStyle, Stats
from argos_sync.api.crypto import Derivation, Envelope, Mode
from argos_sync.api.query import REQUEST_TYPES, Page, PageKey, Query
from argos_sync.api.retry import RetryPolicy

__all__ = [
    "REQUEST_TYPES",
    "ArgosClient",
    "Derivation",
    "Envelope",
    "Mode",
    "Page",
    "PageKey",
    "Query",
    "RequestStyle",
    "RetryPolicy",
    "Stats",
]
