"""Reads `repo_names`, the table of special names for repos. The value of a name is the name of a repo, or a
mapping with the keys `repo`, `release` and `disabled`.

`$repo` and `$releasever` in a name make it a pattern. In its normal form, a variable has braces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from app.catalogue.repo_names import VARIABLES, fitting, variables_in
from app.model import RepoName
from app.model.words import quoted
from app.sources.fields import Fields
from app.sources.report import did_you_mean
from app.sources.restricting import OF_REPO_NAME
from app.sources.yaml_file import Mapping as YamlMapping

_PLAIN_VARIABLE = re.compile(rf"\$({'|'.join(VARIABLES)})(?![A-Za-z0-9_])")


class KnownNames(msgspec.Struct, frozen=True):
    """The product whose table is read, and the names that its entries may refer to."""

    product: str
    #: What stands before a version in the full name of a release.
    before: str
    repos: Collection[str]
    #: The full names of releases.
    releases: Collection[str]
    #: The full names of releases by each short name that stands for one.
    aliases: Mapping[str, str]


def repo_names(config: Fields, known: KnownNames) -> tuple[RepoName, ...]:
    """Returns the entries of the table in the order of the file."""
    table = config.mapping_of("repo_names")
    return tuple(_Entry(table, name, known).read() for name in table.mapping.entries)


class _Entry:
    """Reads one entry of the table."""

    def __init__(self, table: Fields, key: str, known: KnownNames) -> None:
        self.table = table
        self.key = key
        self.known = known
        self.name = _with_braces(key)
        self.variables = variables_in(self.name)

    def read(self) -> RepoName:
        table, key = self.table, self.key
        if len(set(self.variables)) < len(self.variables) or "$" in _without(self.name):
            table.fault(key, "may have $repo and $releasever in it, each once, and no other variable")
        disabled = False
        if isinstance(table.mapping.entries[key], YamlMapping):
            fields = table.mapping_of(key, OF_REPO_NAME)
            repo, release = self.repo(fields, "repo"), self.release(fields)
            disabled = fields.flag("disabled", default=False)
            fields.check_keys()
        else:
            repo, release = self.repo(table, key), self.release(None)
        if repo is None and release is None and not disabled:
            table.fault(key, "must give a repo, a release, or `disabled: true`")
        if "repo" in self.variables and repo is None:
            table.fault(key, "has $repo in it, so its `repo` must have it too")
        return RepoName(
            name=self.name, product=self.known.product, repo=repo, release=release, disabled=disabled
        )

    def repo(self, fields: Fields, key: str) -> str | None:
        text = fields.text(key)
        return None if text is None else self.checked(fields, key, "repo", text, self.known.repos)

    def release(self, fields: Fields | None) -> str | None:
        """Returns the full name of the release, or the pattern for one. A name with `$releasever` stands for
        that release, if it does not say another one."""
        known = self.known
        text = fields.text("release") if fields else None
        if fields is None or text is None:
            return f"{known.before}${{releasever}}" if "releasever" in self.variables else None
        names = {name.removeprefix(known.before) for name in (*known.releases, *known.aliases)}
        name = known.before + self.checked(fields, "release", "releasever", text, names)
        return known.aliases.get(name, name)

    def checked(self, fields: Fields, key: str, variable: str, text: str, known: Collection[str]) -> str:
        """Returns the name of a repo or a release, or the pattern for one, and reports one that does not
        exist. A variable must be in the name and in the value, or in neither."""
        template = _with_braces(text)
        if variables_in(template) != [name for name in self.variables if name == variable]:
            fields.fault(key, f"{quoted(text)} must have ${variable} in it just if {quoted(self.key)} has it")
        elif template != text or "$" in text:
            if not fitting(template, known):
                fields.fault(key, f"{quoted(text)} fits nothing that exists here")
        elif text not in known:
            fields.fault(key, f"{quoted(text)} does not exist here{did_you_mean(text, known)}")
        return template


def _with_braces(text: str) -> str:
    return _PLAIN_VARIABLE.sub(r"${\1}", text)


def _without(text: str) -> str:
    for variable in VARIABLES:
        text = text.replace(f"${{{variable}}}", "")
    return text
