"""Reads the parameters of a request for an explanation, to find out what is to be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.model import ServiceConfig
from app.request.question import Question

Parameters = Mapping[str, str]

_OPTIONAL = ("arch", "protocol", "family", "limit")


@dataclass(frozen=True)
class Inquiry:
    """The request for an explanation: the question to explain, and how much of its explanation is wanted."""

    question: Question
    #: The names of the parameters that the request left out.
    defaulted: tuple[str, ...] = ()
    #: The one mirror to explain, in more detail; None for all mirrors.
    mirror: str | None = None
    #: Whether private mirrors of all networks are explained too.
    private: bool = False


def inquiry_of(
    question: Question, parameters: Parameters, named: Parameters, private: bool = False
) -> Inquiry:
    """Makes the inquiry about a question. `parameters` are those of the request, and `named` are the same
    after `with_defaults` has put in what was missing."""
    put_in = [name for name in ("release", "repo") if name in named and not parameters.get(name)]
    left_out = [name for name in _OPTIONAL if not parameters.get(name)]
    return Inquiry(question, (*put_in, *left_out), parameters.get("mirror") or None, private)


def with_defaults(config: ServiceConfig, parameters: Parameters) -> dict[str, str]:
    """Returns the parameters with defaults for a missing release and repo: the last release in config.yml
    that belongs to no module, and the first repo. A request with `path` gets no defaults, because the path
    names both."""
    if "path" in parameters:
        return dict(parameters)
    plain = [release for release in config.releases if release not in config.modules] or config.releases
    found = {name: value for name, value in parameters.items() if value or name not in ("release", "repo")}
    if "repo" not in found:
        found["repo"] = config.repos[0].name
    if "release" not in found and not _names_release(config, found["repo"].strip("/").lower()):
        found["release"] = plain[-1]
    return found


def _names_release(config: ServiceConfig, repo: str) -> bool:
    """Returns whether a repo's name includes a release: `<repo>-<release>`, or a name in `repo_names:`."""
    special = {name.lower() for name, meaning in config.repo_names.items() if meaning.release}
    releases = (*config.releases, *config.aliases, *config.vault_releases)
    return repo in special or repo.endswith(tuple(f"-{release.lower()}" for release in releases))
