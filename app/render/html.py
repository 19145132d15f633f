"""Renders HTML pages, without scripts and with one style sheet (`assets`).

A page says which generation it was made from, and how old that is. The age is put in when the page is sent
(`Page.at`), so that a page that is the same for all clients is made once.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import groupby

import jinja2
from markupsafe import Markup

from app.explain.evidence import hours
from app.explain.explanation import Explanation
from app.explain.mirror_report import MirrorReport, MirrorSummary
from app.model import ServiceConfig, Site
from app.model.words import moment
from app.render import assets, facts, images, pictures, statistics
from app.render.assets import Asset
from app.render.images import ImageFacts, ImageSet, OwnImageSet
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.statistics import OTHER, Statistics

CONTENT_TYPE = "text/html; charset=utf-8"
NAVIGATION = (
    ("/", "Home"),
    ("/isos", "Images"),
    ("/mirrors", "Mirrors"),
    ("/map", "Map"),
    ("/statistics", "Statistics"),
    ("/explain", "Why this list?"),
)
"""The entries of the navigation on every page: path and name."""
CARRIED_ON = ("ip", "mirror", "protocol", "family", "country", "exclude_country", "region", "limit")
"""Parameters that the form on the page sends again, besides release, repo and arch."""

_MADE_FROM = "\0made from\0"
"""What stands in a page until it is sent, for the words about its generation. No text from outside that is
rendered after it can hold this, because it is the last of a page."""


@dataclass(frozen=True)
class Frame:
    """What stands around every page: the distribution's name, logo and links, and the generation that the
    page was made from."""

    site: Site = field(default_factory=Site)
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
        age = facts.age(minutes_s) if minutes_s >= 120 else "less than 2 min"
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


def explanation_page(frame: Frame, explanation: Explanation, parameters: Mapping[str, str], url: str) -> Page:
    """Renders the page of an explanation. `parameters` are those of the request, for the form on the page;
    `url` is the address of the same explanation, for the curl command on the page."""
    question = explanation.question
    form = {
        "release": question.asked,
        "repo": question.repo or "",
        "arch": question.arch or "",
        **{name: parameters[name] for name in CARRIED_ON if name in parameters},
    }
    return page(frame, "explanation.html", "/explain", e=explanation, form=form, curl=curl(url))


def mirrors_page(frame: Frame, summaries: Sequence[MirrorSummary]) -> Page:
    """Renders the page of all mirrors. It is the same for all clients, so it does not show its own URL."""
    return page(frame, "mirrors.html", "/mirrors", reports=summaries)


def mirror_page(frame: Frame, report: MirrorReport, url: str) -> Page:
    """Renders the page of one mirror. `url` is the address of the same report, for the curl command on the
    page."""
    return page(frame, "mirror.html", "/mirrors", report=report, curl=curl(url))


def statistics_page(frame: Frame, found: Statistics) -> Page:
    """Renders the page of statistics. It is the same for all clients."""
    return page(frame, "statistics.html", "/statistics", s=found)


def images_page(frame: Frame, config: ServiceConfig, sets: Sequence[ImageSet]) -> Page:
    """Renders the page of the images of all releases. It is the same for all clients."""
    by_release = [(release, list(of)) for release, of in groupby(sets, key=lambda one: one.release)]
    return page(
        frame, "images.html", "/isos", releases=by_release, modules=config.modules, vault=config.vault_url
    )


def image_page(frame: Frame, snapshot: LoadedSnapshot, found: OwnImageSet, base: str) -> Page:
    """Renders the page of the images of one release and arch. `base` is the service's own address as the
    client knows it."""
    mirrors = [
        (one, snapshot.mirrors[snapshot.number[one.mirror]] if one.mirror else None) for one in found.mirrors
    ]
    return page(
        frame,
        "image.html",
        "/isos",
        isos=found.isos,
        arches=snapshot.config.arches[found.isos.release],
        mirrors=mirrors,
        commands=_download_and_check(found.isos.images[0], base) if found.isos.images else "",
        purposes=images.PURPOSES,
    )


def _download_and_check(image: ImageFacts, base: str) -> str:
    """Returns the commands that download an image and compare it with its checksum. They are safe to paste
    into a shell."""
    digest, program = (image.sha256, "sha256sum") if image.sha256 else (image.sha512, "sha512sum")
    line = shlex.quote(f"{digest}  {image.name}")
    return f"curl -LO {shlex.quote(base + image.download)}\necho {line} | {program} --check"


def curl(url: str) -> str:
    """Returns the curl command for a URL. The command is safe to paste into a shell, whatever the URL
    contains."""
    return f"curl {shlex.quote(url)}"


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
    environment.globals.update(facts=facts, hours=hours, moment=moment, assets=assets)
    environment.globals.update(NAVIGATION=NAVIGATION, MADE_FROM=_MADE_FROM)
    environment.globals.update(pictures=pictures, statistics=statistics, OTHER=OTHER)
    return environment


def page(frame: Frame, template: str, here: str, **values: object) -> Page:
    """Renders a template. `here` is the path of the page's entry in the navigation, or empty."""
    text = _environment().get_template(template).render(frame=frame, here=here, **values)
    before, _, after = text.rpartition(_MADE_FROM)
    return Page(frame, before.encode(), after.encode())
