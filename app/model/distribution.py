"""What a distribution publishes, as the service config declares it."""

from __future__ import annotations

from app.model.values import Protocol, Record


class Repo(Record, frozen=True, kw_only=True):
    """A repo as the service config declares it."""

    name: str
    #: Below `<base>/<release>/`. It ends in "/" and may contain `$basearch`.
    path: str
    #: Where the repo is expected. Empty: for all arches.
    arches: tuple[str, ...] = ()
    #: The same for releases.
    releases: tuple[str, ...] = ()
    #: Whether the repo is only in the vault, whatever the release.
    vault: bool = False


class RepoName(Record, frozen=True, kw_only=True):
    """The meaning of a name in MirrorManager's `repo=` (or of a plain repo name) that is not
    `<repo>-<release>`."""

    repo: str | None = None
    #: None: the release that is asked for.
    release: str | None = None
    #: The name is answered as unknown.
    disabled: bool = False


class SelectionPolicy(Record, frozen=True, kw_only=True):
    """How mirrors are ranked and how long a list is: `selection:` in config.yml."""

    length: int = 10
    border_km: float = 500.0
    continent_km: float = 1000.0
    spread_km: float = 60.0
    #: The multiple of its fair share by weight that no mirror should exceed. 0: there is no limit.
    max_share: float = 4.0
    protocols: tuple[Protocol, ...] = ("https", "http")


class ProbePolicy(Record, frozen=True, kw_only=True):
    """How the prober asks: `probe:` in config.yml."""

    full_every_s: int = 6 * 3600
    grace_s: int = 24 * 3600
    allow_private_addresses: bool = False
    contact_url: str | None = None
    requests_per_hour: int = 240


class ServiceConfig(Record, frozen=True, kw_only=True):
    """config.yml, normalised."""

    #: Those that mirrors carry, by their full names ("9.8", "10-kitten"), in the order of the file.
    releases: tuple[str, ...]
    #: Short names and the releases that they stand for ("9" → "9.8").
    aliases: dict[str, str]
    vault_releases: tuple[str, ...]
    #: By release; every release and every vault release is a key.
    arches: dict[str, tuple[str, ...]]
    repos: tuple[Repo, ...]
    #: The module of each release that belongs to an optional one ("10-kitten" → "kitten").
    modules: dict[str, str] = {}
    #: Ends in "/", as does `origin`.
    vault_url: str | None = None
    #: The server of last resort, for whatever no mirror serves.
    origin: str | None = None
    #: The same for modules.
    module_origins: dict[str, str] = {}
    allowed_outdate_s: int = 12 * 3600
    required_protocols: tuple[Protocol, ...] = ("http", "https")
    mirrors_dir: str = "mirrors.d"
    selection: SelectionPolicy = SelectionPolicy()
    repo_names: dict[str, RepoName] = {}
    probe: ProbePolicy = ProbePolicy()
