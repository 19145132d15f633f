"""Compares one mirror's repomd.xml with the origin's versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from app.catalogue.versions import acceptable
from app.model import Content, RepomdVersion
from app.probe.records import Seen


class Unsure(Enum):
    """Why a verdict cannot be given."""

    #: There is nothing to compare with.
    UNKNOWN = "unknown"
    #: The file is well-formed and newer than all that the origin is known to have had. Only the origin
    #: itself can tell.
    AHEAD = "ahead"


def content_verdict(
    seen: Seen, versions: Sequence[RepomdVersion], now: datetime, grace_s: int
) -> Content | Unsure:
    """What the repo of a mirror is. Equal hashes decide; otherwise an older date means a stale version,
    and the same date over different bytes a damaged one."""
    if seen.sha256 is None:
        return Content.MISSING
    if versions and versions[0].sha256 == seen.sha256:
        return Content.CURRENT
    if any(version.sha256 == seen.sha256 for version in acceptable(versions, now, grace_s)):
        return Content.PREVIOUS
    if any(version.sha256 == seen.sha256 for version in versions):
        return Content.STALE
    if seen.timestamp is None:
        return Content.CORRUPT
    if not versions:
        return Unsure.UNKNOWN
    if seen.timestamp > versions[0].timestamp:
        return Unsure.AHEAD
    if any(version.timestamp == seen.timestamp for version in versions):
        return Content.CORRUPT
    return Content.STALE
