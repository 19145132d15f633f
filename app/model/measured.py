"""The prober's results about mirrors and the origin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from app.model.values import Count, EpochSeconds, Family, Protocol, Record


class Status(StrEnum):
    """The prober's verdict on a mirror as a whole."""

    OK = "ok"
    #: It is up, but does not have something of what it is meant to have.
    DEGRADED = "degraded"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class Content(StrEnum):
    """The prober's verdict on one repo of one mirror."""

    CURRENT = "current"
    #: The mirror has an older version, which was the origin's newest one within the grace period.
    PREVIOUS = "previous"
    STALE = "stale"
    MISSING = "missing"
    CORRUPT = "corrupt"

    @property
    def is_good(self) -> bool:
        """Whether the mirror may be served for the repo."""
        return self in _GOOD


_GOOD = frozenset({Content.CURRENT, Content.PREVIOUS})


class Endpoint(Record, frozen=True, kw_only=True):
    """The result of asking a mirror over one protocol and one address family."""

    ok: bool
    #: What went wrong, in words; None if nothing did.
    detail: str | None = None
    latency_ms: float | None = None


class MirrorVerdict(Record, frozen=True, kw_only=True):
    """What the prober found out about one mirror as a whole, without the verdicts on single repos."""

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
    """All that the prober found out about one mirror. It is the content of state/mirrors/<name>.json."""

    #: The verdicts on repos by "release/repo/arch", or "release/repo/" for a repo whose path has no
    #: $basearch. Nothing is known of a repo that has no key here.
    content: dict[str, Content] = {}
    #: Whether the mirror has the ISO directory, by "release/arch".
    isos: dict[str, bool] = {}
    #: Whether the mirror's copy of the vault has a release, by the release.
    vault: dict[str, bool] = {}
    #: When the prober means to ask again for what the mirror lacks, by the keys of `content` and `isos`.
    asked_again: dict[str, datetime] = {}


def lacks(
    content: Mapping[str, Content], isos: Mapping[str, bool], vault: Mapping[str, bool] | None = None
) -> dict[str, str]:
    """Returns what a mirror does not have although it is meant to: what is wrong with each directory, by its
    key in a state's `content`, `isos` or `vault`."""
    lacking = {key: verdict.value for key, verdict in content.items() if verdict not in _GOOD}
    lacking |= {key: "no ISOs" for key, has in isos.items() if not has}
    return lacking | {key: "not in its copy of the vault" for key, has in (vault or {}).items() if not has}


class RepomdVersion(Record, frozen=True, kw_only=True):
    """One version of a repo's repomd.xml, as the prober saw it at the origin. Hashes are in lower-case
    hex."""

    #: The date in the file itself, in epoch seconds.
    timestamp: int
    size: int
    seen_at: datetime
    sha256: str | None = None
    sha512: str | None = None
    sha1: str | None = None
    md5: str | None = None


class ProbeRound(Record, frozen=True, kw_only=True):
    """The prober's last complete round over all mirrors. It is the content of state/round.json. Before the
    first complete round, mirrors without a state may be served; after it, they are left out as "not
    probed"."""

    completed_at: datetime
    started_at: datetime | None = None
    #: The time from round to round; None if rounds are started by hand or by cron.
    interval_s: EpochSeconds | None = None
    mirrors: Count | None = None
    requests: Count | None = None
