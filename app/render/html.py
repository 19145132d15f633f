"""Renders HTML pages, without scripts and with one style sheet (`assets`).

A page says which generation it was made from, and how old that is. The age is put in when the page is sent
(`Page.at`), so that a page that is the same for all clients is made once.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import jinja2
from markupsafe import Markup, escape

from app.explain.evidence import hours
from app.model import Branding
from app.model.words import moment
from app.render import assets, facts, mirror_history, pictures, statistics
from app.render.assets import Asset
from app.snapshot.statistics import OTHER, Statistics

CONTENT_TYPE = "text/html; charset=utf-8"
NAVIGATION = (
    ("/", "Home"),
    ("/isos", "Images"),
    ("/mirrors", "Mirrors"),
    ("/map", "Map"),
    ("/statistics", "Statistics"),
    ("/propagation", "Propagation"),
    ("/explain", "Why this list?"),
)
"""The entries of the navigation on every page: path and name."""
_MADE_FROM = "\0made from\0"
"""What stands in a page until it is sent, in the place of the words about its generation. The last such text
in a page is ours, because nothing from outside stands behind it."""


@dataclass(frozen=True)
class Frame:
    """What stands around every page: the distribution's name, logo and links, and the generation that the
    page was made from."""

    site: Branding = field(default_factory=Branding)
    #: None where the page was made from no generation, and so is the moment of its publication.
    generation: str | None = None
    published_at_s: float | None = None

    @property
    def logo(self) -> Asset | None:
        return assets.logo(self.site.logo) if self.site.logo else None

    def made_from(self, now_s: float) -> str:
        """Returns the words, as HTML, about the generation of a page that is sent at `now_s`. They change at
        most once a minute."""
        if self.generation is None or self.published_at_s is None:
            return "Nothing is published yet."
        minutes_s = max(0.0, now_s - self.published_at_s) // 60 * 60
        age = facts.age(minutes_s) if minutes_s >= 120 else f"{minutes_s / 60:.0f} min"
        published = datetime.fromtimestamp(self.published_at_s, UTC)
        time = f'<time datetime="{published:%Y-%m-%dT%H:%M:%SZ}">{moment(published)}</time>'
        return f"Generation <code>{Markup.escape(self.generation)}</code>, published {time}, {age} ago"


@dataclass(frozen=True)
class Page:
    """A page that is ready but for the age of its generation."""

    frame: Frame
    before: bytes
    after: bytes

    def with_words(self, made_from: str) -> bytes:
        """Returns the page with these words about its generation (`Frame.made_from`)."""
        return self.before + made_from.encode() + self.after

    def at(self, now_s: float) -> bytes:
        """Returns the page as it is sent at `now_s`."""
        return self.with_words(self.frame.made_from(now_s))


def statistics_page(frame: Frame, found: Statistics) -> Page:
    """Renders the page of statistics. It is the same for all clients."""
    return page(frame, "statistics.html", "/statistics", s=found)


def error_page(frame: Frame, status: str, message: str) -> Page:
    """Renders the page of an error. `status` is its number and name, such as "404 Not Found"; `message` is
    the text that other clients get."""
    sentence, _, more = message.partition("\n")
    return page(frame, "error.html", "", status=status, sentence=sentence, more=more)


def curl(url: str) -> str:
    """Returns the curl command for a URL. The command is safe to paste into a shell, whatever the URL
    contains."""
    return f"curl {shlex.quote(url)}"


def coded(text: str) -> Markup:
    """Returns a sentence as HTML. What stands in it between backticks is code."""
    code = Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup("").join(code.format(part) if place % 2 else escape(part) for place, part in parts)


def load_templates() -> None:
    """Compiles the templates of all pages, so that the first client that asks for a page need not wait for
    that."""
    for name in _environment().list_templates(extensions=["html"]):
        _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("app.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    environment.globals.update(facts=facts, hours=hours, moment=moment, assets=assets)
    environment.globals.update(NAVIGATION=NAVIGATION, MADE_FROM=_MADE_FROM)
    environment.globals.update(pictures=pictures, statistics=statistics, OTHER=OTHER)
    environment.globals.update(mirror_history=mirror_history)
    return environment


def page(frame: Frame, template: str, here: str, **values: object) -> Page:
    """Renders a template. `here` is the path of the page's entry in the navigation, or empty."""
    text = _environment().get_template(template).render(frame=frame, here=here, **values)
    before, _, after = text.rpartition(_MADE_FROM)
    return Page(frame, before.encode(), after.encode())
