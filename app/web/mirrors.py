"""Makes the answers about the mirrors that are not private: `/mirrors` and `/mirrors/<name>`."""

from __future__ import annotations

import threading
from functools import cached_property

import msgspec

from app.answer.privacy import shown_to_all
from app.explain.explanation import Live, UnknownMirrorError
from app.explain.mirror_report import MirrorSummary, mirror_report, mirror_summaries
from app.model.words import KnownWords
from app.render import html, json
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import SharedDocument, Wanted, own_document
from app.web.explanations import live_of


class MirrorAnswers:
    """Makes the answers about the mirrors that are not private. The parts that are the same for all clients
    are made once for each generation, status document and city database."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._network: _Network | None = None
        self._lock = threading.Lock()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns a summary of each mirror; a 304 if the client has kept this very answer."""
        with self._lock:
            network = self._network_of(serving)
            shared = network.page if wanted.kind == "html" else network.json
        return shared.answer(wanted)

    def one(self, serving: Serving, name: str, wanted: Wanted) -> Answer:
        """Returns the report about one mirror. Raises UnknownMirrorError if there is no such mirror, or it is
        private."""
        with self._lock:
            network = self._network_of(serving)
        known = network.names.get(name)
        if known is None:
            raise UnknownMirrorError(name, network.names)
        live = network.live
        report = mirror_report(
            live.snapshot, live.snapshot.number[known], live.states, live.cities, live.held
        )
        if serving.statistics is not None:
            report = msgspec.structs.replace(report, requests=serving.statistics.of_mirror(known))
        if wanted.kind == "html":
            return own_document("html", html.mirror_page(report, wanted.url()))
        return own_document("json", json.document(report))

    def _network_of(self, serving: Serving) -> _Network:
        network = self._network
        if network is None or not network.is_of(serving, self._current):
            network = self._network = _Network(serving, live_of(self._current, serving))
        return network


class _Network:
    """The summaries of all mirrors, which are the same for all clients. They are put into each format when it
    is first asked for."""

    def __init__(self, serving: Serving, live: Live) -> None:
        self._serving = serving
        self.live = live
        snapshot = live.snapshot
        self.names = KnownWords(snapshot.mirrors[index].name for index in shown_to_all(snapshot))

    def is_of(self, serving: Serving, current: Current) -> bool:
        return serving is self._serving and current.cities is self.live.cities

    @cached_property
    def json(self) -> SharedDocument:
        return SharedDocument("json", json.document(self._summaries()))

    @cached_property
    def page(self) -> SharedDocument:
        return SharedDocument("html", html.mirrors_page(self._summaries()))

    def _summaries(self) -> list[MirrorSummary]:
        return mirror_summaries(self.live.snapshot, self.live.verdicts, self.live.held)
