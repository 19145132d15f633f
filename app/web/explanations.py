"""Answers that say why: an explanation of a list, what is known of the caller and of the mirrors.

As text, JSON or a page, whichever the client prefers; a client that takes anything, as curl does,
gets text (of mirrors: JSON). They are made for people, so they are not cached, and cost what they
cost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from app.answer.privacy import shown_to_all
from app.explain.client_facts import ClientFacts, Databases, client_facts
from app.explain.explanation import Live, UnknownMirrorError, explain, schema
from app.explain.inquiry import Inquiry
from app.explain.mirror_report import mirror_report, mirror_reports
from app.model.network import parse_network
from app.render import html, text
from app.render.explanation_text import client_text, explanation_text
from app.request.clients import Client
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.pages import JSON, NO_STORE, page_headers

Kind = Literal["text", "json", "html"]
Parameters = Mapping[str, str]

HEADERS = (NO_STORE, ("Vary", "Accept"))


@dataclass(frozen=True)
class Wanted:
    """How an explanation was asked for: `parameters` of the request, its `path`, and the service's
    own address (`https://mirrors.example.org`) as the client knows it."""

    kind: Kind
    parameters: Parameters
    path: str
    base: str

    def url(self, **more: str) -> str:
        """Where the same is, to be asked for with curl."""
        query = urlencode({**self.parameters, **more})
        return f"{self.base}{quote(self.path)}" + (f"?{query}" if query else "")


def explained(current: Current, serving: Serving, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Raises UnknownMirrorError."""
    live = live_of(current, serving)
    explanation = explain(live, client.of, facts_of(current, serving, client), inquiry)
    match wanted.kind:
        case "json":
            return Answer(200, JSON, msgspec.json.encode(explanation) + b"\n", HEADERS)
        case "html":
            # As for the same address it gives the same, unless there are mirrors for it alone.
            own = client.of.private and parse_network(client.of.network).netblocks
            url = wanted.url() if own else wanted.url(ip=client.address.ip)
            page = html.explanation_page(explanation, wanted.parameters, url)
            return Answer(200, html.CONTENT_TYPE, page, (*HEADERS, *page_headers()))
    return Answer(200, text.CONTENT_TYPE, explanation_text(explanation).encode(), HEADERS)


def whoami(current: Current, client: Client, kind: Kind) -> Answer:
    facts = facts_of(current, current.serving, client)
    if kind == "json":
        return Answer(200, JSON, msgspec.json.encode(facts) + b"\n", HEADERS)
    return Answer(200, text.CONTENT_TYPE, client_text(facts).encode(), HEADERS)


def mirrors(current: Current, serving: Serving, wanted: Wanted) -> Answer:
    """All that are not private."""
    live = live_of(current, serving)
    reports = mirror_reports(live.snapshot, live.states, live.cities)
    if wanted.kind == "html":
        page = html.mirrors_page(reports, wanted.url())
        return Answer(200, html.CONTENT_TYPE, page, (*HEADERS, *page_headers()))
    return Answer(200, JSON, msgspec.json.encode(reports) + b"\n", HEADERS)


def mirror(current: Current, serving: Serving, name: str, wanted: Wanted) -> Answer:
    """Raises UnknownMirrorError, for a private one too."""
    live = live_of(current, serving)
    public = {live.snapshot.mirrors[i].name.lower(): i for i in shown_to_all(live.snapshot)}
    index = public.get(name.lower())
    if index is None:
        raise UnknownMirrorError(name, list(public))
    report = mirror_report(live.snapshot, index, live.states, live.cities)
    if wanted.kind == "html":
        page = html.mirror_page(report, wanted.url())
        return Answer(200, html.CONTENT_TYPE, page, (*HEADERS, *page_headers()))
    return Answer(200, JSON, msgspec.json.encode(report) + b"\n", HEADERS)


def explanation_schema() -> Answer:
    return Answer(200, "application/schema+json", msgspec.json.encode(schema()) + b"\n")


def live_of(current: Current, serving: Serving) -> Live:
    document = serving.status_document()
    return Live(serving.lists, document, current.cities, serving.published_at_s, time.time())


def facts_of(current: Current, serving: Serving | None, client: Client) -> ClientFacts:
    networks = serving.networks if serving else None
    return client_facts(client.address, client.of, Databases(current.cities, networks, current.asns))
