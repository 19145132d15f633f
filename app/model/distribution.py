"""The service config (config.yml): what a distribution publishes, and how it is served and probed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from app.model.values import Protocol, Record

MAX_TITLE = 60
MAX_LINKS = 12
MAX_LOGO_BYTES = 64 << 10

WebAddress = Annotated[str, msgspec.Meta(pattern="^[hH][tT][tT][pP][sS]?://", max_length=2000)]
"""An http or https URL, which may be a link on a page."""


class Repo(Record, frozen=True, kw_only=True):
    """A repo as the service config declares it."""

    name: str
    #: The product that the repo belongs to; empty where the config has no `products:`.
    product: str = ""
    #: The path of the repo below a base URL. It ends in "/", and may contain `$basearch` and `$releasever`.
    #: Without `$releasever`, it is below the directory of the release.
    path: str
    #: The arches for which mirrors are expected to have the repo; all arches if this is empty.
    arches: tuple[str, ...] = ()
    #: The releases in which mirrors are expected to have the repo; all releases if this is empty.
    releases: tuple[str, ...] = ()
    #: Whether only the vault, the archive of past releases, has the repo, whatever the release.
    vault: bool = False


class RepoName(Record, frozen=True, kw_only=True):
    """An entry of the config's table `repo_names:`. A client that asks for such a name gets another repo, a
    certain release, or both. If the name has `$repo` or `$releasever` in it, it is a pattern, and so are
    `repo` and `release`."""

    name: str
    #: The product that has the entry; empty where the config has no `products:`.
    product: str = ""
    #: The repo that the name stands for; None for the repo that has this name.
    repo: str | None = None
    #: The release that the name stands for, by its full name; None for the release that the client asks for.
    release: str | None = None
    #: Whether a request with this name is answered with an error.
    disabled: bool = False


class SelectionPolicy(Record, frozen=True, kw_only=True):
    """The rules by which mirrors are ranked, and the length of a list: `selection:` in config.yml."""

    length: int = 10
    border_km: float = 500.0
    continent_km: float = 1000.0
    spread_km: float = 60.0
    #: The largest part of all clients that a mirror should get, as a multiple of the mirror's fair share by
    #: weight; 0 for no limit.
    max_share: float = 4.0
    protocols: tuple[Protocol, ...] = ("https", "http")
    #: Whether the origin is listed behind the mirrors.
    origin_last: bool = False


class ProbePolicy(Record, frozen=True, kw_only=True):
    """The rules by which the prober asks mirrors: `probe:` in config.yml."""

    full_every_s: int = 6 * 3600
    grace_s: int = 24 * 3600
    allow_private_addresses: bool = False
    contact_url: str | None = None
    requests_per_hour: int = 240


class Logo(Record, frozen=True, kw_only=True):
    """The distribution's logo, as it stands on pages."""

    media_type: Literal["image/svg+xml", "image/png"]
    content: Annotated[bytes, msgspec.Meta(max_length=MAX_LOGO_BYTES)]


class Branding(Record, frozen=True, kw_only=True):
    """Whose service this is, as all pages say it: `site:` in config.yml."""

    #: The name of the distribution.
    title: Annotated[str, msgspec.Meta(max_length=MAX_TITLE)] = "Mirrorwise"
    home: WebAddress | None = None
    #: The name of the logo's file, beside config.yml, and what it holds; None where there is none.
    logo_file: str | None = None
    logo: Logo | None = None
    #: The URL of each link at the bottom of all pages, by its words.
    links: Annotated[dict[str, WebAddress], msgspec.Meta(max_length=MAX_LINKS)] = {}
    imprint: WebAddress | None = None


class ServiceConfig(Record, frozen=True, kw_only=True):
    """The content of config.yml in its normal form: defaults are filled in, and names and URLs have one
    spelling. A release of a product has the product before its version ("epel-9"). As far as base URLs are
    concerned, a product is a module."""

    #: The releases that mirrors carry, by their full names ("9.8", "10-kitten"), in the order of the file.
    releases: tuple[str, ...]
    #: The full name of a release by each short name that stands for it ("9.8" by "9").
    aliases: dict[str, str]
    vault_releases: tuple[str, ...]
    #: The arches of each release and each vault release, by the release's full name.
    arches: dict[str, tuple[str, ...]]
    repos: tuple[Repo, ...]
    #: The product of each release and each vault release; empty where the config has no `products:`.
    products: dict[str, str] = {}
    #: The path of each product below the base URL of a mirror that has all of them. It ends in "/", and is
    #: empty for a product that only mirrors have that name it.
    product_paths: dict[str, str] = {}
    #: The module of each release whose base URLs are not the ordinary ones: an optional module ("kitten" by
    #: "10-kitten"), or the release's product.
    modules: dict[str, str] = {}
    #: The path of the directories of ISOs by product, as `Repo.path`; empty for a product without ISOs. Where
    #: a product is not in it, the usual path counts.
    iso_paths: dict[str, str] = {}
    #: The base URL of the vault, the archive of past releases; None if there is none. It ends in "/", as does
    #: `origin`.
    vault_url: str | None = None
    #: The base URL of the vault of each product that has one, by product.
    product_vaults: dict[str, str] = {}
    #: The base URL of the origin: the server that mirrors copy from, which answers where no mirror can. None
    #: if there is none.
    origin: str | None = None
    #: The base URL of the origin of each module that has one, by module.
    module_origins: dict[str, str] = {}
    allowed_outdate_s: int = 12 * 3600
    required_protocols: tuple[Protocol, ...] = ("http", "https")
    mirrors_dir: str = "mirrors.d"
    selection: SelectionPolicy = SelectionPolicy()
    #: In the order of the file.
    repo_names: tuple[RepoName, ...] = ()
    probe: ProbePolicy = ProbePolicy()
    site: Branding = Branding()
