"""Makes the answers that show the statistics: a page, JSON, and a CSV file for each table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Literal

from app.render import html, json, statistics
from app.serving.generation import Serving
from app.snapshot.statistics import Statistics, StatisticsDocument
from app.web.answers import Answer, plain
from app.web.documents import Kind, SharedDocument, Wanted

CSV = ".csv"


class StatisticsAnswers:
    """Makes the answers with statistics. They are the same for all clients, so each is made once for each
    statistics document, when it is first asked for."""

    def __init__(self) -> None:
        self._of: StatisticsDocument | None = None
        self._made: dict[str, SharedDocument] = {}
        self._lock = threading.Lock()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns all statistics, as a page or as JSON; a 404 while there are none."""
        if wanted.kind == "html":
            return self._answer(serving, wanted, "html", "", html.statistics_page)
        return self._answer(serving, wanted, "json", "", json.document)

    def table(self, serving: Serving, file: str, wanted: Wanted) -> Answer:
        """Returns one table as CSV; a 404 if there is no such file."""
        name = file.removesuffix(CSV)
        if name not in statistics.TABLES or name == file:
            files = ", ".join(f"{name}{CSV}" for name in statistics.TABLES)
            return plain(404, f"There is no such table. There are: {files}")
        return self._answer(serving, wanted, "csv", name, partial(statistics.table, name=name))

    def _answer(
        self,
        serving: Serving,
        wanted: Wanted,
        kind: Kind | Literal["csv"],
        name: str,
        make: Callable[[Statistics], bytes],
    ) -> Answer:
        document = serving.statistics
        if document is None:
            return plain(404, "There are no statistics yet.")
        key = f"{kind} {name}"
        with self._lock:
            if self._of is not document:
                self._of, self._made = document, {}
            if key not in self._made:
                self._made[key] = SharedDocument(kind, make(document.of_service()))
            shared = self._made[key]
        return shared.answer(wanted)
