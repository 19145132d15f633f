"""Explanations and mirrors as plain pages: no script, one style sheet inside, everything escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache

import jinja2

from app.evidence import hours, moment
from app.explanation import Explanation
from app.mirror_report import MirrorReport
from app.render import facts

CONTENT_TYPE = "text/html; charset=utf-8"


def explanation_page(explanation: Explanation, parameters: Mapping[str, str], url: str) -> bytes:
    """`parameters` fill the form; `url` is where the same explanation is."""
    return _page("explanation.html", e=explanation, values=parameters, curl=curl(url))


def mirrors_page(reports: Sequence[MirrorReport], url: str) -> bytes:
    return _page("mirrors.html", reports=reports, curl=curl(url))


def mirror_page(report: MirrorReport, url: str) -> bytes:
    return _page("mirror.html", report=report, curl=curl(url))


def curl(url: str) -> str:
    """The command that asks for a URL; safe to paste into a shell whatever is in it."""
    return f"curl {shlex.quote(url)}"


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
