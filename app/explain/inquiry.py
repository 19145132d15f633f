"""Reads the parameters of a request for an explanation, to find out what is to be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.catalogue.catalogue import is_ordinary, product_of
from app.request.question import Parser, Question

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


def with_defaults(parser: Parser, parameters: Parameters) -> dict[str, str]:
    """Returns the parameters with defaults for a missing release and repo: the first repo, and the last
    release in config.yml that has the repo and belongs to no optional module. Of several products, the first
    one with the repo counts. A request with `path` gets no defaults, because the path names both."""
    if "path" in parameters:
        return dict(parameters)
    config = parser.config
    found = {name: value for name, value in parameters.items() if value or name not in ("release", "repo")}
    if "repo" not in found:
        found["repo"] = config.repos[0].name
    repo = found["repo"].strip("/")
    if "release" not in found and not parser.names.names_release(repo):
        releases = parser.names.releases_with(repo) or config.releases
        releases = [release for release in releases if is_ordinary(config, release)] or releases
        product = product_of(config, releases[0])
        found["release"] = [release for release in releases if product_of(config, release) == product][-1]
    return found
