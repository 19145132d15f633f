"""Compares the repomd.xml of a mirror with the origin's versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from app.catalogue.versions import acceptable
from app.model import Content, RepomdVersion
from app.probe.records import Seen


class Unsure(Enum):
    """The reasons why no verdict on a mirror's repo can be given."""

    #: No version at the origin is known, so there is nothing to compare the file with.
    UNKNOWN = "unknown"
    #: The file is well-formed and newer than every known version at the origin. Only the origin itself can
    #: tell whether it is right.
    AHEAD = "ahead"


def content_verdict(
    seen: Seen, versions: Sequence[RepomdVersion], now: datetime, grace_s: int
) -> Content | Unsure:
    """Returns the verdict on a mirror's repo, or the reason why there is none. `versions` are the origin's,
    newest first. If the hash equals that of one of them, that decides. Otherwise an older date means that the
    repo is stale, and the same date with different bytes means that it is damaged."""
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
