"""What a distribution publishes, as the service config declares it."""

from __future__ import annotations

from app.model.values import Protocol, Record


class Repo(Record, frozen=True, kw_only=True):
    """`path` is below `<base>/<release>/`, ends in "/" and may contain `$basearch`. `arches` and
    `releases` say where the repo is expected; empty: everywhere. A vault repo is only in the vault,
    whatever the release."""

    name: str
    path: str
    arches: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    vault: bool = False


class RepoName(Record, frozen=True, kw_only=True):
    """What MirrorManager's `repo=` (or a plain repo name) means when it is not `<repo>-<release>`.
    `release` None: the one asked for. A disabled name is answered as unknown."""

    repo: str | None = None
    release: str | None = None
    disabled: bool = False


class SelectionPolicy(Record, frozen=True, kw_only=True):
    """How mirrors are ranked and how long a list is; `selection:` in config.yml.
    `max_share`: multiple of its fair share by weight that no mirror should exceed; 0 is off."""

    length: int = 10
    border_km: float = 500.0
    continent_km: float = 1000.0
    spread_km: float = 60.0
    max_share: float = 4.0
    protocols: tuple[Protocol, ...] = ("https", "http")


class ProbePolicy(Record, frozen=True, kw_only=True):
    """`probe:` in config.yml."""

    full_every_s: int = 6 * 3600
    grace_s: int = 24 * 3600
    allow_private_addresses: bool = False
    contact_url: str | None = None
    requests_per_hour: int = 240


class ServiceConfig(Record, frozen=True, kw_only=True):
    """config.yml, normalised.

    `releases` are those that mirrors carry, full names only ("9.8", "10-kitten"), in file order;
    `aliases` maps short names to them ("9" → "9.8"). `arches` has every release and every vault
    release as its key. `modules` maps each release of an optional module to the module
    ("10-kitten" → "kitten"). `vault_url` and `origin` end in "/". `origin` serves whatever nobody
    else does; `module_origins` the same for modules.
    """

    releases: tuple[str, ...]
    aliases: dict[str, str]
    vault_releases: tuple[str, ...]
    arches: dict[str, tuple[str, ...]]
    repos: tuple[Repo, ...]
    modules: dict[str, str] = {}
    vault_url: str | None = None
    origin: str | None = None
    module_origins: dict[str, str] = {}
    allowed_outdate_s: int = 12 * 3600
    required_protocols: tuple[Protocol, ...] = ("http", "https")
    mirrors_dir: str = "mirrors.d"
    selection: SelectionPolicy = SelectionPolicy()
    repo_names: dict[str, RepoName] = {}
    probe: ProbePolicy = ProbePolicy()
