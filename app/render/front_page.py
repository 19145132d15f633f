"""Renders the front page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from app.catalogue.catalogue import expected_isos, newest_first, short_name
from app.explain.client_facts import ClientFacts
from app.explain.front import NearMirror, NetworkNumbers
from app.model import Pass, ServiceConfig
from app.model.countries import english_name
from app.render.explanation_page import choices
from app.render.facts import CONTINENTS
from app.render.html import Frame, Page, page
from app.render.repo_files import file_name, repo_file

PASS_WORDS: Mapping[Pass, str] = {
    Pass.EXCLUSIVE: "your network's own",
    Pass.NETBLOCK: "serves your network",
    Pass.REGION: "for your cloud region",
    Pass.ASN: "in your provider's network",
}
"""What the passes mean to the client, but for geography."""


@dataclass(frozen=True)
class FrontPage:
    """What stands on the front page, beside what follows from the config."""

    #: The service's URL as the client wrote it.
    base: str
    config: ServiceConfig
    numbers: NetworkNumbers
    #: The network on a small map.
    map: Markup
    client: ClientFacts
    near: Sequence[NearMirror]
    #: How many requests were counted in the last four weeks.
    requests: int


def front_page(frame: Frame, found: FrontPage | None) -> Page:
    """Renders the front page; None stands for a service that has nothing to serve yet."""
    if found is None:
        return page(frame, "front.html", "/", f=None)
    config = found.config
    images: dict[str, list[str]] = {release: [] for release in newest_first(config)}
    for directory in expected_isos(config):
        images[directory.release].append(directory.arch)
    return page(
        frame,
        "front.html",
        "/",
        f=found,
        images={release: arches for release, arches in images.items() if arches},
        files=[
            (short_name(config, release), file_name(config, release), text)
            for release in images
            if (text := repo_file(config, release, found.base))
        ],
        choices=choices(config),
        whereabouts=whereabouts(found.client),
        near=[(mirror.mirror, near_words(found.client, mirror)) for mirror in found.near],
    )


def whereabouts(client: ClientFacts) -> str:
    """Returns a sentence for the client itself that says where it seems to be."""
    country = english_name(client.country) if client.country else ""
    where = ", ".join(dict.fromkeys(filter(None, (client.city, country))))
    if not where:
        where = CONTINENTS.get(client.continent or "", "")
    region = " ".join(filter(None, (client.cloud.provider, client.cloud.region))) if client.cloud else ""
    cloud = f", in the cloud region {region}" if region else ""
    if not where and not cloud:
        return "Where you are is not known here, so all mirrors count as equally near. These come first:"
    return f"You seem to be in {where or 'no known country'}{cloud}. Your system is sent to these first:"


def near_words(client: ClientFacts, mirror: NearMirror) -> str:
    """Returns where a near mirror is, how far from the client, and which pass took it, unless that is
    geography."""
    where = ", ".join(filter(None, (mirror.city, mirror.country)))
    known = client.precision == "cell" and mirror.distance_km is not None
    far = f"{mirror.distance_km:,.0f} km" if known else ""
    return ", ".join(filter(None, (where, far, PASS_WORDS.get(mirror.pass_, ""))))
