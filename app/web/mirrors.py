"""Makes the answers about the mirrors that are not private: `/mirrors`, `/mirrors/<name>` and `/map`, feeds
of what changed, and badges.

They are the same for all clients. What is asked for decides them, and what is served; a feed also depends on
the service's own address as the client knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import msgspec

from app.answer.privacy import names_for_all
from app.explain.explanation import Live, UnknownMirrorError
from app.explain.mirror_report import (
    MirrorReport,
    MirrorSummary,
    mirror_report,
    mirror_summaries,
    mirror_summary,
)
from app.explain.mirror_search import find
from app.model.words import KnownWords
from app.render import badge, feed, json, mirror_pages
from app.render.map_page import map_page
from app.request.mirror_filter import MirrorFilter, read_filter
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import SharedDocument, Shelf, Wanted
from app.web.explanations import live_of
from app.web.pages import frame_of


class MirrorAnswers:
    """Makes the answers about the mirrors. Each is made once, when it is first asked for, until something
    else is served."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._shelf = Shelf()
        self._network: _Network | None = None

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns a summary of each mirror that the request wants. Raises QuestionError for a filter that
        cannot be used."""
        network = self._network_of(serving)
        chosen = read_filter(serving.snapshot.config, wanted.parameters)
        make = network.page if wanted.kind == "html" else network.json
        return self._answer(network, wanted, chosen.url(), partial(make, chosen))

    def one(self, serving: Serving, name: str, wanted: Wanted) -> Answer:
        """Returns the report about one mirror. Raises UnknownMirrorError if there is no such mirror, or it is
        private."""
        network = self._network_of(serving)
        known = network.known(name)
        make = network.page_of if wanted.kind == "html" else network.json_of
        return self._answer(network, wanted, f"/mirrors/{known}", partial(make, known))

    def feed(self, serving: Serving, name: str | None, wanted: Wanted) -> Answer:
        """Returns the feed of what changed about one mirror, or with None about all. Raises
        UnknownMirrorError."""
        network = self._network_of(serving)
        known = network.known(name) if name else None
        make = partial(network.feed, known, wanted.base)
        return self._shelf.document((network,), f"feed {wanted.base} {known or ''}", make).answer(wanted)

    def badge(self, serving: Serving, name: str, wanted: Wanted) -> Answer:
        """Returns the badge of one mirror. Raises UnknownMirrorError."""
        network = self._network_of(serving)
        make = partial(network.badge, network.known(name))
        return self._shelf.document((network,), f"badge {network.known(name)}", make).answer(wanted)

    def map(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns the page with the map of the world or of a continent. Raises QuestionError for a continent
        that does not exist."""
        network = self._network_of(serving)
        asked = {"continent": wanted.parameters.get("continent", "")}
        continent = read_filter(serving.snapshot.config, asked).continent
        return self._answer(network, wanted, f"map {continent}", lambda: network.map(continent))

    def summaries(self, serving: Serving) -> list[MirrorSummary]:
        """Returns a summary of each mirror, as it is served now."""
        return self._network_of(serving).summaries

    def _answer(
        self, network: _Network, wanted: Wanted, name: str, make: Callable[[], SharedDocument]
    ) -> Answer:
        kind = "page" if wanted.kind == "html" else "json"
        return self._shelf.document((network,), f"{kind} {name}", make).answer(wanted)

    def _network_of(self, serving: Serving) -> _Network:
        network = self._network
        if network is None or not network.is_of(serving, self._current):
            network = self._network = _Network(serving, live_of(self._current, serving))
        return network


class _Network:
    """All mirrors as they are served now, and the documents about them."""

    def __init__(self, serving: Serving, live: Live) -> None:
        self._serving = serving
        self._live = live

    def is_of(self, serving: Serving, current: Current) -> bool:
        return serving is self._serving and current.cities is self._live.cities

    def known(self, name: str) -> str:
        """Returns the name of a mirror as its file spells it. Raises UnknownMirrorError if there is no such
        mirror, or it is private."""
        known = self.names.get(name)
        if known is None:
            raise UnknownMirrorError(name, self.names)
        return known

    def page(self, chosen: MirrorFilter) -> SharedDocument:
        found = find(self._live.snapshot, self.summaries, chosen)
        frame, config = frame_of(self._serving), self._serving.snapshot.config
        return SharedDocument("html", mirror_pages.mirrors_page(frame, config, self.summaries, chosen, found))

    def map(self, continent: str) -> SharedDocument:
        frame, snapshot = frame_of(self._serving), self._live.snapshot
        return SharedDocument("html", map_page(frame, self.summaries, snapshot, continent))

    def json(self, chosen: MirrorFilter) -> SharedDocument:
        found = find(self._live.snapshot, self.summaries, chosen)
        return SharedDocument("json", json.document(found.mirrors))

    def page_of(self, name: str) -> SharedDocument:
        return SharedDocument("html", mirror_pages.mirror_page(frame_of(self._serving), self._report(name)))

    def json_of(self, name: str) -> SharedDocument:
        return SharedDocument("json", json.document(self._report(name)))

    def feed(self, name: str | None, base: str) -> SharedDocument:
        statistics, service = self._serving.statistics, self._serving.snapshot.config.site.title
        if name is None:
            found = statistics.last_events() if statistics else ()
            events = [event for event in found if self.names.get(event.mirror or "")]
            return SharedDocument("feed", feed.feed(service, f"{service}: mirrors", base, "/mirrors", events))
        history = statistics.history_of(name) if statistics else None
        title, page = f"{service}: {name}", f"/mirrors/{name}"
        return SharedDocument(
            "feed", feed.feed(service, title, base, page, history.events if history else ())
        )

    def badge(self, name: str) -> SharedDocument:
        live, statistics = self._live, self._serving.statistics
        summary = mirror_summary(
            live.snapshot, live.snapshot.number[name], live.verdicts.get(name), live.held
        )
        history = statistics.history_of(name) if statistics else None
        availability = history.availability_30_days if history else None
        service = self._serving.snapshot.config.site.title
        return SharedDocument("badge", badge.badge(service, summary, availability))

    @cached_property
    def names(self) -> KnownWords:
        snapshot = self._live.snapshot
        return KnownWords(names_for_all(snapshot))

    @cached_property
    def summaries(self) -> list[MirrorSummary]:
        statistics = self._serving.statistics
        mirrors = statistics.of_service().mirrors if statistics else ()
        shares = {one.mirror: one.planned for one in mirrors}
        return mirror_summaries(self._live.snapshot, self._live.verdicts, self._live.held, shares)

    def _report(self, name: str) -> MirrorReport:
        live, statistics = self._live, self._serving.statistics
        report = mirror_report(live.snapshot, live.snapshot.number[name], live.states, live.cities, live.held)
        requests = statistics.of_mirror(name) if statistics else None
        share = requests.planned if requests else None
        history = statistics.history_of(name) if statistics else None
        propagation = statistics.propagation if statistics else None
        delay = propagation.of_mirror(name) if propagation else None
        return msgspec.structs.replace(report, requests=requests, share=share, history=history, delay=delay)
