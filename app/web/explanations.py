"""Makes the answers that explain: why a client gets its list, and what is known of the client.

These answers come as text, JSON or a page, whichever the client prefers. A client that takes anything, as
curl does, gets text. The answers are made for people and about one client, so they are not cached, and may
take longer than a list.
"""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import urlencode

from app.explain.client_facts import ClientFacts, Databases, client_facts
from app.explain.explanation import Explanation, Live, explain, schema
from app.explain.inquiry import Inquiry
from app.model.network import parse_network
from app.render import json
from app.render.explanation_page import explanation_page
from app.render.explanation_text import client_text, explanation_text
from app.render.map_page import client_map_page
from app.request.clients import Client
from app.serving.current import Current
from app.serving.generation import Serving
from app.serving.past import PastServing
from app.web.answers import Answer
from app.web.documents import Kind, Wanted, own_document, own_page
from app.web.pages import frame_of


def explained(current: Current, serving: Serving, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Returns the answer that explains why this client gets this list. Raises UnknownMirrorError if the
    inquiry names a mirror that does not exist."""
    explanation = explain(live_of(current, serving), client.of, facts_of(current, serving, client), inquiry)
    return _explanation(serving, client, explanation, wanted)


def explained_past(past: PastServing, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Returns the answer that explains why this client got this list at a moment of the past. Raises
    UnknownMirrorError if no mirror had the name that the inquiry has."""
    serving, at_s, words = past
    # The vendors' databases are those of now, so that no city is named.
    facts = client_facts(client.address, client.of, Databases(serving.places, serving.networks, None, None))
    live = Live(serving.lists, serving.status_document, None, serving.published_at_s, at_s, words)
    return _explanation(serving, client, explain(live, client.of, facts, inquiry), wanted)


def _explanation(serving: Serving, client: Client, explanation: Explanation, wanted: Wanted) -> Answer:
    match wanted.kind:
        case "json":
            return own_document("json", json.document(explanation))
        case "html":
            # With `ip=` the explanation is the same, unless there are mirrors for the client's network.
            own = client.of.private and parse_network(client.of.network).netblocks
            url = wanted.url() if own else wanted.url(ip=client.address.ip)
            page = explanation_page(frame_of(serving), serving.snapshot, explanation, wanted.parameters, url)
            return own_page(page)
        case "text":
            return own_document("text", explanation_text(explanation).encode())


def mapped(current: Current, serving: Serving, client: Client, inquiry: Inquiry, wanted: Wanted) -> Answer:
    """Returns the page that shows on a map which list a client gets."""
    explanation = explain(
        live_of(current, serving),
        client.of,
        facts_of(current, serving, client),
        replace(inquiry, mirror=None),
    )
    query = urlencode(wanted.parameters)
    return own_page(client_map_page(frame_of(serving), explanation, serving.snapshot, query))


def whoami(current: Current, serving: Serving | None, client: Client, kind: Kind) -> Answer:
    """Returns what is known of the client, as JSON or as text; there is no page for it."""
    facts = facts_of(current, serving, client)
    if kind == "json":
        return own_document("json", json.document(facts))
    return own_document("text", client_text(facts).encode())


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
