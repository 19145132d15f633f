"""What the prober measured."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from app.model.values import Family, Protocol, Record


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
