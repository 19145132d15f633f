"""Makes the answers that explain: why a client gets its list, what is known of the client, how the mirrors
are.

These answers come as text, JSON or a page, whichever the client prefers. A client that takes anything, as
curl does, gets text, or JSON where it asks about mirrors. The answers are made for people, so they are not
cached, and may take longer than a list. Only `/mirrors`, which is the same for all clients, has an `ETag`.
"""

from __future__ import annotations

import threading
import time
from functools import cached_property

import msgspec

from app.answer.privacy import shown_to_all
from app.explain.client_facts import ClientFacts, Databases, client_facts
from app.explain.explanation import Live, UnknownMirrorError, explain, schema
from app.explain.inquiry import Inquiry
from app.explain.mirror_report import MirrorSummary, mirror_report, mirror_summaries
from app.model.network import parse_network
from app.model.words import KnownWords
from app.render import html, json
from app.render.explanation_text import client_text, explanation_text
from app.request.clients import Client
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import Kind, SharedDocument, Wanted, own_document, own_page
from app.web.pages import frame_of


def explained(current: Current, serving: Serving, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Returns the answer that explains why this client gets this list. Raises UnknownMirrorError if the
    inquiry names a mirror that does not exist."""
    live = live_of(current, serving)
    explanation = explain(live, client.of, facts_of(current, serving, client), inquiry)
    match wanted.kind:
        case "json":
            return own_document("json", json.document(explanation))
        case "html":
            # With `ip=` the explanation is the same, unless there are mirrors for the client's network.
            own = client.of.private and parse_network(client.of.network).netblocks
            url = wanted.url() if own else wanted.url(ip=client.address.ip)
            return own_page(html.explanation_page(frame_of(serving), explanation, wanted.parameters, url))
        case "text":
            return own_document("text", explanation_text(explanation).encode())


def whoami(current: Current, serving: Serving | None, client: Client, kind: Kind) -> Answer:
    """Returns what is known of the client, as JSON or as text; there is no page for it."""
    facts = facts_of(current, serving, client)
    if kind == "json":
        return own_document("json", json.document(facts))
    return own_document("text", client_text(facts).encode())


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
            return own_page(html.mirror_page(frame_of(serving), report, wanted.url()))
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
        return SharedDocument("html", html.mirrors_page(frame_of(self._serving), self._summaries()))

    def _summaries(self) -> list[MirrorSummary]:
        return mirror_summaries(self.live.snapshot, self.live.verdicts, self.live.held)


def explanation_schema() -> Answer:
    """Returns the JSON schema of explanations."""
    return Answer(200, "application/schema+json", json.document(schema()))


def live_of(current: Current, serving: Serving) -> Live:
    """Collects the data that explanations are made from, as they are now."""
    document = serving.status_document
    return Live(serving.lists, document, current.cities, serving.published_at_s, time.time())


def facts_of(current: Current, serving: Serving | None, client: Client) -> ClientFacts:
    """Returns what is known of a client, as far as the databases that are there tell."""
    places, networks = (serving.places, serving.networks) if serving else (None, None)
    databases = Databases(places, networks, current.cities, current.asns)
    return client_facts(client.address, client.of, databases)
