"""The service config: what a distribution publishes, and how it is served and probed."""

from __future__ import annotations

from app.model.values import Protocol, Record


class Repo(Record, frozen=True, kw_only=True):
    """A repo as the service config declares it."""

    name: str
    #: The path below `<base>/<release>/`. It ends in "/" and may contain `$basearch`.
    path: str
    #: The arches for which the repo is expected; all if this is empty.
    arches: tuple[str, ...] = ()
    #: The releases in which the repo is expected; all if this is empty.
    releases: tuple[str, ...] = ()
    #: Whether the repo is only in the vault, whatever the release.
    vault: bool = False


class RepoName(Record, frozen=True, kw_only=True):
    """The meaning of a name in `repo_names:`, which stands for another repo, a release, or both."""

    #: None for the repo that has this name.
    repo: str | None = None
    #: None for the release that is asked for.
    release: str | None = None
    #: Whether questions with this name are answered with an error.
    disabled: bool = False


class SelectionPolicy(Record, frozen=True, kw_only=True):
    """The rules by which mirrors are ranked, and the length of a list: `selection:` in config.yml."""

    length: int = 10
    border_km: float = 500.0
    continent_km: float = 1000.0
    spread_km: float = 60.0
    #: The multiple of its fair share by weight that no mirror should exceed; 0 for no limit.
    max_share: float = 4.0
    protocols: tuple[Protocol, ...] = ("https", "http")


class ProbePolicy(Record, frozen=True, kw_only=True):
    """The rules by which the prober asks: `probe:` in config.yml."""

    full_every_s: int = 6 * 3600
    grace_s: int = 24 * 3600
    allow_private_addresses: bool = False
    contact_url: str | None = None
    requests_per_hour: int = 240


class ServiceConfig(Record, frozen=True, kw_only=True):
    """The service config, config.yml, in its normal form."""

    #: The releases that mirrors carry, by their full names ("9.8", "10-kitten"), in the order of the file.
    releases: tuple[str, ...]
    #: The releases that short names stand for ("9" for "9.8").
    aliases: dict[str, str]
    vault_releases: tuple[str, ...]
    #: The arches of each release and each vault release.
    arches: dict[str, tuple[str, ...]]
    repos: tuple[Repo, ...]
    #: The module of each release that belongs to an optional module ("kitten" for "10-kitten").
    modules: dict[str, str] = {}
    #: The base URL of the vault. It ends in "/", as does `origin`.
    vault_url: str | None = None
    #: The base URL of the server that answers where no mirror can.
    origin: str | None = None
    #: The base URLs of the origins of modules.
    module_origins: dict[str, str] = {}
    allowed_outdate_s: int = 12 * 3600
    required_protocols: tuple[Protocol, ...] = ("http", "https")
    mirrors_dir: str = "mirrors.d"
    selection: SelectionPolicy = SelectionPolicy()
    repo_names: dict[str, RepoName] = {}
    probe: ProbePolicy = ProbePolicy()
