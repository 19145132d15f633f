"""Makes the answers that show the statistics: a page, JSON, and a CSV file for each table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from app.answer.privacy import names_for_all
from app.render import html, json, statistics
from app.render.html import Page
from app.serving.generation import Serving
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.statistics import Statistics
from app.web.answers import Answer, plain
from app.web.documents import SharedDocument, SharedKind, Shelf, Wanted
from app.web.pages import frame_of

CSV = ".csv"


class StatisticsAnswers:
    """Makes the answers with statistics. They are the same for all clients, so each is made once, when it
    is first asked for, until something else is served."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns all statistics, as a page or as JSON; a 404 while there are none."""
        if wanted.kind == "html":
            return self._answer(serving, wanted, "html", "", partial(html.statistics_page, frame_of(serving)))
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
        kind: SharedKind,
        name: str,
        make: Callable[[Statistics], bytes | Page],
    ) -> Answer:
        document = serving.statistics
        if document is None or not document.has_requests:
            return plain(404, "There are no statistics yet.")
        shared = self._shelf.document(
            (serving,),
            f"{kind} {name}",
            lambda: SharedDocument(kind, make(_public(document.of_service(), serving.snapshot))),
        )
        return shared.answer(wanted)


def _public(service: Statistics, snapshot: LoadedSnapshot) -> Statistics:
    """Returns statistics without the mirrors that have become private, or are gone, since they were
    compiled."""
    names = set(names_for_all(snapshot))
    return msgspec.structs.replace(
        service, mirrors=tuple(one for one in service.mirrors if one.mirror in names)
    )
