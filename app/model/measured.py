"""The prober's results about mirrors and the origin."""

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
    """The prober's verdict on one repo of one mirror."""

    CURRENT = "current"
    #: A version that the origin had within the grace period.
    PREVIOUS = "previous"
    STALE = "stale"
    MISSING = "missing"
    CORRUPT = "corrupt"


class Endpoint(Record, frozen=True, kw_only=True):
    """The result of asking a mirror over one protocol and one address family."""

    ok: bool
    #: What went wrong, in words.
    detail: str | None = None
    latency_ms: float | None = None


class MirrorVerdict(Record, frozen=True, kw_only=True):
    """What the prober found of one mirror as a whole."""

    mirror: str
    probed_at: datetime
    status: Status
    since: datetime | None = None
    failures: int = 0
    reason: str | None = None
    addresses: tuple[str, ...] = ()
    timestamp: datetime | None = None
    #: The time in the origin's own timestamp file at `probed_at`. The mirror's age is measured against it,
    #: so that no mirror becomes stale while the origin publishes nothing.
    origin_timestamp: datetime | None = None
    endpoints: dict[Protocol, dict[Family, Endpoint]] = {}


class MirrorState(MirrorVerdict, frozen=True, kw_only=True):
    """The state of one mirror, as the prober found it and state/mirrors/<name>.json has it."""

    #: The verdicts by "release/repo/arch", or "release/repo/" for a repo whose path has no $basearch. A
    #: repo without a key is unknown.
    content: dict[str, Content] = {}
    #: Whether the mirror has the ISO directory, by "release/arch".
    isos: dict[str, bool] = {}


class RepomdVersion(Record, frozen=True, kw_only=True):
    """One version of a repo's repomd.xml at the origin. Hashes are lower-case hex."""

    #: The timestamp that the file itself has, in epoch seconds.
    timestamp: int
    size: int
    seen_at: datetime
    sha256: str | None = None
    sha512: str | None = None
    sha1: str | None = None
    md5: str | None = None


class ProbeRound(Record, frozen=True, kw_only=True):
    """The prober's last complete round, as state/round.json has it. Before the first one, mirrors without
    state are served; after it, they are "not probed"."""

    completed_at: datetime
