"""Finds the release and the repo that a client's names stand for. Pure: it does no I/O.

All names are looked up without regard to case. A release has a full name and perhaps a short one; where the
config has products, its version alone, in full or short, is a name of it too, which it may share with
releases of other products.
"""

from __future__ import annotations

from typing import NamedTuple

from app.catalogue.catalogue import product_of, version_of
from app.catalogue.repo_names import RepoNames
from app.model import Repo, ServiceConfig
from app.model.words import escaped
from app.request.parameters import QuestionError, UnknownNameError


class NamedRepo(NamedTuple):
    """A repo of a release that was found by their names."""

    repo: Repo
    #: The full name of the release.
    release: str
    #: The version of the release as it was named: in full or short.
    version: str


class _NamedRelease(NamedTuple):
    """A release that a name stands for."""

    #: Its full name.
    full: str
    product: str
    #: Its version, in full or short as the name has it.
    version: str


class Names:
    """The names that the products, releases and repos of a config have for clients."""

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        #: All products, in the config's order. Without products, there is one that has no name.
        self.products = tuple(config.product_paths) or ("",)
        #: The special names of repos, as people write them.
        self.special = RepoNames(config)
        self._releases = _releases_by_name(config, self.products)
        self._repos = {
            product: {repo.name.lower(): repo for repo in config.repos if repo.product == product}
            for product in self.products
        }
        #: No name of a repo is longer than this.
        self.longest_repo = max((self.special.longest, *(len(repo.name) for repo in config.repos)))

    # --- what there is -----------------------------------------------------------------------------

    def product(self, name: str) -> str | None:
        """Returns the product of this name; None if there is none."""
        lowered = name.lower()
        return next((known for known in self.config.product_paths if known.lower() == lowered), None)

    def is_release(self, name: str) -> bool:
        return name.lower() in self._releases

    def is_repo(self, name: str) -> bool:
        """Returns whether a name is that of a repo, or a special one."""
        return self.special.has(name) or any(name.lower() in repos for repos in self._repos.values())

    def names_release(self, name: str) -> bool:
        """Returns whether MirrorManager's name of a repo names a release too."""
        ends = (name[i + 1 :] for i, letter in enumerate(name) if letter == "-")
        return any(meaning.release for meaning in self.special.meanings(name)) or any(
            self.is_release(end) for end in ends
        )

    # --- what is meant -----------------------------------------------------------------------------

    def releases(self, name: str) -> tuple[str, ...]:
        """Returns the releases that a name stands for, by their full names, in the order of their products.
        Raises UnknownNameError if there is none."""
        found = self._releases.get(name.strip("/").lower())
        if found is None:
            raise self.unknown_release(name)
        return tuple(release.full for release in found)

    def releases_with(self, name: str) -> list[str]:
        """Returns the releases that may be asked for a repo of this name, by their full names."""
        meant = {(m.product, (m.repo or name).lower()) for m in self.special.meanings(name)}
        meant |= {(product, name.lower()) for product in self.products}
        products = {product for product, repo in meant if repo in self._repos[product]}
        return [full for full in self.config.releases if product_of(self.config, full) in products]

    def repo(self, release: str, name: str) -> NamedRepo | None:
        """Returns the repo that is meant by a name, in the release that the name stands for, or else in the
        one given. Returns None if there is no such repo or no such release. Raises QuestionError for a
        disabled name."""
        for meaning in self.special.meanings(name):
            asked = self._releases.get((meaning.release or release).lower(), ())
            releases = [one for one in asked if one.product == meaning.product]
            if meaning.disabled and (releases or not meaning.product):
                raise QuestionError(f"The repo '{escaped(name)}' is disabled.")
            for one in releases:
                repo = self._repos[one.product].get((meaning.repo or name).lower())
                if repo is not None:
                    return NamedRepo(repo, one.full, one.version)
        lowered = name.lower()
        for one in self._releases.get(release.lower(), ()):
            repo = self._repos[one.product].get(lowered)
            if repo is not None:
                return NamedRepo(repo, one.full, one.version)
        return None

    def unknown_release(self, name: str) -> UnknownNameError:
        """Returns the error for a release that does not exist."""
        return UnknownNameError("release", name, [*self.config.aliases, *self.config.releases])


def _releases_by_name(
    config: ServiceConfig, products: tuple[str, ...]
) -> dict[str, tuple[_NamedRelease, ...]]:
    """Returns the releases by each of their names, in lower case, in the order of products."""
    full_names = {**{name: name for name in (*config.releases, *config.vault_releases)}, **config.aliases}
    found: dict[str, dict[str, _NamedRelease]] = {}
    for product in products:
        for name, full in full_names.items():
            if product_of(config, full) == product:
                version = version_of(config, name)
                for one in (name, version):
                    found.setdefault(one.lower(), {})[full] = _NamedRelease(full, product, version)
    return {name: tuple(releases.values()) for name, releases in found.items()}
