"""Renders explanations and mirrors as HTML pages, without scripts and with one style sheet inside."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256

import jinja2

from app.explain.evidence import hours
from app.explain.explanation import Explanation
from app.explain.mirror_report import MirrorReport, MirrorSummary
from app.model.words import moment
from app.render import facts, pictures, statistics
from app.snapshot.statistics import OTHER, Statistics

CONTENT_TYPE = "text/html; charset=utf-8"
CARRIED_ON = (
    *("ip", "mirror", "protocol", "family", "country", "exclude_country", "region", "avoid", "fill", "limit"),
)
"""Parameters that the form on the page sends again, besides release, repo and arch."""


def explanation_page(explanation: Explanation, parameters: Mapping[str, str], url: str) -> bytes:
    """Renders the page of an explanation. `parameters` are those of the request, for the form on the page;
    `url` is the address of the same explanation, for the curl command on the page."""
    question = explanation.question
    form = {
        "release": question.asked,
        "repo": question.repo or "",
        "arch": question.arch or "",
        **{name: parameters[name] for name in CARRIED_ON if name in parameters},
    }
    return _page("explanation.html", e=explanation, form=form, curl=curl(url))


def mirrors_page(summaries: Sequence[MirrorSummary]) -> bytes:
    """Renders the page of all mirrors. It is the same for all clients, so it does not show its own URL."""
    return _page("mirrors.html", reports=summaries)


def mirror_page(report: MirrorReport, url: str) -> bytes:
    """Renders the page of one mirror. `url` is the address of the same report, for the curl command on the
    page."""
    return _page("mirror.html", report=report, curl=curl(url))


def statistics_page(found: Statistics) -> bytes:
    """Renders the page of statistics. It is the same for all clients."""
    return _page("statistics.html", s=found)


def curl(url: str) -> str:
    """Returns the curl command for a URL. The command is safe to paste into a shell, whatever the URL
    contains."""
    return f"curl {shlex.quote(url)}"


def load_templates() -> None:
    """Compiles the templates of all pages, so that the first client that asks for a page need not wait for
    that."""
    for name in _environment().list_templates(extensions=["html"]):
        _environment().get_template(name)


def style_digest() -> str:
    """Returns the hash by which a content security policy names the style sheet of the pages, as
    sha256-<base64>."""
    page = jinja2.PackageLoader("app.render").get_source(_environment(), "page.html")[0]
    style = page.partition("<style>")[2].partition("</style>")[0]
    return f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("app.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(facts=facts, hours=hours, moment=moment)
    environment.globals.update(pictures=pictures, statistics=statistics, OTHER=OTHER)
    return environment


def _page(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(values).encode()
