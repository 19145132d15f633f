"""Renders the page of an explanation, and what its form offers to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.catalogue.catalogue import newest_first, short_name
from app.explain.advice import ADVICE
from app.explain.explanation import Explanation
from app.model import ServiceConfig
from app.render import maps
from app.render.html import Frame, Page, curl, page
from app.request.mirror_filter import arches_of
from app.snapshot.loaded import LoadedSnapshot

TYPED = ("ip", "mirror")
"""Parameters of an explanation that are typed into its form; release, repo and arch are chosen there."""
CARRIED_ON = ("at", "protocol", "family", "country", "exclude_country", "region", "avoid", "fill", "limit")
"""Parameters that the form sends again, although it does not show them."""


class Choices(NamedTuple):
    """What there is to ask for: releases as value and words, repos and arches."""

    releases: list[tuple[str, str]]
    repos: list[str]
    arches: list[str]


def choices(config: ServiceConfig) -> Choices:
    """Returns what a form offers to ask for."""
    names = [(release, short_name(config, release)) for release in newest_first(config)]
    return Choices(
        releases=[(short, full if short == full else f"{short} ({full})") for full, short in names]
        + [(release, f"{release}, in the vault") for release in config.vault_releases],
        repos=list(dict.fromkeys(repo.name for repo in config.repos)),
        arches=arches_of(config),
    )


def explanation_page(
    frame: Frame,
    snapshot: LoadedSnapshot,
    explanation: Explanation,
    parameters: Mapping[str, str],
    url: str,
) -> Page:
    """Renders the page of an explanation. `parameters` are those of the request, for the form on the page;
    `url` is the address of the same explanation, for the curl command on the page."""
    return page(
        frame,
        "explanation.html",
        "/explain",
        e=explanation,
        advice=ADVICE,
        map=maps.of_answer(explanation, snapshot),
        choices=choices(snapshot.config),
        chosen_release=short_name(snapshot.config, explanation.question.release),
        typed={name: parameters.get(name, "") for name in TYPED},
        hidden={name: parameters[name] for name in CARRIED_ON if name in parameters},
        curl=curl(url),
    )
