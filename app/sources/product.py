"""Reads what one product publishes: its releases, arches and repos, and where its origin and its vault are.

The keys stand at the top of config.yml or, where one service has several products, below the name of each
product. Versions that are short for another (`duplicated_versions`) become aliases, the others become
releases, and each optional module adds releases named "<version>-<module>". The arches of a release are
listed under its own name, or else under its major version; those of a module's release only under its own
name.
"""

from __future__ import annotations

import re

from app.catalogue.catalogue import major_version
from app.model import Repo, ServiceConfig
from app.model.words import quoted
from app.sources.base_url import parse_base_url
from app.sources.choices import choice
from app.sources.fields import Fields
from app.sources.repo_names import KnownNames, repo_names
from app.sources.report import did_you_mean
from app.sources.restricting import OF_REPO
from app.sources.yaml_file import Scalar

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PATH = re.compile(r"(?!/)(?:[A-Za-z0-9._+~/-]|\$(?:basearch|releasever)(?![A-Za-z0-9_]))+")


def read_product(fields: Fields, name: str = "", root: str | None = None) -> ServiceConfig:
    """Reads the keys of a product, as a config of this product alone. Its name is empty where the config has
    no products. `root` is the base URL of the origin of all products; None if there is none."""
    return _ProductReader(fields, name, root).config()


class _ProductReader:
    """Reads the keys of a product, in an order in which later keys can be checked against earlier ones."""

    def __init__(self, fields: Fields, name: str, root: str | None) -> None:
        self.fields = fields
        self.root = root
        self.report = fields.report
        self.name = name
        #: What stands before a version in the full name of a release.
        self.before = f"{name}-" if name else ""
        self.versions = self.names("versions")
        self.aliases = self.read_aliases()
        self.modules = self.read_modules()
        ordinary = (version for version in self.versions if version not in self.aliases)
        self.releases = tuple(dict.fromkeys((*ordinary, *self.modules)))
        self.vault_releases = tuple(self.names("vault_versions"))
        self.arches = self.read_arches()
        self.repos = self.read_repos()

    def config(self) -> ServiceConfig:
        fields, name = self.fields, self.name
        if not self.releases:
            fields.fault("versions", "must name at least one version")
        vault, path = read_url(fields, "vault_mirror"), self.path_below_mirror() if name else ""
        full_names = [self.full(version) for version in (*self.releases, *self.vault_releases)]
        aliases = {self.full(alias): self.full(version) for alias, version in self.aliases.items()}
        known = KnownNames(name, self.before, [repo.name for repo in self.repos], full_names, aliases)
        of_product = dict.fromkeys(full_names, name) if name else {}
        return ServiceConfig(
            releases=tuple(map(self.full, self.releases)),
            aliases=aliases,
            vault_releases=tuple(map(self.full, self.vault_releases)),
            arches={self.full(version): arches for version, arches in self.arches.items()},
            repos=self.repos,
            products=of_product,
            product_paths={name: path} if name else {},
            modules=of_product | {self.full(version): module for version, module in self.modules.items()},
            iso_paths=self.iso_paths(),
            vault_url=None if name else vault,
            product_vaults={name: vault} if name and vault else {},
            origin=self.root if name else read_url(fields, "origin"),
            module_origins=self.module_origins(path),
            repo_names=repo_names(fields, known),
        )

    def full(self, version: str) -> str:
        """Returns the full name of the release that has this version."""
        return self.before + version

    def names(self, key: str) -> list[str]:
        """Returns the names in the list of a key, without repetitions."""
        names = [scalar.text for scalar in self.fields.scalars(key) if self.is_name(scalar)]
        return list(dict.fromkeys(names))

    def is_name(self, scalar: Scalar) -> bool:
        return is_name(self.fields, scalar)

    def read_aliases(self) -> dict[str, str]:
        fields, versions = self.fields.mapping_of("duplicated_versions"), self.versions
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
        arches = {arch for arches in self.arches.values() for arch in arches}
        versions = choice(fields, "versions", (*self.releases, *self.vault_releases), self.aliases)
        repo = Repo(
            name=name,
            product=self.name,
            path=self.path(fields, "path", path),
            arches=choice(fields, "arches", arches),
            releases=tuple(map(self.full, versions)),
            vault=fields.flag("vault", default=False),
        )
        fields.check_keys()
        return repo

    def iso_paths(self) -> dict[str, str]:
        text = self.fields.text("isos")
        if text is None:
            return {}
        if text == "false":
            return {self.name: ""}
        if "$basearch" not in text:
            self.fields.fault("isos", "must be `false`, or a path with $basearch in it")
        return {self.name: self.path(self.fields, "isos", text)}

    def path_below_mirror(self) -> str:
        text = self.fields.text("path") or self.name
        if text == "false":
            return ""
        if "$" in text:
            self.fields.fault("path", "must have no variable in it: it is the same for all releases")
        return self.path(self.fields, "path", text)

    @staticmethod
    def path(fields: Fields, key: str, text: str) -> str:
        """Returns a path below a base URL with single slashes and one at its end."""
        directories = [directory for directory in text.split("/") if directory]
        if not _PATH.fullmatch(text) or {".", ".."} & set(directories):
            variables = "$basearch is the arch, $releasever the release"
            fields.fault(key, f"{quoted(text)} is not a path below a mirror's base URL ({variables})")
        return "/".join([*directories, ""])

    def module_origins(self, path: str) -> dict[str, str]:
        """Returns the origins of modules, of which the product itself, with its `path`, is one."""
        fields = self.fields.mapping_of("module_origins")
        modules = dict.fromkeys(self.modules.values())
        origins = {module: url for module in modules if (url := read_url(fields, module))}
        fields.check_keys()
        if not self.name:
            return origins
        own = read_url(self.fields, "origin") or (self.root + path if self.root and path else None)
        return {self.name: own, **origins} if own else origins


def is_name(fields: Fields, scalar: Scalar) -> bool:
    """Returns whether a text can be a name, and reports it as a fault if not."""
    if _NAME.fullmatch(scalar.text):
        return True
    problem = f"{quoted(scalar.text)} is not a name made of letters, digits and . _ + -"
    fields.report.fault(scalar.line, problem)
    return False


def read_url(fields: Fields, key: str) -> str | None:
    """Returns a base URL; None if there is none."""
    text = fields.text(key)
    if text is None:
        return None
    try:
        return parse_base_url(text).url
    except ValueError as error:
        fields.fault(key, f"{quoted(text)} {error}")
        return None
