"""Parses what a request asks for: every URL form becomes the same typed question. All of this is pure.

`parse_list` understands the three mirrorlist forms that are in use:
- AlmaLinux's  /mirrorlist/<release>/<repo>?arch=
- MirrorManager's  /mirrorlist?repo=<repo>-<release>&arch=  and  ?path=<release>/<path of the repo>
- CentOS's  /?release=&repo=&arch=&infra=&cc=

Names are matched without regard to case, and slashes at either end are ignored, because some clients
send them. A repo's name is first looked for in the config's `repo_names:`, whatever the form. Unknown
parameters are ignored: a repo file that is in use must never break. If a parameter is given twice, the
first value counts.

Every known repo may be asked for in every known release and for each arch of the release, also where
mirrors are not expected to have it. If a repo's path is the same for all arches, any arch is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from app.catalogue.catalogue import has_arch, in_vault, is_expected, iso_path, path_of, question_key
from app.model import Record, Repo, ServiceConfig
from app.model.countries import country_code
from app.model.words import escaped
from app.request.parameters import (
    BadValueError,
    Filters,
    Format,
    IgnoredValues,
    ParameterReader,
    QuestionError,
    UnknownNameError,
    flag,
    list_format,
)


class Question(Record, frozen=True, kw_only=True):
    """What a client asks for, with names resolved and values checked. It is the same whatever URL form asked
    it."""

    #: Whether only the vault has what is asked for.
    vault: bool
    #: The release as the request named it: its full name or an alias.
    asked: str
    #: The full name of the release.
    release: str
    #: The name of the repo; None for ISO directories.
    repo: str | None
    #: The arch; empty if the request named none or none matters.
    arch: str
    #: The path of the repo below base URL and release.
    path: str
    filters: Filters
    limit: int
    format: Format = "text"
    redirect: bool = False
    #: What of the request's values is ignored, as `IgnoredValues` writes it.
    ignored: str = ""

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


_Directories = dict[tuple[str, ...], tuple[Repo | None, str]]
"""The repo and arch that each directory of a release belongs to, by the segments of its path in lower case.
The repo is None for ISOs, and the arch is "" in a directory for all arches."""

NAMING = frozenset({"release", "repo", "path", "cc"})
"""The parameters that name what is asked for. They count only where the path does not name it."""
DECIDING = NAMING | {
    *("arch", "avoid", "country", "exclude_country", "family", "fill", "format", "limit", "protocol"),
    *("redirect", "region"),
}
"""All parameters that a question is made of. nginx makes the keys of its cache from the same parameters."""

ARCHES_ELSEWHERE = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "x86-64": "x86_64",
    "arm64": "aarch64",
    "ppc64el": "ppc64le",
}
"""The arches of RPM by the names that other systems have for them."""

MAX_DEPTH = 20
"""A repo's directory is looked for in this many segments of a path, from the first on."""


class Parser:
    """Parses requests into questions, with the releases, repos and arches of a service config."""

    def __init__(self, config: ServiceConfig, reader: ParameterReader) -> None:
        self.config = config
        self._reader = reader
        self._releases = {name.lower(): name for name in (*config.releases, *config.vault_releases)}
        self._releases |= {alias.lower(): full for alias, full in config.aliases.items()}
        self._repos = {repo.name.lower(): repo for repo in config.repos}
        self._repo_names = {name.lower(): meaning for name, meaning in config.repo_names.items()}
        self._longest_repo = max(map(len, (*self._repos, *self._repo_names)), default=0)
        self._directories: dict[str, _Directories] = {}  # by release, made when first asked for

    # --- the forms ---------------------------------------------------------------------------------

    def parse_list(self, parameters: Mapping[str, str], release: str = "", repo: str = "") -> Question:
        """Parses the question for a mirrorlist or metalink in any form. `release` and `repo` are those in the
        path of AlmaLinux's form, and empty in other forms. Raises QuestionError for a bad value, an unknown
        name or a disabled name."""
        if release or repo:
            return self._repo_question(release, repo, parameters)
        if "path" in parameters and "repo" not in parameters:
            return self._path_question(parameters)
        asked = parameters.get("repo", "").strip("/")
        if not asked:
            raise BadValueError("repo", "", "name a repo: /mirrorlist/<release>/<repo>?arch=<arch>")
        if "release" in parameters:
            return self._repo_question(parameters["release"], asked, self._with_cc(parameters))
        return self._named_question(asked, parameters)

    def parse_isos(self, parameters: Mapping[str, str], release: str, arch: str) -> Question:
        """Parses the question for the ISO directories of a release and arch. Raises QuestionError."""
        full = self._release(release)
        return self._iso_question(release, full, arch, parameters)

    def at_path(self, path: Sequence[str], parameters: Mapping[str, str]) -> tuple[Question, int]:
        """Finds the innermost known directory that is or contains a path, which is given as its segments
        below a mirror's base URL. Returns the question for this directory, and how many segments its path
        has. Raises QuestionError."""
        release, *below = path
        full = self._release(release)
        directories = self._directories_of(full)
        lowered = tuple(segment.lower() for segment in below)
        for length in range(min(len(below), MAX_DEPTH), 0, -1):
            found = directories.get(lowered[:length])
            if found is not None:
                repo, arch = found
                if repo is None:
                    return self._iso_question(release, full, arch, parameters), length + 1
                if arch:
                    parameters = {**parameters, "arch": arch}
                return self._question_of(repo, release, full, parameters), length + 1
        known = dict.fromkeys(f"{full}/{repo.path}" for repo in self.config.repos)
        raise UnknownNameError("repo at the path", "/".join(path), [*known, f"{full}/isos/$basearch/"])

    def has_directories_in(self, path: Sequence[str]) -> bool:
        """Returns whether a known directory lies directly in this path, which is given as for `at_path`.
        Raises QuestionError if there is no such release."""
        release, *below = path
        inside = tuple(segment.lower() for segment in below)
        return any(known[:-1] == inside for known in self._directories_of(self._release(release)))

    def _directories_of(self, full: str) -> _Directories:
        """Returns the directories of a release by their segments in lower case. If several repos have the
        same path, the one that is expected in the release counts."""
        directories = self._directories.get(full)
        if directories is None:
            arches = self._arches(full)
            directories = {_segments(iso_path(arch)): (None, arch) for arch in arches}
            named = [
                (is_expected(self.config, repo, full, arch), repo, arch)
                for repo in self.config.repos
                for arch in (arches if has_arch(repo) else ("",))
            ]
            for _, repo, arch in sorted(named, key=itemgetter(0), reverse=True):
                directories.setdefault(_segments(path_of(repo, arch)), (repo, arch))
            self._directories[full] = directories
        return directories

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
        special = self._repo_names.get(asked.lower())
        if special is not None and (special.release or special.disabled):
            return self._repo_question("", asked, parameters)
        cuts = [i for i, letter in enumerate(asked[: self._longest_repo + 1]) if letter == "-"]
        for cut in cuts:
            if self._is_name(asked[:cut]) and asked[cut + 1 :].lower() in self._releases:
                return self._repo_question(asked[cut + 1 :], asked[:cut], parameters)
        for cut in cuts:
            if asked[cut + 1 :].lower() in self._releases:
                self._repo(asked[:cut])
        if self._is_name(asked):
            raise BadValueError("repo", asked, f"name the release as well: {asked}-<release>")
        repo, _, release = asked.partition("-")
        if self._is_name(repo):
            self._release(release)
        known = [f"{name}-<release>" for name in self._repos] + list(self.config.repo_names)
        raise UnknownNameError("repo", asked, known)

    def _path_question(self, parameters: Mapping[str, str]) -> Question:
        """Parses MirrorManager's `path=`, which names the directory of a repo or one inside it. Segments
        before the release are ignored: on mirrors of that service, they are the distribution's own
        directory."""
        path = [segment for segment in parameters["path"].split("/") if segment]
        if not path:
            raise BadValueError("path", parameters["path"], "name a repo's directory: <release>/<path>")
        start = next((i for i, segment in enumerate(path) if segment.lower() in self._releases), 0)
        return self.at_path(path[start:], parameters)[0]

    def _repo_question(self, release: str, name: str, parameters: Mapping[str, str]) -> Question:
        release, name = release.strip("/"), name.strip("/")
        meaning = self._repo_names.get(name.lower())
        if meaning is not None:
            if meaning.disabled:
                raise QuestionError(f"The repo '{escaped(name)}' is disabled.")
            release, name = meaning.release or release, meaning.repo or name
        full = self._release(release)
        return self._question_of(self._repo(name), release, full, parameters)

    def _question_of(self, repo: Repo, asked: str, full: str, parameters: Mapping[str, str]) -> Question:
        arch = parameters.get("arch", "").strip("/") if has_arch(repo) else ""
        arch = "" if arch.lower() in ("", "$basearch") else self._arch(arch, full)
        vault = in_vault(self.config, full, repo)
        return self._question(_Asked(asked, full, repo.name, arch, path_of(repo, arch), vault), parameters)

    def _iso_question(self, asked: str, full: str, arch: str, parameters: Mapping[str, str]) -> Question:
        name = self._arch(arch, full)
        vault = in_vault(self.config, full)
        return self._question(_Asked(asked, full, None, name, iso_path(name), vault), parameters)

    def _question(self, what: _Asked, parameters: Mapping[str, str]) -> Question:
        ignored, format_ = IgnoredValues(), list_format(parameters)
        filters = self._reader.filters(parameters, format_, ignored)
        limit = self._reader.limit(parameters, format_, ignored)
        return Question(
            vault=what.vault,
            asked=what.asked,
            release=what.release,
            repo=what.repo,
            arch=what.arch,
            path=what.path,
            filters=filters,
            limit=limit,
            format=format_,
            redirect=flag(parameters, "redirect"),
            ignored=str(ignored),
        )

    # --- names ---------------------------------------------------------------------------------------

    def _release(self, name: str) -> str:
        full = self._releases.get(name.strip("/").lower())
        if full is None:
            raise UnknownNameError("release", name, [*self.config.aliases, *self.config.releases])
        return full

    def _is_name(self, name: str) -> bool:
        return name.lower() in self._repos or name.lower() in self._repo_names

    def _repo(self, name: str) -> Repo:
        repo = self._repos.get(name.strip("/").lower())
        if repo is None:
            raise UnknownNameError("repo", name, [repo.name for repo in self.config.repos])
        return repo

    def _arches(self, full: str) -> tuple[str, ...]:
        return self.config.arches.get(full, ())

    def _arch(self, name: str, full: str) -> str:
        lowered = name.lower()
        for wanted in (lowered, ARCHES_ELSEWHERE.get(lowered)):
            for arch in self._arches(full):
                if arch.lower() == wanted:
                    return arch
        raise UnknownNameError("arch", name, self._arches(full), f" in release {full}")


def _segments(path: str) -> tuple[str, ...]:
    """Returns the segments of a path, in lower case."""
    return tuple(path.strip("/").lower().split("/"))
