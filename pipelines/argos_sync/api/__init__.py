"""Query the ARGOS API over HTTP.

In: a `Query`, the API key and, where the project needs one, an encryption `Envelope`.
Out: a `Page` of decoded submissions with the key of the next page, or an error of `api.errors`.

Nothing is imported here: whoever needs the errors alone need not wait for httpx.
"""

__all__ = [
    "budget",
    "client",
    "crypto",
    "errors",
    "page_key",
    "query",
    "retry",
    "stats",
    "webhook",
]
