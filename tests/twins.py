"""An API that has several versions of a submission, each of them in every list."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from argos_sync.emulator.http_server import Response
from whole_lists import Emulator


class Twins(Emulator):
    """The emulator with versions of submissions, which have one id and may differ.

    The store has an id of its own for each version, which the responses replace.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], **options: Any) -> None:
        """Serve the versions of each submission in this order, if they have one `created_at`."""
        self._ids: dict[str, str] = {}
        served = []
        for row in rows:
            name = row["submission_id"]
            number = sum(other == name for other in self._ids.values())
            alias = f"{name}-version-{number}"
            self._ids[alias] = name
            served.append({**row, "submission_id": alias})
        super().__init__(served, **options)

    def answer(self, query: str, body: bytes, api_key: str) -> Response:
        """Respond with the ids of the submissions; by id with all versions."""
        for name in set(self._ids.values()):
            if f"submission_id={name}&" in f"{query}&":
                return self._answer_by_id(name, query, body, api_key)
        response = super().answer(query, body, api_key)
        document = json.loads(response.body)
        for item in document.get("Items", ()):
            item["submission_id"] = self._ids[item["submission_id"]]
        return Response(response.status, json.dumps(document).encode(), items=response.items)

    def _answer_by_id(self, name: str, query: str, body: bytes, api_key: str) -> Response:
        items = []
        for alias in (alias for alias, other in self._ids.items() if other == name):
            asked = query.replace(f"submission_id={name}", f"submission_id={alias}")
            items += json.loads(super().answer(asked, body, api_key).body)["Items"]
        for item in items:
            item["submission_id"] = name
        return Response(200, json.dumps({"Items": items}).encode(), items=len(items))
