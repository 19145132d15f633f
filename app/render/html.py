"""Explanations and mirrors as plain pages: no script, one style sheet inside, everything escaped."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256

import jinja2

from app.explain.evidence import hours, moment
from app.explain.explanation import Explanation
from app.explain.mirror_report import MirrorReport
from app.render import facts

CONTENT_TYPE = "text/html; charset=utf-8"
CARRIED_ON = ("ip", "mirror", "protocol", "family", "country", "exclude_country", "region", "limit")
"""Parameters that the form asks with again, besides what the question names."""


def explanation_page(explanation: Explanation, parameters: Mapping[str, str], url: str) -> bytes:
    """`parameters`: the request's, for the form; `url` is where the same explanation is."""
    question = explanation.question
    form = {
        "release": question.asked,
        "repo": question.repo or "",
        "arch": question.arch or "",
        **{name: parameters[name] for name in CARRIED_ON if name in parameters},
    }
    return _page("explanation.html", e=explanation, form=form, curl=curl(url))


def mirrors_page(reports: Sequence[MirrorReport], url: str) -> bytes:
    return _page("mirrors.html", reports=reports, curl=curl(url))


def mirror_page(report: MirrorReport, url: str) -> bytes:
    return _page("mirror.html", report=report, curl=curl(url))


def curl(url: str) -> str:
    """The command that asks for a URL; safe to paste into a shell whatever is in it."""
    return f"curl {shlex.quote(url)}"


def style_digest() -> str:
    """The pages' style sheet, as a content security policy names it: sha256-..."""
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
    return environment


def _page(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(values).encode()
