"""Reads the service config: AlmaLinux's config.yml, `config_version: 3`, with optional keys of our own.

Versions that are short for another (`duplicated_versions`) become aliases, the others become releases, and
each optional module adds releases named "<version>-<module>". The arches of a release are listed under its
own name, or else under its major version; those of a module's release only under its own name.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from app.catalogue.catalogue import major_version
from app.model import Finding, Repo, ServiceConfig, SourceError
from app.model.words import quoted
from app.sources.base_url import parse_base_url
from app.sources.choices import choice, protocols
from app.sources.fields import Fields
from app.sources.report import Report, did_you_mean
from app.sources.restricting import OF_CONFIG, OF_REPO
from app.sources.service_policy import KnownNames, probe_policy, repo_names, selection_policy
from app.sources.site import read_site
from app.sources.yaml_file import Scalar, read_yaml

CONFIG_VERSION = "3"

_WITHOUT_ORIGIN = (
    "is missing; without it the contents of mirrors are not compared with the originals, there are no "
    "metalinks, and where no mirror is eligible, a list has mirrors that may be stale or down"
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_REPO_PATH = re.compile(r"(?!/)(?:[A-Za-z0-9._+~/-]|\$basearch(?![A-Za-z0-9_]))+")


def read_service_config(path: Path) -> tuple[ServiceConfig, list[Finding]]:
    """Reads the config. Returns it with its warnings. Raises SourceError, with all findings, if it has a
    fault."""
    report = Report(path.name)
    root = read_yaml(path, report)
    config = _ConfigReader(Fields(root, report, restricting=OF_CONFIG)).config() if root else None
    if config is None or report.faulty:
        raise SourceError(report.findings)
    return config, report.findings


class _ConfigReader:
    """Reads the keys of the config, in an order in which later keys can be checked against earlier ones."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.report = fields.report
        versions = self.names("versions")
        self.aliases = self.read_aliases(versions)
        self.modules = self.read_modules()
        ordinary = (version for version in versions if version not in self.aliases)
        self.releases = tuple(dict.fromkeys((*ordinary, *self.modules)))
        self.vault_releases = tuple(self.names("vault_versions"))
        self.arches = self.read_arches()
        self.repos = self.read_repos()

    def config(self) -> ServiceConfig:
        fields = self.fields
        if fields.text("config_version") != CONFIG_VERSION:
            fields.fault("config_version", f"must be {CONFIG_VERSION}")
        if not self.releases:
            fields.fault("versions", "must name at least one version")
        known = (*self.releases, *self.vault_releases)
        names = KnownNames(repos={repo.name for repo in self.repos}, releases=known, aliases=self.aliases)
        defaults = ServiceConfig(releases=(), aliases={}, vault_releases=(), arches={}, repos=())
        config = ServiceConfig(
            releases=self.releases,
            aliases=self.aliases,
            vault_releases=self.vault_releases,
            arches=self.arches,
            repos=self.repos,
            modules=self.modules,
            vault_url=self.url(fields, "vault_mirror"),
            origin=self.url(fields, "origin"),
            module_origins=self.module_origins(),
            allowed_outdate_s=fields.seconds("allowed_outdate") or defaults.allowed_outdate_s,
            required_protocols=protocols(fields, "required_protocols") or defaults.required_protocols,
            mirrors_dir=self.mirrors_dir() or defaults.mirrors_dir,
            selection=selection_policy(fields),
            repo_names=repo_names(fields, names),
            probe=probe_policy(fields),
            site=read_site(fields),
        )
        if "origin" not in fields:
            fields.warning("origin", _WITHOUT_ORIGIN)
        fields.check_keys()
        return config

    def names(self, key: str) -> list[str]:
        """Returns the names in the list of a key, without repetitions."""
        names = [scalar.text for scalar in self.fields.scalars(key) if self.is_name(scalar)]
        return list(dict.fromkeys(names))

    def is_name(self, scalar: Scalar) -> bool:
        if _NAME.fullmatch(scalar.text):
            return True
        self.report.fault(
            scalar.line, f"{quoted(scalar.text)} is not a name made of letters, digits and . _ + -"
        )
        return False

    def read_aliases(self, versions: list[str]) -> dict[str, str]:
        fields = self.fields.mapping_of("duplicated_versions")
        aliases = {alias: full.text for alias in fields.mapping.entries for full in fields.scalars(alias, 1)}
        for alias, full_name in aliases.items():
            if full_name in aliases:
                fields.fault(alias, f"{quoted(full_name)} is itself short for another version")
            elif full_name not in versions:
                fields.fault(
                    alias, f"{quoted(full_name)} is not in `versions`{did_you_mean(full_name, versions)}"
                )
        return aliases

    def read_modules(self) -> dict[str, str]:
        fields = self.fields.mapping_of("optional_module_versions")
        return {
            f"{version.text}-{module}": module
            for module in fields.mapping.entries
            for version in fields.scalars(module)
            if self.is_name(Scalar(fields.line(module), module)) and self.is_name(version)
        }

    def read_arches(self) -> dict[str, tuple[str, ...]]:
        fields = self.fields.mapping_of("arches")
        listed = {
            key: tuple(dict.fromkeys(scalar.text for scalar in fields.scalars(key) if self.is_name(scalar)))
            for key in fields.mapping.entries
        }
        arches: dict[str, tuple[str, ...]] = {}
        used = set(self.aliases)
        for release in (*self.releases, *self.vault_releases):
            key = release if release in listed or release in self.modules else major_version(release)
            arches[release] = listed.get(key, ())
            used.add(key)
            if not arches[release]:
                fields.fault(key, f"there are no architectures for the release {quoted(release)}")
        fields.check_keys(used)
        return arches

    def read_repos(self) -> tuple[Repo, ...]:
        repos: dict[str, Repo] = {}
        for fields in self.fields.mappings("repos", OF_REPO):
            repo = self.repo(fields)
            if repo is None:
                continue
            if repo.name in repos:
                fields.fault("name", f"{quoted(repo.name)} is the name of two repos")
            repos[repo.name] = repo
        if "repos" not in self.fields:
            self.fields.fault("repos", "must name at least one repo")
        return tuple(repos.values())

    def repo(self, fields: Fields) -> Repo | None:
        name, path = fields.text("name"), fields.text("path")
        if name is None or path is None:
            fields.fault("path" if name else "name", f"a repo needs a {'path' if name else 'name'}")
            return None
        fields.prefix = f"repo {quoted(name)}, "
        self.is_name(Scalar(fields.line("name"), name))
        directories = [directory for directory in path.split("/") if directory]
        if not _REPO_PATH.fullmatch(path) or {".", ".."} & set(directories):
            fields.fault("path", f"{quoted(path)} is not a path below the release ($basearch is the arch)")
        arches = {arch for arches in self.arches.values() for arch in arches}
        repo = Repo(
            name=name,
            path="/".join([*directories, ""]),
            arches=choice(fields, "arches", arches),
            releases=choice(fields, "versions", (*self.releases, *self.vault_releases), self.aliases),
            vault=fields.flag("vault", default=False),
        )
        fields.check_keys()
        return repo

    def url(self, fields: Fields, key: str) -> str | None:
        text = fields.text(key)
        if text is None:
            return None
        try:
            return parse_base_url(text).url
        except ValueError as error:
            fields.fault(key, f"{quoted(text)} {error}")
            return None

    def module_origins(self) -> dict[str, str]:
        fields = self.fields.mapping_of("module_origins")
        modules = dict.fromkeys(self.modules.values())
        origins = {module: url for module in modules if (url := self.url(fields, module))}
        fields.check_keys()
        return origins

    def mirrors_dir(self) -> str | None:
        folder = self.fields.text("mirrors_dir")
        if folder is not None and (folder.startswith("/") or ".." in PurePosixPath(folder).parts):
            self.fields.fault("mirrors_dir", f"{quoted(folder)} must be a folder below that of this file")
        return folder
