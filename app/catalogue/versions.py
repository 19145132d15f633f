"""Tells which versions of a repo's repomd.xml still count as good, beside the newest one. The module is pure:
it does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.model import RepomdVersion


def acceptable(versions: Sequence[RepomdVersion], now: datetime, grace_s: int) -> tuple[RepomdVersion, ...]:
    """Returns the newest of some versions, and those that were replaced by a newer one less than `grace_s`
    seconds before `now`. Both `versions` and the result are sorted newest first."""
    since = now - timedelta(seconds=grace_s)
    replaced_at = [None, *(version.seen_at for version in versions)]
    return tuple(
        version
        for version, replaced in zip(versions, replaced_at, strict=False)
        if replaced is None or replaced > since
    )
