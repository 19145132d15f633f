"""Runs `mirrorwise explain`, which explains what the service would answer to an address now."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import click
import msgspec

from app.explain.client_facts import Databases, client_facts
from app.explain.explanation import Explanation, Live, explain
from app.explain.inquiry import inquiry_of, with_defaults
from app.model import MirrorwiseError
from app.render.explanation_text import explanation_text
from app.request.clients import somebody
from app.serving.current import Current
from app.settings import Settings
from app.store import open_store

_STYLES: Mapping[str, Mapping[str, bool | str]] = {
    "heading": {"bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}


class NothingPublishedError(MirrorwiseError):
    """The error that there is nothing to explain, because no snapshot can be read."""


def explain_address(settings: Settings, ip: str, parameters: Mapping[str, str], private: bool) -> Explanation:
    """Explains the list that a client with this address would get, with parameters as in a URL. With
    `private`, the client counts as inside the address's networks, and all private mirrors are shown. Raises
    MirrorwiseError."""
    logging.getLogger("mirrorwise").addHandler(logging.NullHandler())  # what is wrong is in the message
    current = Current(settings, open_store(settings, for_web=True), None)
    current.refresh()
    serving = current.serving
    if serving is None:
        faults = "; ".join(f"{subject}: {fault}" for subject, fault in sorted(current.faults.current.items()))
        raise NothingPublishedError(f"There is nothing to explain: {faults}")
    client = somebody(ip, serving.places, serving.networks)
    of = msgspec.structs.replace(client.of, private=private)
    named = with_defaults(serving.parser, parameters)
    inquiry = inquiry_of(serving.parser.parse_list(named), parameters, named, private)
    facts = client_facts(
        client.address._replace(source="the command line"),
        of,
        Databases(serving.places, serving.networks, current.cities, current.asns),
    )
    document = serving.status_document
    live = Live(serving.lists, document, current.cities, serving.published_at_s, time.time())
    return explain(live, of, facts, inquiry)


def show(explanation: Explanation, as_json: bool) -> None:
    """Prints an explanation. click leaves the colours out if stdout is no terminal."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation)))
    else:
        click.echo(explanation_text(explanation, _paint), nl=False)


def _paint(text: str, role: str) -> str:
    return click.style(text, **_STYLES[role])  # type: ignore[arg-type]  # by keyword, each of its type
