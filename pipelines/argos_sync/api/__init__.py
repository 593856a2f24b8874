"""The source API over HTTP: requests, paging, retries, errors, encryption."""
