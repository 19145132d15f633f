"""What is asked: every URL form becomes the same typed question. One parser, pure.

`parse_list` understands the three mirrorlist forms in the field:
- AlmaLinux's  /mirrorlist/<release>/<repo>?arch=
- MirrorManager's  /mirrorlist?repo=<repo>-<release>&arch=  and  ?path=<release>/<path of the repo>
- CentOS's  /?release=&repo=&arch=&infra=&cc=

Names are matched without regard to case, and slashes at either end are ignored, as clients in the
field write them. Parameters that are not known are ignored: a repo file in the field must never
break. A parameter given twice counts once, the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.model import Record, Repo, RepoName, ServiceConfig
from app.parameters import (
    BadValueError,
    Filters,
    Format,
    ParameterReader,
    QuestionError,
    UnknownNameError,
    flag,
    list_format,
    printable,
)
from app.snapshot.eligibility import repo_arches

ISOS = ""
"""The repo name of the question for ISO directories."""


class Question(Record, frozen=True, kw_only=True):
    """`release` is the full name of the one that was `asked` for by this name or an alias; `repo`
    is `ISOS` for ISO directories; `arch` is "" when none was named. `path` is below the base URL
    and the release. `vault`: the vault alone has it."""

    vault: bool
    asked: str
    release: str
    repo: str
    arch: str
    path: str
    filters: Filters
    limit: int
    format: Format = "text"
    redirect: bool = False


class _Asked(NamedTuple):
    """The part of a question that names what is wanted; fields as in Question."""

    asked: str
    release: str
    repo: str
    arch: str
    path: str
    vault: bool


class Parser:
    """Questions about one service config."""

    def __init__(self, config: ServiceConfig, reader: ParameterReader) -> None:
        self.config = config
        self._reader = reader
        self._releases = {name.lower(): name for name in (*config.releases, *config.vault_releases)}
        self._releases |= {alias.lower(): full for alias, full in config.aliases.items()}
        self._repos = {repo.name.lower(): repo for repo in config.repos}
        self._repo_names = {name.lower(): meaning for name, meaning in config.repo_names.items()}

    # --- the forms ---------------------------------------------------------------------------------

    def parse_list(self, parameters: Mapping[str, str], release: str = "", repo: str = "") -> Question:
        """A mirrorlist's or metalink's question, in any form: `release` and `repo` are those in the
        path, if it is AlmaLinux's. Raises BadValueError or UnknownNameError."""
        if release or repo:
            return self._repo_question(release.strip("/"), repo.strip("/"), parameters)
        if "path" in parameters and "repo" not in parameters:
            return self._path_question(parameters)
        asked = parameters.get("repo", "").strip("/")
        if not asked:
            raise BadValueError("repo", "", "name a repo: /mirrorlist/<release>/<repo>?arch=<arch>")
        if "release" in parameters:
            return self._repo_question(parameters["release"].strip("/"), asked, parameters)
        return self._named_question(asked, parameters)

    def parse_isos(self, parameters: Mapping[str, str], release: str, arch: str) -> Question:
        """The question for the ISO directories of a release and arch."""
        full = self._release(release)
        name = self._arch(arch, self.config.arches.get(full, ()), f"in release {full}")
        vault = full in self.config.vault_releases
        return self._question(_Asked(release, full, ISOS, name, f"isos/{name}/", vault), parameters)

    def _named_question(self, asked: str, parameters: Mapping[str, str]) -> Question:
        """MirrorManager's `repo=`: a name of `repo_names:`, or `<repo>-<release>`. Both parts may
        contain hyphens: the first that are both known are meant."""
        special = self._repo_names.get(asked.lower())
        if special is not None:
            return self._special_question(asked, special, parameters)
        cuts = [i for i, letter in enumerate(asked) if letter == "-"]
        for cut in cuts:
            if asked[:cut].lower() in self._repos and asked[cut + 1 :].lower() in self._releases:
                return self._repo_question(asked[cut + 1 :], asked[:cut], parameters)
        for cut in cuts:
            if asked[cut + 1 :].lower() in self._releases:
                self._repo(asked[:cut], asked[cut + 1 :])
        repo, _, release = asked.partition("-")
        if repo.lower() in self._repos:
            self._release(release)
        known = [f"{name}-<release>" for name in self._repos] + list(self.config.repo_names)
        raise UnknownNameError("repo", asked, known)

    def _special_question(self, asked: str, meaning: RepoName, parameters: Mapping[str, str]) -> Question:
        if meaning.disabled:
            raise QuestionError(f"The repo {printable(asked)} is disabled.")
        release = meaning.release or parameters.get("release", "")
        return self._repo_question(release, meaning.repo or asked, parameters)

    def _path_question(self, parameters: Mapping[str, str]) -> Question:
        """MirrorManager's `path=`: the repo whose directory that is (or holds it)."""
        path = parameters["path"].strip("/")
        release, _, rest = path.partition("/")
        full = self._release(release)
        for repo in self.config.repos:
            for arch in self._arches(repo, full):
                directory = repo.path.replace("$basearch", arch).rstrip("/")
                if self._in_release(repo, full) and f"{rest}/".startswith(f"{directory}/"):
                    return self._repo_question(release, repo.name, {**parameters, "arch": arch})
        known = [f"{full}/{repo.path}" for repo in self.config.repos if self._in_release(repo, full)]
        raise UnknownNameError("repo at the path", path, known)

    def _repo_question(self, release: str, name: str, parameters: Mapping[str, str]) -> Question:
        full = self._release(release)
        repo = self._repo(name, release)
        arches = self._arches(repo, full)
        arch = parameters.get("arch", "").strip("/")
        if arch.lower() in ("", "$basearch"):
            arch = ""
        else:
            arch = self._arch(arch, arches, f"of repo {repo.name} in release {full}")
        vault = repo.vault or full in self.config.vault_releases
        path = repo.path.replace("$basearch", arch) if arch else repo.path
        return self._question(_Asked(release, full, repo.name, arch, path, vault), parameters)

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

    # --- names ---------------------------------------------------------------------------------------

    def _release(self, name: str) -> str:
        full = self._releases.get(name.strip("/").lower())
        if full is None:
            raise UnknownNameError("release", name, [*self.config.aliases, *self.config.releases])
        return full

    def _in_release(self, repo: Repo, full: str) -> bool:
        """A vault release has the repos of the releases of its major version."""
        if not repo.releases or full in repo.releases:
            return True
        if full not in self.config.vault_releases:
            return False
        return any(_major(release) == _major(full) for release in repo.releases)

    def _repo(self, name: str, release: str) -> Repo:
        full = self._release(release)
        repo = self._repos.get(name.strip("/").lower())
        if repo is None or not self._in_release(repo, full) or not self._arches(repo, full):
            known = [r.name for r in self.config.repos if self._in_release(r, full)]
            raise UnknownNameError("repo", name, known, f" in release {full}")
        return repo

    def _arches(self, repo: Repo, full: str) -> tuple[str, ...]:
        return repo_arches(self.config, repo, full)

    @staticmethod
    def _arch(name: str, arches: tuple[str, ...], where: str) -> str:
        lowered = name.lower()
        for arch in arches:
            if arch.lower() == lowered:
                return arch
        raise UnknownNameError("arch", name, arches, f" {where}")


def _major(release: str) -> str:
    return release.partition(".")[0].partition("-")[0]
