"""What Mirrorwise talks about: mirrors, releases, repos, probe results, findings, errors.

Plain immutable values, shared by every other module; this one imports none of them. All are
msgspec structs, so the same types are validated at the edge, sent through the store and held in
memory. Field names are those of the field: *release* is what dnf calls releasever, *arch* its
basearch; *module* is an optional module of the service config such as AlmaLinux's "kitten".
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

Protocol = Literal["https", "http", "rsync"]
PROTOCOLS: tuple[Protocol, ...] = ("https", "http", "rsync")

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all value types: immutable, keyword-only; unknown keys are ignored when decoding."""


# --- mirrors, as people declare them -------------------------------------------------------------


class Coordinates(Record, frozen=True, kw_only=True):
    """Degrees, north and east positive."""

    latitude: float
    longitude: float


class Cloud(Record, frozen=True, kw_only=True):
    """A mirror inside a cloud provider. `regions` are the provider's public region names
    (Azure's short names already translated); empty means that it serves all of them."""

    provider: str  # "aws", "azure", "gcp", "oci"
    regions: tuple[str, ...] = ()


class Mirror(Record, frozen=True, kw_only=True):
    """One mirror file, normalised.

    Base URLs end in "/"; their scheme is their key. `addresses` serve ordinary releases, and
    `module_addresses[module]` those of an optional module. Countries are ISO 3166-1 alpha-2.
    `subnets` are canonical prefixes (host bits cleared). Empty `repos`, `arches` or `versions`:
    it carries all of them. E-mail addresses are checked when read, and not kept.
    """

    name: str
    addresses: dict[Protocol, str]
    module_addresses: dict[str, dict[Protocol, str]] = {}
    country: str | None = None
    state_province: str | None = None
    city: str | None = None
    coordinates: Coordinates | None = None
    asns: tuple[int, ...] = ()
    subnets: tuple[str, ...] = ()
    private: bool = False
    monopoly: bool = False
    disabled: bool = False
    probe: bool = True
    cloud: Cloud | None = None
    weight: float = 1.0
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    repos: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    update_frequency_s: int | None = None
    sponsor: str | None = None
    sponsor_url: str | None = None


# --- what a distribution publishes, as the service config declares it ------------------------------


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


# --- what the prober measured ----------------------------------------------------------------------


class Status(StrEnum):
    """The prober's verdict on a mirror as a whole."""

    OK = "ok"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class Content(StrEnum):
    """The prober's verdict on one repo of one mirror. PREVIOUS: a version that the origin had
    within the grace period."""

    CURRENT = "current"
    PREVIOUS = "previous"
    STALE = "stale"
    MISSING = "missing"
    CORRUPT = "corrupt"


class Endpoint(Record, frozen=True, kw_only=True):
    """One protocol over one address family. `detail` says what went wrong, for people."""

    ok: bool
    detail: str | None = None
    latency_ms: float | None = None


class MirrorState(Record, frozen=True, kw_only=True):
    """state/mirrors/<name>.json. Keys of `content` are "release/repo/arch" (a repo whose path has
    no $basearch: "release/repo/"), of `isos` "release/arch"; a missing key means unknown.
    `origin_timestamp` is the origin's own timestamp file at `probed_at`: age is judged against it,
    so that an origin that publishes nothing makes nobody stale."""

    mirror: str
    probed_at: datetime
    status: Status
    since: datetime | None = None
    failures: int = 0
    reason: str | None = None
    addresses: tuple[str, ...] = ()
    timestamp: datetime | None = None
    origin_timestamp: datetime | None = None
    endpoints: dict[Protocol, dict[Family, Endpoint]] = {}
    content: dict[str, Content] = {}
    isos: dict[str, bool] = {}


class RepomdVersion(Record, frozen=True, kw_only=True):
    """One version of a repo's repomd.xml at the origin. `timestamp` is the repomd's own, in epoch
    seconds; hashes are lower-case hex."""

    timestamp: int
    size: int
    seen_at: datetime
    sha256: str | None = None
    sha512: str | None = None
    sha1: str | None = None
    md5: str | None = None


class ProbeRound(Record, frozen=True, kw_only=True):
    """state/round.json: the last complete round. Mirrors without state are served before there is
    one, and are "not probed" after it."""

    completed_at: datetime


# --- who is asking ----------------------------------------------------------------------------


class ClientClass(msgspec.Struct, frozen=True, gc=False):
    """Everything about a client that an answer may depend on. `place`: "DE/50/8", "DE", "~EU" or
    "". `network`: the name of an overlay, or "". `private`: mirrors' own networks count (they do
    not when somebody asks as for another address)."""

    place: str
    network: str
    spread: int
    family: int
    private: bool = True

    def __str__(self) -> str:
        return f"{self.place}|{self.network}|{self.spread}|{self.family}"


# --- why a mirror is not in a list -----------------------------------------------------------------


class Exclusion(StrEnum):
    """Exactly one per mirror and question; the evidence is kept beside it."""

    DISABLED = "disabled"
    NOT_PROBED = "not probed"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    STALE = "stale"
    NOT_CARRIED = "not carried"
    PROTOCOL = "protocol"
    FAMILY = "family"
    COUNTRY = "country"
    REGION = "region"
    EXCLUSIVE = "exclusive"
    SAME_ADDRESS = "same address"
    RANK = "rank"
    PRIVATE = "private"


# --- findings and errors ---------------------------------------------------------------------------


class Severity(StrEnum):
    FAULT = "fault"
    WARNING = "warning"


class Finding(Record, frozen=True, kw_only=True):
    """Something wrong in a file that people or tools wrote, in words for the person who can mend
    it. A fault makes its subject unusable; a warning does not. `line` counts from 1."""

    severity: Severity
    file: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.severity.value}: {self.message}"


class MirrorwiseError(Exception):
    """Base of all errors that Mirrorwise raises on purpose; the text is for people."""


class SettingsError(MirrorwiseError):
    """An environment variable holds something that cannot be used."""


class SourceError(MirrorwiseError):
    """An input file cannot be used at all; `findings` say why and where."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class GeoError(MirrorwiseError):
    """A GeoIP database cannot be opened, verified or understood."""


class StoreError(MirrorwiseError):
    """The store did not answer, or refused, or holds something that is not ours."""


class SnapshotError(MirrorwiseError):
    """A snapshot cannot be decoded: cut short, or of another schema."""
