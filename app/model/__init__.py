"""The values that Mirrorwise works with: mirrors, releases, repos, probe results, errors, and findings about
faulty files.

The values are plain and immutable. Every other package uses this one, and this one imports no other. Most
values are msgspec structs: the same types are validated when read, sent through the store and held in memory.
A *release* is what dnf calls releasever, an *arch* is its basearch. A *product* is a distribution or an
add-on with releases and repos of its own, where one service has several. A *module* is a group of releases
with base URLs of their own: a product, or an optional part of a distribution such as AlmaLinux's "kitten".
"""

from app.model.clients import ClientClass
from app.model.distribution import Branding, Logo, ProbePolicy, Repo, RepoName, SelectionPolicy, ServiceConfig
from app.model.errors import (
    Finding,
    GeoError,
    HistoryError,
    MirrorwiseError,
    SettingsError,
    Severity,
    SnapshotError,
    SourceError,
    StoreError,
)
from app.model.events import Condition, Event, EventKind, MirrorDay, RecordedEvent, condition_of
from app.model.fates import Exclusion, Fate, Overall, Pass
from app.model.images import Image, ImageDirectory
from app.model.measured import (
    Content,
    Endpoint,
    MirrorState,
    MirrorVerdict,
    ProbeRound,
    RepomdVersion,
    Status,
    lacks,
)
from app.model.mirrors import Cloud, Coordinates, Mirror, main_addresses
from app.model.values import (
    FAMILIES,
    PROTOCOLS,
    Count,
    EpochSeconds,
    Family,
    Protocol,
    Record,
    about,
    digest_of,
)

__all__ = [
    "FAMILIES",
    "PROTOCOLS",
    "Branding",
    "ClientClass",
    "Cloud",
    "Condition",
    "Content",
    "Coordinates",
    "Count",
    "Endpoint",
    "EpochSeconds",
    "Event",
    "EventKind",
    "Exclusion",
    "Family",
    "Fate",
    "Finding",
    "GeoError",
    "HistoryError",
    "Image",
    "ImageDirectory",
    "Logo",
    "Mirror",
    "MirrorDay",
    "MirrorState",
    "MirrorVerdict",
    "MirrorwiseError",
    "Overall",
    "Pass",
    "ProbePolicy",
    "ProbeRound",
    "Protocol",
    "Record",
    "RecordedEvent",
    "Repo",
    "RepoName",
    "RepomdVersion",
    "SelectionPolicy",
    "ServiceConfig",
    "SettingsError",
    "Severity",
    "SnapshotError",
    "SourceError",
    "Status",
    "StoreError",
    "about",
    "condition_of",
    "digest_of",
    "lacks",
    "main_addresses",
]
