"""Writes the file that points dnf, yum or zypper to this service, for people to copy."""

from __future__ import annotations

import re

from app.catalogue.catalogue import expected_arches, has_arch, in_vault, repos_of, short_name
from app.model import ServiceConfig


def repo_file(config: ServiceConfig, release: str, base: str) -> str:
    """Returns the content of a .repo file with the repos that mirrors are expected to have of a release; the
    first one is switched on. `base` is the service's URL."""
    name = short_name(config, release)
    sections: list[str] = []
    for repo in repos_of(config, release):
        if in_vault(config, release, repo) or not expected_arches(config, repo, release):
            continue
        arch = "?arch=$basearch" if has_arch(repo) else ""
        sections.append(
            f"[{repo.name}]\n"
            f"name={config.site.title} {name} - {repo.name}\n"
            f"mirrorlist={base}/mirrorlist/{name}/{repo.name}{arch}\n"
            f"enabled={0 if sections else 1}\n"
            "gpgcheck=1\n"
        )
    return "\n".join(sections)


def file_name(config: ServiceConfig, release: str) -> str:
    """Returns a name for the file of a release."""
    words = re.findall(r"[a-z0-9]+", config.site.title.lower()) or ["mirrors"]
    return "-".join([*words, short_name(config, release)]) + ".repo"
