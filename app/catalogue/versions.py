"""Tells which versions of a repo's repomd.xml still count beside the newest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.model import RepomdVersion


def acceptable(versions: Sequence[RepomdVersion], now: datetime, grace_s: int) -> tuple[RepomdVersion, ...]:
    """Of versions, newest first, the newest one and those that were the newest within the grace period."""
    since = now - timedelta(seconds=grace_s)
    replaced_at = [None, *(version.seen_at for version in versions)]
    return tuple(
        version
        for version, replaced in zip(versions, replaced_at, strict=False)
        if replaced is None or replaced > since
    )
