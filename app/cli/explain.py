"""Runs `mirrorwise explain`, which explains what the service would answer to an address now, or what it
answered in the past."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import click
import msgspec

from app.explain.client_facts import Databases, client_facts
from app.explain.explanation import Explanation, Live, explain
from app.explain.inquiry import inquiry_of, with_defaults
from app.model import MirrorwiseError
from app.past.archive import Archive
from app.render.explanation_text import explanation_text
from app.request.clients import somebody
from app.serving.current import Current
from app.serving.generation import Serving
from app.serving.past import PastGenerations
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


class _View(NamedTuple):
    """What an explanation is made from, with the databases that tell of clients."""

    serving: Serving
    live: Live
    databases: Databases


def explain_address(
    settings: Settings, ip: str, parameters: Mapping[str, str], private: bool, at_s: float | None = None
) -> Explanation:
    """Explains the list that a client with this address would get, with parameters as in a URL, or got at a
    moment of the past (`at_s`, in epoch seconds). With `private`, the client counts as inside the address's
    networks, and all private mirrors are shown. Raises MirrorwiseError."""
    logging.getLogger("mirrorwise").addHandler(logging.NullHandler())  # what is wrong is in the message
    serving, live, databases = _now(settings) if at_s is None else _past(settings, at_s)
    client = somebody(ip, serving.places, serving.networks)
    of = msgspec.structs.replace(client.of, private=private)
    named = with_defaults(serving.parser, parameters)
    inquiry = inquiry_of(serving.parser.parse_list(named), parameters, named, private)
    facts = client_facts(client.address._replace(source="the command line"), of, databases)
    return explain(live, of, facts, inquiry)


def _now(settings: Settings) -> _View:
    current = Current(settings, open_store(settings, for_web=True), None)
    current.refresh()
    serving = current.serving
    if serving is None:
        faults = "; ".join(f"{subject}: {fault}" for subject, fault in sorted(current.faults.current.items()))
        raise NothingPublishedError(f"There is nothing to explain: {faults}")
    databases = Databases(serving.places, serving.networks, current.cities, current.asns)
    document = serving.status_document
    live = Live(serving.lists, document, current.cities, serving.published_at_s, time.time())
    return _View(serving, live, databases)


def _past(settings: Settings, at_s: float) -> _View:
    serving, _, words = PastGenerations(Archive.of(settings.var_dir)).at(at_s)
    live = Live(serving.lists, serving.status_document, None, serving.published_at_s, at_s, words)
    return _View(serving, live, Databases(serving.places, serving.networks, None, None))


def show(explanation: Explanation, as_json: bool) -> None:
    """Prints an explanation. click leaves the colours out if stdout is no terminal."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation)))
    else:
        click.echo(explanation_text(explanation, _paint), nl=False)


def _paint(text: str, role: str) -> str:
    return click.style(text, **_STYLES[role])  # type: ignore[arg-type]  # by keyword, each of its type
