"""What is to be explained, out of a request's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.model import ServiceConfig
from app.request.question import Question

Parameters = Mapping[str, str]

_OPTIONAL = ("arch", "protocol", "family", "limit")


@dataclass(frozen=True)
class Inquiry:
    """A question, and how much of its explanation is wanted."""

    question: Question
    #: Names of parameters that the request left out.
    defaulted: tuple[str, ...] = ()
    #: Only this mirror, and more about it.
    mirror: str | None = None
    #: Private mirrors of all networks, too.
    private: bool = False


def inquiry_of(
    question: Question, parameters: Parameters, named: Parameters, private: bool = False
) -> Inquiry:
    """`parameters` of the request; `named`: the same, with what `with_defaults` puts in."""
    put_in = [name for name in ("release", "repo") if name in named and not parameters.get(name)]
    left_out = [name for name in _OPTIONAL if not parameters.get(name)]
    return Inquiry(question, (*put_in, *left_out), parameters.get("mirror") or None, private)


def with_defaults(config: ServiceConfig, parameters: Parameters) -> dict[str, str]:
    """A mirrorlist's parameters with a release and a repo, where they name none: the last release in
    config.yml that is no module's, and the first repo."""
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
    """Whether a repo is named as MirrorManager does, `<repo>-<release>` or by a name for such a one."""
    special = {name.lower() for name, meaning in config.repo_names.items() if meaning.release}
    releases = (*config.releases, *config.aliases, *config.vault_releases)
    return repo in special or repo.endswith(tuple(f"-{release.lower()}" for release in releases))
