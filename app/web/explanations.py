"""Answers that explain: why a client gets its list, what is known of the client, how the mirrors are.

They come as text, JSON or a page, whichever the client prefers. A client that takes anything, as curl
does, gets text (JSON where it asks about mirrors). They are made for people, so they are not cached, and
may take longer than a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import quote, urlencode

from app.answer.privacy import shown_to_all
from app.explain.client_facts import ClientFacts, Databases, client_facts
from app.explain.explanation import Live, UnknownMirrorError, explain, schema
from app.explain.inquiry import Inquiry
from app.explain.mirror_report import mirror_report, mirror_reports
from app.model.network import parse_network
from app.render import html, json, text
from app.render.explanation_text import client_text, explanation_text
from app.request.clients import Client
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.pages import NO_STORE, page_headers

T = TypeVar("T")
Kind = Literal["text", "json", "html"]
CONTENT_TYPES: dict[Kind, str] = {
    "text": text.CONTENT_TYPE,
    "json": json.CONTENT_TYPE,
    "html": html.CONTENT_TYPE,
}
Parameters = Mapping[str, str]

HEADERS = (NO_STORE, ("Vary", "Accept"))


@dataclass(frozen=True)
class Wanted:
    """The form in which a request wants its answer."""

    kind: Kind
    #: The request's query.
    parameters: Parameters
    path: str
    #: The service's own address as the client knows it, such as `https://mirrors.example.org`.
    base: str

    def url(self, **more: str) -> str:
        """Returns the URL of the same answer, with `more` parameters. Pages show it as a curl command."""
        query = urlencode({**self.parameters, **more})
        return f"{self.base}{quote(self.path)}" + (f"?{query}" if query else "")


def explained(current: Current, serving: Serving, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Returns the explanation why this client gets this list. Raises UnknownMirrorError."""
    live = live_of(current, serving)
    explanation = explain(live, client.of, facts_of(current, serving, client), inquiry)
    match wanted.kind:
        case "json":
            return _answer("json", json.document(explanation))
        case "html":
            # With `ip=` the explanation is the same, unless there are mirrors for the client's network.
            own = client.of.private and parse_network(client.of.network).netblocks
            url = wanted.url() if own else wanted.url(ip=client.address.ip)
            return _answer("html", html.explanation_page(explanation, wanted.parameters, url))
        case "text":
            return _answer("text", explanation_text(explanation).encode())


def whoami(current: Current, serving: Serving | None, client: Client, kind: Kind) -> Answer:
    """Returns what is known of the client, as JSON or as text; there is no page for it."""
    facts = facts_of(current, serving, client)
    if kind == "json":
        return _answer("json", json.document(facts))
    return _answer("text", client_text(facts).encode())


def mirrors(current: Current, serving: Serving, wanted: Wanted) -> Answer:
    """Returns the reports about all mirrors that are not private."""
    live = live_of(current, serving)
    reports = mirror_reports(live.snapshot, live.states, live.cities)
    return _reported(reports, html.mirrors_page, wanted)


def mirror(current: Current, serving: Serving, name: str, wanted: Wanted) -> Answer:
    """Returns the report about one mirror. Raises UnknownMirrorError, for a private mirror too."""
    live = live_of(current, serving)
    public = {live.snapshot.mirrors[i].name.lower(): i for i in shown_to_all(live.snapshot)}
    index = public.get(name.lower())
    if index is None:
        raise UnknownMirrorError(name, list(public))
    return _reported(mirror_report(live.snapshot, index, live.states, live.cities), html.mirror_page, wanted)


def _reported(report: T, page: Callable[[T, str], bytes], wanted: Wanted) -> Answer:
    if wanted.kind == "html":
        return _answer("html", page(report, wanted.url()))
    return _answer("json", json.document(report))


def _answer(kind: Kind, body: bytes) -> Answer:
    headers = (*HEADERS, *page_headers()) if kind == "html" else HEADERS
    return Answer(200, CONTENT_TYPES[kind], body, headers)


def explanation_schema() -> Answer:
    """Returns the JSON schema of explanations."""
    return Answer(200, "application/schema+json", json.document(schema()))


def live_of(current: Current, serving: Serving) -> Live:
    """Collects what explanations are made from, as it is now."""
    document = serving.status_document()
    return Live(serving.lists, document, current.cities, serving.published_at_s, time.time())


def facts_of(current: Current, serving: Serving | None, client: Client) -> ClientFacts:
    """Returns what is known of a client, as far as the databases that are there tell."""
    networks = serving.networks if serving else None
    return client_facts(client.address, client.of, Databases(current.cities, networks, current.asns))
