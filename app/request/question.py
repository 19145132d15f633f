"""Parses what a request asks for: every URL form becomes the same typed question. All of this is pure.

`parse_list` understands the three mirrorlist forms that are in use:
- AlmaLinux's  /mirrorlist/<release>/<repo>?arch=
- MirrorManager's  /mirrorlist?repo=<repo>-<release>&arch=  and  ?path=<path of the repo>
- CentOS's  /?release=&repo=&arch=&infra=&cc=

Names are matched without regard to case, and slashes at either end are ignored, because some clients
send them. A repo's name is first looked for in the config's `repo_names:`, whatever the form. Where the
config has products, a version alone stands for the release of the first product that has it and the repo
that is asked for. Unknown parameters are ignored: a repo file that is in use must never break. If a
parameter is given twice, the first value counts. A variable that a client sends as it stands in its repo file
(`$rltype`) counts as empty.

Every known repo may be asked for in every known release and for each arch of the release, also where
mirrors are not expected to have it. If a repo's path is the same for all arches, any arch is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.catalogue.catalogue import (
    below_release,
    has_arch,
    has_isos,
    in_vault,
    iso_path,
    path_of,
    product_of,
    question_key,
    repos_of,
)
from app.model import Record, Repo, ServiceConfig
from app.model.countries import country_code
from app.request.directories import MAX_DEPTH, Directories, KnownDirectory
from app.request.names import NamedRepo, Names
from app.request.parameters import (
    BadValueError,
    Filters,
    Format,
    ParameterReader,
    UnknownNameError,
    flag,
    list_format,
)


class Question(Record, frozen=True, kw_only=True):
    """What a client asks for, with names resolved and values checked. It is the same whatever URL form asked
    it."""

    #: Whether only the vault has what is asked for.
    vault: bool
    #: The version of the release as the request named it: in full or by an alias.
    asked: str
    #: The full name of the release.
    release: str
    #: The name of the repo; None for ISO directories.
    repo: str | None
    #: The arch; empty if the request named none or none matters.
    arch: str
    #: The path of the repo or of the ISO directory below a base URL.
    path: str
    filters: Filters
    limit: int
    format: Format = "text"
    redirect: bool = False

    @property
    def key(self) -> str:
        """The key of this question in the snapshot (`Snapshot.questions`)."""
        return question_key(self.release, self.repo, self.arch)


class _Asked(NamedTuple):
    """The part of a question that names what is wanted. Its fields are the same as in `Question`."""

    asked: str
    release: str
    repo: str | None
    arch: str
    path: str
    vault: bool


NAMING = frozenset({"release", "repo", "path", "cc"})
"""The parameters that name what is asked for. They count only where the path does not name it."""
DECIDING = NAMING | {
    *("arch", "country", "exclude_country", "family", "format", "limit", "protocol", "redirect", "region"),
}
"""All parameters that a question is made of. nginx makes the keys of its cache from the same parameters."""


_VARIABLE = re.compile(r"\$(?:[A-Za-z0-9_]+|\{[^{}]*\})")


class Parser:
    """Parses requests into questions, with the releases, repos and arches of a service config."""

    def __init__(self, config: ServiceConfig, reader: ParameterReader) -> None:
        self.config = config
        self._reader = reader
        self.names = Names(config)
        self._directories = Directories(config)

    # --- the forms ---------------------------------------------------------------------------------

    def parse_list(self, parameters: Mapping[str, str], release: str = "", repo: str = "") -> Question:
        """Parses the question for a mirrorlist or metalink in any form. `release` and `repo` are those in the
        path of AlmaLinux's form, and empty in other forms. Raises QuestionError for a bad value, an unknown
        name or a disabled name."""
        if release or repo:
            return self._repo_question(_expanded(release), _expanded(repo), parameters)
        if "path" in parameters and "repo" not in parameters:
            return self._path_question(parameters)
        asked = _name(parameters, "repo").strip("/")
        if not asked:
            raise BadValueError("repo", "", "name a repo: /mirrorlist/<release>/<repo>?arch=<arch>")
        if "release" in parameters:
            return self._repo_question(_name(parameters, "release"), asked, self._with_cc(parameters))
        return self._named_question(asked, parameters)

    def parse_isos(self, parameters: Mapping[str, str], release: str, arch: str) -> Question:
        """Parses the question for the ISO directories of a release and arch. Raises QuestionError."""
        release, config = _expanded(release), self.config
        full = next((full for full in self.names.releases(release) if has_isos(config, full)), None)
        if full is None:
            known = [full for full in config.releases if has_isos(config, full)]
            raise UnknownNameError("release with ISOs", release, known)
        return self._iso_question(release, full, _expanded(arch), parameters)

    def at_path(self, path: Sequence[str], parameters: Mapping[str, str]) -> tuple[Question, int]:
        """Finds the innermost known directory that is or contains a path, which is given as its segments
        below a mirror's base URL or, where the config has products, as the product's name and the segments
        below the product's base URL. Returns the question for this directory, and how many segments its path
        has. Raises QuestionError."""
        product, start = self._product_at(path)
        found = self._directories.find(product, path[start:])
        if found is None:
            raise self._unknown_path(product, path)
        known, length = found
        return self._known_question(known, parameters), start + length

    def has_directories_in(self, path: Sequence[str]) -> bool:
        """Returns whether a known directory lies directly in this path, which is given as for `at_path`.
        Raises QuestionError if there is no such product."""
        product, start = self._product_at(path)
        return self._directories.are_in(product, path[start:])

    def _product_at(self, path: Sequence[str]) -> tuple[str, int]:
        """Returns the product that the first segment of a path names, and the number of the segment behind
        it. Where the config has no products, that is the first segment."""
        if not self.config.product_paths:
            return "", 0
        product = self.names.product(path[0])
        if product is None:
            raise UnknownNameError("product", path[0], self.config.product_paths)
        return product, 1

    def _unknown_path(self, product: str, path: Sequence[str]) -> UnknownNameError:
        """Returns the error for a path in which there is no known directory. If it names a release, the
        error shows the paths of this release. If paths begin with the release, and this one does not, the
        error is about that."""
        config, names = self.config, self.names
        if not product and not names.is_release(path[0]) and all(below_release(r) for r in config.repos):
            return names.unknown_release(path[0])
        named = (names.releases(segment) for segment in path if names.is_release(segment))
        releases = (full for fulls in (*named, config.releases) for full in fulls)
        full = next(full for full in releases if product_of(config, full) == product)
        paths = [path_of(config, repo, full, "") for repo in repos_of(config, full)]
        if has_isos(config, full):
            paths.append(iso_path(config, full, ""))
        before = f"{product}/" if product else ""
        known = [before + one for one in dict.fromkeys(paths)]
        return UnknownNameError("repo at the path", "/".join(path), known)

    @staticmethod
    def _with_cc(parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the parameters with CentOS's `cc` as `country`. Clients of CentOS never got an error for
        `cc`, so an unknown country counts as none."""
        code = country_code(parameters.get("cc", ""))
        if "country" in parameters or code is None:
            return parameters
        return {**parameters, "country": code}

    def _named_question(self, asked: str, parameters: Mapping[str, str]) -> Question:
        """Parses MirrorManager's `repo=`, which is a name of the config's `repo_names:`, or
        `<repo>-<release>`. Both parts may contain hyphens, so the first hyphen with a known name on both
        sides counts."""
        names = self.names
        meanings = names.special.meanings(asked)
        if any(meaning.release or (meaning.disabled and not meaning.product) for meaning in meanings):
            return self._repo_question("", asked, parameters)
        cuts = [i for i, letter in enumerate(asked[: names.longest_repo + 1]) if letter == "-"]
        cuts = [cut for cut in cuts if names.is_release(asked[cut + 1 :])]
        for cut in cuts:
            found = names.repo(asked[cut + 1 :], asked[:cut])
            if found is not None:
                return self._found_question(found, parameters)
        repos = list(dict.fromkeys(repo.name for repo in self.config.repos))
        if cuts:
            raise UnknownNameError("repo", asked[: cuts[0]], repos)
        if names.is_repo(asked):
            raise BadValueError("repo", asked, f"name the release as well: {asked}-<release>")
        repo, _, release = asked.partition("-")
        if names.is_repo(repo):
            raise names.unknown_release(release)
        known = [f"{name}-<release>" for name in repos]
        raise UnknownNameError("repo", asked, [*known, *names.special.shown])

    def _path_question(self, parameters: Mapping[str, str]) -> Question:
        """Parses MirrorManager's `path=`, which names the directory of a repo or one inside it. Segments
        before it are ignored: on mirrors of that service, they are the distribution's own directory. If one
        of them is a product's name, the path is meant to be in that product."""
        path = [segment for segment in _name(parameters, "path").split("/") if segment]
        if not path:
            raise BadValueError("path", parameters["path"], "name a repo's directory, as below a mirror")
        named = ((i, product) for i, segment in enumerate(path) if (product := self.names.product(segment)))
        start, product = next(named, (-1, None))
        for i in range(start + 1, min(len(path), start + 1 + MAX_DEPTH)):
            for one in self.names.products if product is None else (product,):
                found = self._directories.find(one, path[i:])
                if found is not None:
                    return self._known_question(found[0], parameters)
        known = (i for i, segment in enumerate(path) if self.names.is_release(segment))
        raise self._unknown_path(product or self.names.products[0], path[next(known, 0) :])

    def _known_question(self, known: KnownDirectory, parameters: Mapping[str, str]) -> Question:
        if known.repo is None:
            return self._iso_question(known.version, known.release, known.arch, parameters)
        if known.arch:
            parameters = {**parameters, "arch": known.arch}
        return self._question_of(known.repo, known.version, known.release, parameters)

    def _repo_question(self, release: str, name: str, parameters: Mapping[str, str]) -> Question:
        release, name = release.strip("/"), name.strip("/")
        found = self.names.repo(release, name)
        if found is None:
            full = self.names.releases(release)[0]
            raise UnknownNameError("repo", name, [repo.name for repo in repos_of(self.config, full)])
        return self._found_question(found, parameters)

    def _found_question(self, found: NamedRepo, parameters: Mapping[str, str]) -> Question:
        return self._question_of(found.repo, found.version, found.release, parameters)

    def _question_of(self, repo: Repo, asked: str, full: str, parameters: Mapping[str, str]) -> Question:
        arch = _name(parameters, "arch").strip("/") if has_arch(repo) else ""
        arch = self._arch(arch, full) if arch else ""
        path, vault = path_of(self.config, repo, full, arch), in_vault(self.config, full, repo)
        return self._question(_Asked(asked, full, repo.name, arch, path, vault), parameters)

    def _iso_question(self, asked: str, full: str, arch: str, parameters: Mapping[str, str]) -> Question:
        name = self._arch(arch, full)
        path, vault = iso_path(self.config, full, name), in_vault(self.config, full)
        return self._question(_Asked(asked, full, None, name, path, vault), parameters)

    def _question(self, what: _Asked, parameters: Mapping[str, str]) -> Question:
        return Question(
            vault=what.vault,
            asked=what.asked,
            release=what.release,
            repo=what.repo,
            arch=what.arch,
            path=what.path,
            filters=self._reader.filters(parameters),
            limit=self._reader.limit(parameters),
            format=list_format(parameters),
            redirect=flag(parameters, "redirect"),
        )

    def _arches(self, full: str) -> tuple[str, ...]:
        return self.config.arches.get(full, ())

    def _arch(self, name: str, full: str) -> str:
        lowered = name.lower()
        for arch in self._arches(full):
            if arch.lower() == lowered:
                return arch
        raise UnknownNameError("arch", name, self._arches(full), f" in release {full}")


def _name(parameters: Mapping[str, str], parameter: str) -> str:
    """Returns the name that a parameter has; empty if the parameter is not given."""
    return _expanded(parameters.get(parameter, ""))


def _expanded(value: str) -> str:
    """Returns a value without the variables that the client left in it."""
    return _VARIABLE.sub("", value) if "$" in value else value
