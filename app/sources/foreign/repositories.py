"""Makes products, repos and their names of MirrorManager's repositories.

MirrorManager knows each repository by a name that clients ask for ("updates-released-f41"), an arch, and a
directory ("pub/fedora/linux/updates/41/Everything/x86_64"). Each category, with a topmost directory of its
own, becomes a product. Repositories of a product whose directories differ in release and arch alone become
one repo, and their names become patterns.

An archive becomes the vault of the products whose directories it has.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from app.catalogue.catalogue import major_version
from app.sources.foreign.yaml_values import Yaml

RELEASEVER, BASEARCH = "$releasever", "$basearch"
_NAMED_RELEASES = ("rawhide", "eln")
_NOT_IN_NAMES = {"pub", "linux", "mirror", "mirrors"}
_ARCHIVE = "archive"
_NO_ARCHES = ("source", "src", "srpms", "noarch")


class Repository(NamedTuple):
    """A repository of MirrorManager."""

    #: The name and the arch that clients ask for.
    prefix: str
    arch: str
    #: The path of its directory below the topmost one or, in an archive, below the archived one.
    below: str


class NamesElsewhere(NamedTuple):
    """The names that MirrorManager treats in another way."""

    #: The name of a repository by each name that stands for it.
    redirects: Mapping[str, str]
    #: The names that are answered with an error.
    disabled: Set[str]


class PlacedRepository(NamedTuple):
    """A repository with its release, and with its path as a template."""

    repository: Repository
    release: str
    #: How the name spells the release: in full ("9.4") or short ("9"); None if the name has no release.
    spelled: str | None
    path: str

    @property
    def pattern(self) -> str:
        """The name, with `$releasever` where it has the release."""
        prefix = self.repository.prefix
        return prefix if self.spelled is None else _spelling(self.spelled).sub(RELEASEVER, prefix, count=1)


class Home(NamedTuple):
    """The product that a directory belongs to."""

    #: The topmost directory of the product.
    top: str
    #: For a directory of an archive, the path from the archive's own top to that of the product; empty for
    #: others.
    archive_path: str = ""


def home_of(directory: str, top: str, tops: Collection[str]) -> Home:
    """Returns the product that a directory below `top` belongs to. An archive repeats the paths of products:
    pub/archive/fedora/linux/ has past releases of pub/fedora/linux/."""
    below = directory.removeprefix(f"{top}/")
    for other in sorted(tops) if _ARCHIVE in top else ():
        segments = other.split("/")
        for start in range(1, len(segments)):
            path = "/".join(segments[start:]) + "/"
            if _ARCHIVE not in other and below.startswith(path):
                return Home(other, path)
    return Home(top)


def product_names(tops: Iterable[str]) -> dict[str, str]:
    """Returns a name for each product, by its topmost directory: "fedora" for "pub/fedora/linux"."""
    names: dict[str, str] = {}
    for top in sorted(tops):
        words = [word for word in top.split("/") if word.lower() not in _NOT_IN_NAMES] or ["main"]
        short, full = (re.sub(r"[^A-Za-z0-9._+-]", "-", word) for word in (words[0], "-".join(words)))
        names[top] = short if short not in names.values() else full
    return names


# --- where a repository is ---------------------------------------------------------------------------


def placed(repository: Repository) -> PlacedRepository | None:
    """Finds the release of a repository in its directory and its name, and makes a template of its path.
    Returns None if there is no release in the directory."""
    segments = [segment for segment in repository.below.split("/") if segment]
    numbered = [segment for segment in segments if segment[:1].isdigit()]
    for release in (*numbered, *(word for word in _NAMED_RELEASES if word in segments)):
        for spelled in (release, major_version(release)):
            if _spelling(spelled).search(repository.prefix):
                return PlacedRepository(
                    repository, release, spelled, _template(segments, release, repository)
                )
    if not numbered:
        return None
    return PlacedRepository(repository, numbered[0], None, _template(segments, numbered[0], repository))


def _template(segments: list[str], release: str, repository: Repository) -> str:
    """Returns a path with `$releasever` and `$basearch` in the places of the release and the arch."""
    arch = None if repository.arch.lower() in _NO_ARCHES else repository.arch
    template, is_found = [], False
    for segment in segments:
        if segment == release and not is_found:
            template.append(RELEASEVER)
            is_found = True
        else:
            template.append(BASEARCH if segment == arch else segment)
    if template[:1] == [RELEASEVER]:
        del template[0]
    return "/".join([*template, ""])


def _spelling(release: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![0-9.]){re.escape(release)}(?![0-9.]*[0-9])")


# --- the keys of a product ---------------------------------------------------------------------------


def product_keys(
    present: Sequence[PlacedRepository], past: Sequence[PlacedRepository], elsewhere: NamesElsewhere
) -> dict[str, Yaml]:
    """Returns the keys of a product in config.yml. `past` are the repositories in its vault."""
    everything = [*present, *past]
    releases = _ordered({found.release for found in present})
    past_releases = [r for r in _ordered({found.release for found in past}) if r not in releases]
    aliases: dict[str, Yaml] = {}
    for found in sorted(present, key=lambda found: _number(found.release)):
        if found.spelled is not None and found.spelled not in (*releases, *past_releases):
            aliases[found.spelled] = found.release
    names = _names_of(everything)
    keys: dict[str, Yaml] = {
        "versions": [*aliases, *releases],
        "duplicated_versions": aliases,
        "vault_versions": [*past_releases],
        "arches": _arches(everything),
        "isos": False,
        "repos": [_repo(name, path, present) for path, name in names.items()],
        "repo_names": _repo_names(everything, names, elsewhere),
    }
    return {key: value for key, value in keys.items() if value not in ({}, [])}


def _names_of(repositories: Sequence[PlacedRepository]) -> dict[str, str]:
    """Returns a name for each path: the one that most of the repositories there have, without the release.
    Paths with many repositories come first."""
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for found in repositories:
        words[found.path][_without_release(found.pattern)] += 1
    names: dict[str, str] = {}
    for path in sorted(words, key=lambda path: (-words[path].total(), path)):
        name = min(words[path], key=lambda word: (-words[path][word], -len(word), word))
        choices = (name, f"{name}-{path.split('/')[0]}", *(f"{name}-{number}" for number in range(2, 1000)))
        names[path] = next(one for one in choices if one not in names.values() and "$" not in one)
    return names


def _without_release(pattern: str) -> str:
    """Returns a name without its release: "updates-released" for "updates-released-f$releasever"."""
    word = pattern.replace(f"-f{RELEASEVER}", "-").replace(RELEASEVER, "")
    return re.sub(r"-{2,}", "-", word).strip("-") or "main"


def _repo(name: str, path: str, present: Sequence[PlacedRepository]) -> Yaml:
    """Returns a repo, with the releases and arches where mirrors are expected to have it."""
    here = [found for found in present if found.path == path]
    keys: dict[str, Yaml] = {"name": name, "path": path}
    if not here:
        return {**keys, "vault": True}
    keys["versions"] = [*_ordered({found.release for found in here})]
    if BASEARCH in path:
        keys["arches"] = [*sorted({found.repository.arch for found in here})]
    return keys


def _arches(repositories: Sequence[PlacedRepository]) -> Yaml:
    """Returns the arches by release. A release of sources alone has the arches of all."""
    arches: dict[str, set[str]] = {found.release: set() for found in repositories}
    for found in repositories:
        if found.repository.arch.lower() not in _NO_ARCHES:
            arches[found.release].add(found.repository.arch)
    every = set().union(*arches.values()) or {"x86_64"}
    return {release: [*sorted(arches[release] or every)] for release in _ordered(set(arches))}


def _repo_names(
    repositories: Sequence[PlacedRepository], names: Mapping[str, str], elsewhere: NamesElsewhere
) -> Yaml:
    """Returns `repo_names`: a pattern for the names that spell the release in the same way, and an entry
    for each other name. Names of the form <repo>-<release> need neither."""
    by_pattern: dict[str, Counter[str]] = defaultdict(Counter)
    for found in repositories:
        if found.spelled is not None and found.pattern != RELEASEVER:
            by_pattern[found.pattern][names[found.path]] += 1
    patterns = {pattern: repos.most_common(1)[0][0] for pattern, repos in by_pattern.items()}
    meanings: dict[str, dict[str, Yaml]] = {
        found.repository.prefix: {"repo": names[found.path], "release": found.release}
        for found in repositories
    }
    exact: dict[str, Yaml] = {
        found.repository.prefix: meanings[found.repository.prefix]
        for found in repositories
        if patterns.get(found.pattern) != names[found.path]
    }
    for name, other in elsewhere.redirects.items():
        if other in meanings:
            exact[name] = meanings[other]
    for name in sorted(meanings.keys() & elsewhere.disabled):
        exact[name] = {**meanings[name], "disabled": True}
    needed = {pattern: repo for pattern, repo in patterns.items() if pattern != f"{repo}-{RELEASEVER}"}
    return {**exact, **needed}


def _ordered(releases: set[str]) -> list[str]:
    """Returns releases, the newest first."""
    return sorted(releases, key=_number, reverse=True)


def _number(release: str) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d{1,9}", release)], release
