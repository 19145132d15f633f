"""What there is to ask a mirror for: the repos and ISO directories of the config, and which of them
a mirror is meant to carry. Vault repos and vault releases are not among them."""

from __future__ import annotations

from collections.abc import Mapping

from app.model import Mirror, Protocol, Record, ServiceConfig

REPOMD = "repodata/repomd.xml"
TIMESTAMP_FILE = "TIME"


class Target(Record, frozen=True, kw_only=True):
    """One file below a base URL. `key` is the one of the state files: "release/repo/arch" of a
    repo ("release/repo/" where the arch is not in its path), "release/arch" of an ISO directory."""

    key: str
    release: str
    path: str
    arch: str
    repo: str | None = None
    module: str | None = None


def repo_targets(config: ServiceConfig) -> tuple[Target, ...]:
    """Every repomd.xml that mirrors can carry, in the config's order."""
    targets: dict[str, Target] = {}
    for release in config.releases:
        for repo in config.repos:
            if repo.vault or (repo.releases and release not in repo.releases):
                continue
            for arch in config.arches.get(release, ()):
                if repo.arches and arch not in repo.arches:
                    continue
                shown_arch = arch if "$basearch" in repo.path else ""
                key = f"{release}/{repo.name}/{shown_arch}"
                path = f"{release}/{repo.path.replace('$basearch', arch)}{REPOMD}"
                module = config.modules.get(release)
                targets.setdefault(
                    key,
                    Target(
                        key=key, release=release, path=path, arch=shown_arch, repo=repo.name, module=module
                    ),
                )
    return tuple(targets.values())


def iso_targets(config: ServiceConfig) -> tuple[Target, ...]:
    """The CHECKSUM file of every ISO directory."""
    return tuple(
        Target(
            key=f"{release}/{arch}",
            release=release,
            path=f"{release}/isos/{arch}/CHECKSUM",
            arch=arch,
            module=config.modules.get(release),
        )
        for release in config.releases
        for arch in config.arches.get(release, ())
    )


def carries(mirror: Mirror, target: Target) -> bool:
    """Whether the mirror's file says that it carries this."""
    return (
        bool(bases(mirror, target.module))
        and (not mirror.versions or target.release in mirror.versions)
        and (target.repo is None or not mirror.repos or target.repo in mirror.repos)
        and (not target.arch or not mirror.arches or target.arch in mirror.arches)
    )


def bases(mirror: Mirror, module: str | None) -> Mapping[Protocol, str]:
    """The mirror's base URLs for ordinary releases, or for those of a module."""
    return mirror.module_addresses.get(module, {}) if module else mirror.addresses
