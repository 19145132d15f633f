"""Makes the front page: where the client seems to be, and what is the same for all clients around it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from markupsafe import Markup

from app.explain.front import NetworkNumbers, near_mirrors, network_numbers
from app.explain.inquiry import with_defaults
from app.render import maps
from app.render.front_page import FrontPage, front_page
from app.render.html import Page
from app.request.clients import Client
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import own_page
from app.web.explanations import facts_of
from app.web.mirrors import MirrorAnswers
from app.web.pages import frame_of

NEAR = 3
"""How many near mirrors the page shows."""
COUNTED_DAYS = 28


@dataclass(frozen=True)
class _Shared:
    """The parts of the page that are the same for all clients of a generation."""

    serving: Serving
    numbers: NetworkNumbers
    map: Markup
    requests: int


class FrontAnswers:
    """Makes the front page for each client. Its parts that are the same for all clients are made once for
    each generation and status document."""

    def __init__(self, current: Current, mirrors: MirrorAnswers) -> None:
        self._current = current
        self._mirrors = mirrors
        self._shared: _Shared | None = None
        self._lock = threading.Lock()

    def page(self, serving: Serving, client: Client, base: str) -> Answer:
        """Returns the front page. `base` is the service's URL as the client wrote it."""
        with self._lock:
            shared = self._shared
            if shared is None or shared.serving is not serving:
                shared = self._shared = self._made(serving)
        config = serving.snapshot.config
        # Of the ordinary list, because in a cloud a shorter one has others.
        question = serving.parser.parse_list(with_defaults(serving.parser, {}))
        front = FrontPage(
            base=base,
            config=config,
            numbers=shared.numbers,
            map=shared.map,
            client=facts_of(self._current, serving, client),
            near=near_mirrors(serving.lists, client.of, question)[:NEAR],
            requests=shared.requests,
        )
        return own_page(front_page(frame_of(serving), front))

    def _made(self, serving: Serving) -> _Shared:
        summaries = self._mirrors.summaries(serving)
        days = serving.statistics.of_service().days if serving.statistics else ()
        return _Shared(
            serving,
            network_numbers(summaries),
            maps.MirrorMap("Where the mirrors are", maps.marks_of(summaries), is_plain=True).drawn(),
            sum(day.requests for day in days[-COUNTED_DAYS:]),
        )


def front_without_snapshot() -> Page:
    """Returns the front page of a service that has nothing to serve yet."""
    return front_page(frame_of(None), None)
