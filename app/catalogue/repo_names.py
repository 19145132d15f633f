"""Finds out what a special name for a repo means: the entries of the config's `repo_names:`, and patterns
among them. The module is pure: it does no I/O.

In a pattern, `${repo}` and `${releasever}` stand for any text that makes a known repo of the entry's `repo`,
and a known release of its `release`. So `${repo}-${releasever}-debug` with the repo `${repo}-debug` is a
name for each repo that ends in "-debug". All names are matched without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from msgspec.structs import replace

from app.model import RepoName, ServiceConfig

VARIABLES = ("repo", "releasever")
_VARIABLE = re.compile(rf"\$\{{({'|'.join(VARIABLES)})\}}")


def variables_in(text: str) -> list[str]:
    """Returns the variables in a text, in order."""
    return _VARIABLE.findall(text)


def fitting(template: str, known: Collection[str]) -> list[str]:
    """Returns the texts that make a known name of a template with one variable, longest first."""
    before, _, _, after = _parts(template)
    shortest = len(before) + len(after) + 1
    names = (name for name in known if len(name) >= shortest)
    texts = (
        name[len(before) : len(name) - len(after)]
        for name in names
        if name.startswith(before) and name.endswith(after)
    )
    return sorted(texts, key=lambda text: (-len(text), text))


def _parts(template: str) -> tuple[str, str, str, str]:
    """Returns what is before a variable, the variable as it is written, its name, and what is after it."""
    found = _VARIABLE.search(template)
    if found is None:
        return template, "", "", ""
    return template[: found.start()], found[0], found[1], template[found.end() :]


class RepoNames:
    """The special names of a config, by which clients ask for repos."""

    def __init__(self, config: ServiceConfig) -> None:
        #: All names and patterns, as people write them, in the order of the config.
        self.shown = [_VARIABLE.sub(r"$\1", entry.name) for entry in config.repo_names]
        self._exact: dict[str, list[RepoName]] = {}
        self._patterns: list[_Pattern] = []
        releases = (*config.releases, *config.aliases, *config.vault_releases)
        for entry in config.repo_names:
            if variables_in(entry.name):
                repos = [repo.name for repo in config.repos if repo.product == entry.product]
                self._patterns.append(_Pattern(entry, repos, releases))
            else:
                self._exact.setdefault(entry.name.lower(), []).append(entry)
        #: No name is longer than this.
        self.longest = max(map(len, self._exact), default=0)
        if self._patterns:
            known = sum(max(map(len, names)) for names in ([repo.name for repo in config.repos], releases))
            self.longest = max(self.longest, known + max(map(len, self.shown)))

    def has(self, name: str) -> bool:
        """Returns whether a name has an entry, or a pattern fits it."""
        return next(self.meanings(name), None) is not None

    def meanings(self, name: str) -> Iterator[RepoName]:
        """Yields the entries for a name: its own ones, and then those of patterns, with variables replaced.
        Several products may have an entry for one name."""
        yield from self._exact.get(name.lower(), ())
        for pattern in self._patterns:
            meaning = pattern.meaning(name)
            if meaning is not None:
                yield meaning


class _Pattern:
    """An entry whose name has variables."""

    def __init__(self, entry: RepoName, repos: Collection[str], releases: Collection[str]) -> None:
        self._entry = entry
        templates = {"repo": (entry.repo or "", repos), "releasever": (entry.release or "", releases)}

        def texts(variable: str) -> str:
            return "|".join(map(re.escape, fitting(*templates[variable])))

        pattern = _VARIABLE.sub(lambda found: f"\0{found[1]}\0", entry.name)
        pieces = pattern.split("\0")  # every second one is a variable
        self._regex = re.compile(
            "".join(
                f"(?P<{piece}>{texts(piece) or '(?!)'})" if number % 2 else re.escape(piece)
                for number, piece in enumerate(pieces)
            ),
            re.IGNORECASE,
        )

    def meaning(self, name: str) -> RepoName | None:
        """Returns what a name means if the pattern fits it, or None."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        texts = found.groupdict()

        def filled(template: str | None) -> str | None:
            return template and _VARIABLE.sub(lambda variable: texts[variable[1]], template)

        return replace(
            self._entry, name=name, repo=filled(self._entry.repo), release=filled(self._entry.release)
        )
