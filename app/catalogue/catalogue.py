"""Knows the repos and arches of a distribution's releases, and what a mirror is meant to carry. The module is
pure: it does no I/O.

Every known repo may be asked for in every known release, for every arch that the release has. The `versions`
and `arches` of a repo in the config say where the repo is *expected*: only there does the prober look for it,
and only there does it count for the status of a mirror.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from app.model import Mirror, Protocol, Record, Repo, ServiceConfig

REPOMD = "repodata/repomd.xml"
"""The path, below a repo's directory, of the file that shows which version of the repo is there."""
ISO_CHECKSUMS = ("CHECKSUM", "SHA256SUMS")
"""The names that the file with the checksums of an ISO directory may have. The first is the usual one."""
_BASEARCH = "$basearch"
_NUMBER = re.compile(r"\d{1,9}")
_RELEASEVER = "$releasever"
_USUAL_ISO_PATH = f"isos/{_BASEARCH}/"


class Directory(Record, frozen=True, kw_only=True):
    """A directory that mirrors can be asked for: a repo of a release, or the release's ISOs."""

    release: str
    #: The module (such as `kitten`) that the release belongs to; None for an ordinary release.
    module: str | None = None
    #: The name of the repo; None for ISOs.
    repo: str | None
    #: Empty where the path is the same for all arches.
    arch: str
    #: The path below a base URL, with a slash at its end.
    path: str
    #: The key in state files: "release/repo/arch" for a repo, "release/arch" for ISOs, the release for the
    #: vault.
    key: str
    #: Whether the config says that mirrors have the directory.
    expected: bool = True
    #: Whether the directory stands for all that the vault has of a release. Its path is that of one repo.
    vault: bool = False
    #: The name of the file with the checksums, in an ISO directory.
    checksums: str = ISO_CHECKSUMS[0]

    @property
    def file(self) -> str:
        """The path, below a base URL, of the file that the prober asks for."""
        return self.path + (REPOMD if self.repo or self.vault else self.checksums)


def directories(config: ServiceConfig) -> tuple[Directory, ...]:
    """Returns all directories that mirrors can be asked for, release by release, in the order of the config.
    One directory stands for all that the vault has of a release."""
    return (*_carried(config), *vault_samples(config))


def expected_directories(config: ServiceConfig) -> tuple[Directory, ...]:
    """Returns the directories that the config says that mirrors have, in the order of `directories`."""
    return tuple(_carried(config, only_expected=True))


def expected_repos(config: ServiceConfig) -> tuple[Directory, ...]:
    """Returns the directories of repos that the prober looks for."""
    return tuple(found for found in expected_directories(config) if found.repo)


def expected_isos(config: ServiceConfig) -> tuple[Directory, ...]:
    """Returns the ISO directories that the prober looks for."""
    return tuple(found for found in expected_directories(config) if not found.repo)


def _carried(config: ServiceConfig, only_expected: bool = False) -> Iterator[Directory]:
    for release in config.releases:
        for repo in repos_of(config, release):
            if not repo.vault:
                yield from _of_repo(config, repo, release, only_expected)
        yield from _isos(config, release)


def vault_samples(config: ServiceConfig) -> tuple[Directory, ...]:
    """Returns a directory for each release of which the vault has something. It stands for all of that,
    because a copy of the vault is looked at lightly: past releases do not change."""
    samples = (_vault_sample(config, release) for release in (*config.vault_releases, *config.releases))
    return tuple(sample for sample in samples if sample is not None)


def _vault_sample(config: ServiceConfig, release: str) -> Directory | None:
    in_it = [repo for repo in repos_of(config, release) if in_vault(config, release, repo)]
    expected = (repo for repo in in_it if expected_arches(config, repo, release))
    repo = next(expected, None) or next(iter(in_it), None)
    if repo is None:
        return None
    return Directory(
        release=release,
        module=product_of(config, release) or None,
        repo=None,
        arch="",
        path=path_of(config, repo, release, arches_meant(config, repo, release)[0]),
        key=release,
        expected=False,
        vault=True,
    )


def _of_repo(config: ServiceConfig, repo: Repo, release: str, only_expected: bool) -> Iterator[Directory]:
    module, expected_for = config.modules.get(release), expected_arches(config, repo, release)
    for arch in config.arches[release] if has_arch(repo) else ("",):
        expected = arch in expected_for if arch else bool(expected_for)
        if expected or not only_expected:
            own_key = question_key(release, repo.name, arch)
            yield Directory(
                release=release,
                module=module,
                repo=repo.name,
                arch=arch,
                path=path_of(config, repo, release, arch),
                key=own_key if expected else content_key(config, repo, release, arch),
                expected=expected,
            )


def _isos(config: ServiceConfig, release: str) -> Iterator[Directory]:
    if has_isos(config, release):
        for arch in config.arches[release]:
            yield Directory(
                release=release,
                module=config.modules.get(release),
                repo=None,
                arch=arch,
                path=iso_path(config, release, arch),
                key=iso_key(release, arch),
            )


# --- products --------------------------------------------------------------------------------------


def product_of(config: ServiceConfig, release: str) -> str:
    """Returns the product of a release, or of a short name for one; empty where the config has no
    products."""
    return config.products.get(config.aliases.get(release, release), "")


def version_of(config: ServiceConfig, release: str) -> str:
    """Returns a release, or a short name for one, as its product calls it: "9" for "epel-9". That is what
    stands in paths."""
    product = product_of(config, release)
    return release.removeprefix(f"{product}-") if product else release


def is_ordinary(config: ServiceConfig, release: str) -> bool:
    """Returns whether a release belongs to no optional module."""
    return config.modules.get(release, "") == product_of(config, release)


def repos_of(config: ServiceConfig, release: str) -> tuple[Repo, ...]:
    """Returns the repos of a release's product."""
    product = product_of(config, release)
    return tuple(repo for repo in config.repos if repo.product == product)


def repo_of(config: ServiceConfig, release: str, name: str) -> Repo:
    """Returns the repo with this name in a release."""
    return next(repo for repo in repos_of(config, release) if repo.name == name)


def origin_of(config: ServiceConfig, release: str) -> str | None:
    """Returns the base URL of the origin of a release; None if the release has no origin."""
    module = config.modules.get(release)
    return config.module_origins.get(module) if module else config.origin


def vault_of(config: ServiceConfig, release: str) -> str | None:
    """Returns the base URL of the vault of a release's product; None if there is none."""
    product = product_of(config, release)
    return config.product_vaults.get(product) if product else config.vault_url


# --- paths and keys --------------------------------------------------------------------------------


def has_arch(repo: Repo) -> bool:
    """Returns whether the path of a repo depends on the arch."""
    return _BASEARCH in repo.path


def below_release(repo: Repo) -> bool:
    """Returns whether a repo is below the directory of its release, with nothing above that."""
    return _RELEASEVER not in repo.path or repo.path.startswith(f"{_RELEASEVER}/")


def has_isos(config: ServiceConfig, release: str) -> bool:
    """Returns whether there are directories of ISOs of a release."""
    return bool(_iso_path(config, release))


def path_of(config: ServiceConfig, repo: Repo, release: str, arch: str) -> str:
    """Returns the path of a repo below a base URL, for a release or a short name of one. With an empty
    `arch`, `$basearch` stays in the path."""
    return _path(config, repo.path, release, arch)


def iso_path(config: ServiceConfig, release: str, arch: str) -> str:
    """Returns the path of an arch's ISO directory below a base URL, as `path_of` does."""
    return _path(config, _iso_path(config, release), release, arch)


def _iso_path(config: ServiceConfig, release: str) -> str:
    return config.iso_paths.get(product_of(config, release), _USUAL_ISO_PATH)


def _path(config: ServiceConfig, path: str, release: str, arch: str) -> str:
    if _RELEASEVER not in path:
        path = f"{_RELEASEVER}/{path}"
    path = path.replace(_RELEASEVER, version_of(config, release))
    return path.replace(_BASEARCH, arch) if arch else path


def question_key(release: str, repo: str | None, arch: str) -> str:
    """Returns the key of a question, "release/repo/arch", or "release//arch" for ISOs. The arch is empty
    where none was named or none matters."""
    return f"{release}/{repo or ''}/{arch}"


def parse_question_key(key: str) -> tuple[str, str | None, str]:
    """Parses a key that `question_key` wrote. Returns release, repo (None for ISOs) and arch."""
    release, repo, arch = key.split("/")
    return release, repo or None, arch


def vault_key(release: str) -> str:
    """Returns the key of all questions about what the vault has of a release. They are decided alike."""
    return question_key(release, None, "")


def iso_key(release: str, arch: str) -> str:
    """Returns the key of the ISOs of a release and an arch in `MirrorState.isos`."""
    return f"{release}/{arch}"


def content_key(config: ServiceConfig, repo: Repo, release: str, arch: str) -> str:
    """Returns the key of a repo in `MirrorState.content` and in state/repos.json. If the repo is not expected
    in this release for this arch, but another repo with the same path is, the key is that of the other
    repo."""
    known_as = repo
    if not is_expected(config, repo, release, arch):
        place = (repo.product, repo.path, repo.vault)
        twins = (other for other in config.repos if (other.product, other.path, other.vault) == place)
        known_as = next((twin for twin in twins if is_expected(config, twin, release, arch)), repo)
    return question_key(release, known_as.name, arch if has_arch(repo) else "")


# --- releases ---------------------------------------------------------------------------------------


def newest_first(config: ServiceConfig) -> tuple[str, ...]:
    """Returns the releases that mirrors carry, the newest first; those of modules come after the others."""
    modules = list(dict.fromkeys(config.modules.values()))

    def order(release: str) -> tuple[int, list[int]]:
        module = config.modules.get(release)
        numbers = [-int(number) for number in _NUMBER.findall(release)]
        return 0 if module is None else 1 + modules.index(module), numbers

    return tuple(sorted(config.releases, key=order))


def short_name(config: ServiceConfig, release: str) -> str:
    """Returns the shortest name of a release: its alias, as `$releasever` has it, or else its full name."""
    return min((alias for alias, full in config.aliases.items() if full == release), key=len, default=release)


# --- where a repo is expected ----------------------------------------------------------------------


def expected_arches(config: ServiceConfig, repo: Repo, release: str) -> tuple[str, ...]:
    """Returns the arches for which a repo is expected in a release or vault release, in the order of the
    config. Releases of modules and of the vault are expected to have what ordinary releases of the same major
    version have."""
    if repo.releases and release not in repo.releases and not _has_major_version(config, repo, release):
        return ()
    return tuple(arch for arch in config.arches.get(release, ()) if not repo.arches or arch in repo.arches)


def is_expected(config: ServiceConfig, repo: Repo, release: str, arch: str) -> bool:
    """Returns whether a repo is expected in a release for an arch. For a repo whose path is the same for all
    arches, returns whether it is expected for any."""
    arches = expected_arches(config, repo, release)
    return arch in arches if has_arch(repo) else bool(arches)


def arches_meant(config: ServiceConfig, repo: Repo, release: str) -> tuple[str, ...]:
    """Returns the arches that a question without an arch is about: those for which the repo is expected, or
    all arches of the release if the repo is expected for none."""
    return expected_arches(config, repo, release) or config.arches.get(release, ())


def in_vault(config: ServiceConfig, release: str, repo: Repo | None = None) -> bool:
    """Returns whether only the vault has a release or, if a repo is given, that repo of the release."""
    return release in config.vault_releases or (repo is not None and repo.vault)


def _has_major_version(config: ServiceConfig, repo: Repo, release: str) -> bool:
    if is_ordinary(config, release) and release not in config.vault_releases:
        return False
    major = major_version(version_of(config, release))
    ordinary = (version_of(config, named) for named in repo.releases if is_ordinary(config, named))
    return any(major_version(version) == major for version in ordinary)


def major_version(version: str) -> str:
    """Returns the major version of a version: "10" for "10.2", "10-kitten" and "10-stream"."""
    return version.partition(".")[0].partition("-")[0]


# --- what a mirror is declared to carry ------------------------------------------------------------


def bases(mirror: Mirror, module: str | None) -> Mapping[Protocol, str]:
    """Returns the base URLs of a mirror by protocol, for the releases of a module or, with None, for ordinary
    releases. The result is empty if the mirror has none."""
    return mirror.module_addresses.get(module, {}) if module else mirror.addresses


def bases_of(mirror: Mirror, directory: Directory) -> Mapping[Protocol, str]:
    """Returns the base URLs at which a mirror would have a directory, by protocol."""
    if directory.vault:
        return mirror.vault_addresses.get(directory.module or "", {})
    return bases(mirror, directory.module)


def own_module(mirror: Mirror) -> str | None:
    """Returns the first module of a mirror that has base URLs for nothing but modules, as where the config
    has products; the prober asks such a mirror at that module's URLs. Returns None for a mirror with ordinary
    releases."""
    return None if mirror.addresses else next(iter(mirror.module_addresses), None)


def tells(mirror: Mirror, directory: Directory) -> bool:
    """Returns whether a directory tells if a mirror that carries it is any good. Where a mirror has base URLs
    for nothing but modules, each of them does."""
    return directory.module is None or not mirror.addresses


def carries(mirror: Mirror, directory: Directory) -> bool:
    """Returns whether a mirror carries a directory, according to the mirror's file."""
    if directory.vault:
        return bool(bases_of(mirror, directory))
    return (
        bool(bases_of(mirror, directory))
        and (not mirror.versions or directory.release in mirror.versions)
        and (not directory.repo or not mirror.repos or directory.repo in mirror.repos)
        and (not directory.arch or not mirror.arches or directory.arch in mirror.arches)
    )


def needs_probe(mirror: Mirror) -> bool:
    """Returns whether the prober has to find out that a mirror is good. Private mirrors cannot be asked from
    outside, and mirrors with `probe: false` always count as good."""
    return mirror.probe and not mirror.private


def is_asked(mirror: Mirror) -> bool:
    """Returns whether the prober asks a mirror in its rounds."""
    return needs_probe(mirror) and not mirror.disabled
