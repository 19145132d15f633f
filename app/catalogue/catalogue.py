"""What a distribution publishes: the repos and arches of its releases, and who is meant to carry them.

Every known repo may be asked for in every known release, for every arch that the release has. What
the config says of a repo's `versions` and `arches` is where the repo is *expected*: there the prober
looks for it, and there it counts. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.model import Mirror, Protocol, Record, Repo, ServiceConfig

REPOMD = "repodata/repomd.xml"
"""The file below a repo's directory that proves the repo."""
_ISO_CHECKSUMS = "CHECKSUM"
_BASEARCH = "$basearch"


class Directory(Record, frozen=True, kw_only=True):
    """A directory that mirrors can be asked for: a repo of a release, or the release's ISOs."""

    release: str
    #: The optional module that the release belongs to.
    module: str | None = None
    #: The name of the repo; None for ISOs.
    repo: str | None
    #: Empty where the path is the same for all arches.
    arch: str
    #: Below a base URL, with a slash at its end.
    path: str
    #: Names it in the state files: "release/repo/arch" for a repo, "release/arch" for ISOs.
    key: str
    #: Whether the config says that mirrors have it.
    expected: bool = True

    @property
    def file(self) -> str:
        """The file by which the prober knows the directory, below a base URL."""
        return self.path + (REPOMD if self.repo else _ISO_CHECKSUMS)


def directories(config: ServiceConfig) -> tuple[Directory, ...]:
    """All that mirrors can be asked for, by release, in the config's order. What only the vault has
    is not among it."""
    found: list[Directory] = []
    for release in config.releases:
        for repo in config.repos:
            if not repo.vault:
                found += _of_repo(config, repo, release)
        found += _isos(config, release)
    return tuple(found)


def expected_repos(config: ServiceConfig) -> tuple[Directory, ...]:
    """The repos that the prober looks for."""
    return tuple(found for found in directories(config) if found.repo and found.expected)


def expected_isos(config: ServiceConfig) -> tuple[Directory, ...]:
    """The ISO directories that the prober looks for."""
    return tuple(found for found in directories(config) if not found.repo)


def _of_repo(config: ServiceConfig, repo: Repo, release: str) -> list[Directory]:
    module, expected_for = config.modules.get(release), expected_arches(config, repo, release)
    found = []
    for arch in config.arches[release] if has_arch(repo) else ("",):
        expected = arch in expected_for if arch else bool(expected_for)
        own_key = question_key(release, repo.name, arch)
        found.append(
            Directory(
                release=release,
                module=module,
                repo=repo.name,
                arch=arch,
                path=f"{release}/{path_of(repo, arch)}",
                key=own_key if expected else content_key(config, repo, release, arch),
                expected=expected,
            )
        )
    return found


def _isos(config: ServiceConfig, release: str) -> list[Directory]:
    module = config.modules.get(release)
    return [
        Directory(
            release=release,
            module=module,
            repo=None,
            arch=arch,
            path=f"{release}/{iso_path(arch)}",
            key=iso_key(release, arch),
        )
        for arch in config.arches[release]
    ]


# --- paths and keys --------------------------------------------------------------------------------


def has_arch(repo: Repo) -> bool:
    """Whether the arch makes a difference to a repo's path."""
    return _BASEARCH in repo.path


def path_of(repo: Repo, arch: str) -> str:
    """A repo's path below the release; without an arch, `$basearch` stays in it."""
    return repo.path.replace(_BASEARCH, arch) if arch else repo.path


def iso_path(arch: str) -> str:
    """The path of an arch's ISO directory below the release."""
    return f"isos/{arch}/"


def question_key(release: str, repo: str | None, arch: str) -> str:
    """The key of a question, "release/repo/arch". No repo: ISOs ("release//arch"). The arch is empty
    where none was named or none matters."""
    return f"{release}/{repo or ''}/{arch}"


def parse_question_key(key: str) -> tuple[str, str | None, str]:
    """Release, repo and arch of a key that `question_key` wrote."""
    release, repo, arch = key.split("/")
    return release, repo or None, arch


def iso_key(release: str, arch: str) -> str:
    """The key of a release's ISOs in `MirrorState.isos`."""
    return f"{release}/{arch}"


def content_key(config: ServiceConfig, repo: Repo, release: str, arch: str) -> str:
    """The key of a repo in `MirrorState.content` and in state/repos.json. A repo that is not expected
    there is known by the name of one that is, if both have the same path."""
    known_as = repo
    if not is_expected(config, repo, release, arch):
        twins = (other for other in config.repos if (other.path, other.vault) == (repo.path, repo.vault))
        known_as = next((twin for twin in twins if is_expected(config, twin, release, arch)), repo)
    return question_key(release, known_as.name, arch if has_arch(repo) else "")


# --- where a repo is expected ----------------------------------------------------------------------


def expected_arches(config: ServiceConfig, repo: Repo, release: str) -> tuple[str, ...]:
    """The arches for which a repo is expected in a release (or vault release), in the config's order.
    A release of a module and one of the vault are expected to have what their major version has."""
    if repo.releases and release not in repo.releases and not _has_major_version(config, repo, release):
        return ()
    return tuple(arch for arch in config.arches.get(release, ()) if not repo.arches or arch in repo.arches)


def is_expected(config: ServiceConfig, repo: Repo, release: str, arch: str) -> bool:
    """Whether a repo is expected in a release for an arch, or for any if the arch does not matter."""
    arches = expected_arches(config, repo, release)
    return arch in arches if has_arch(repo) else bool(arches)


def arches_meant(config: ServiceConfig, repo: Repo, release: str) -> tuple[str, ...]:
    """The arches that a question without an arch is about: those expected, all if none is."""
    return expected_arches(config, repo, release) or config.arches.get(release, ())


def in_vault(config: ServiceConfig, release: str, repo: Repo | None = None) -> bool:
    """Whether the vault alone has a release, or a repo of it."""
    return release in config.vault_releases or (repo is not None and repo.vault)


def _has_major_version(config: ServiceConfig, repo: Repo, release: str) -> bool:
    if release not in config.modules and release not in config.vault_releases:
        return False
    ordinary = (named for named in repo.releases if named not in config.modules)
    return any(major_version(named) == major_version(release) for named in ordinary)


def major_version(release: str) -> str:
    """ "10" of "10.2", of "10-kitten" and of "10-stream"."""
    return release.partition(".")[0].partition("-")[0]


# --- what a mirror is declared to carry ------------------------------------------------------------


def bases(mirror: Mirror, module: str | None) -> Mapping[Protocol, str]:
    """A mirror's base URLs for ordinary releases, or for those of a module."""
    return mirror.module_addresses.get(module, {}) if module else mirror.addresses


def own_module(mirror: Mirror) -> str | None:
    """The module whose addresses stand for the mirror's own. None for a mirror with ordinary releases."""
    return None if mirror.addresses else next(iter(mirror.module_addresses), None)


def carries(mirror: Mirror, directory: Directory) -> bool:
    """Whether a mirror's file says that the mirror carries this."""
    return (
        bool(bases(mirror, directory.module))
        and (not mirror.versions or directory.release in mirror.versions)
        and (not directory.repo or not mirror.repos or directory.repo in mirror.repos)
        and (not directory.arch or not mirror.arches or directory.arch in mirror.arches)
    )


def needs_probe(mirror: Mirror) -> bool:
    """Whether the prober has to say that a mirror is good. A private one cannot be asked from outside,
    and one with `probe: false` is always taken as good."""
    return mirror.probe and not mirror.private
