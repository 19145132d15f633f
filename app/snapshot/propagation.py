"""The propagation document: how fast new versions of repos came from the origin to the mirrors.

The worker compiles it from the versions in the history's database, and publishes it as a part of the
statistics document. A mirror counts as having a version as soon as it has that version or a newer one,
because many mirrors skip versions. Private mirrors are not in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from app.model import Count, EpochSeconds, Record, about
from app.snapshot.mirror_history import Part
from app.snapshot.status import is_possible

AFTER_H = (1, 2, 4, 8, 16, 24, 48, 96, 168)
"""The hours after which it is counted how many mirrors have a version."""


class VersionCounts(Record, frozen=True, kw_only=True):
    """How many mirrors had a version of a repo, and when."""

    version: Annotated[str, about("The first 16 digits of the SHA-256 of its repomd.xml.")]
    at: Annotated[datetime, about("When the prober first saw it at the origin.")]
    mirrors: Annotated[
        Count,
        about(
            "The mirrors that are meant to have it, but for those of which nobody knows since when they do."
        ),
    ]
    had: Annotated[
        tuple[Count, ...],
        about("How many had it, or a newer one, after 1, 2, 4, 8 … hours, as far as these have passed."),
    ]
    have: Annotated[Count, about("How many have it, or a newer one, by now.")]
    median_s: Annotated[Count | None, about("When half of the mirrors had it; null if half do not have it.")]


class Delay(Record, frozen=True, kw_only=True):
    """How long after the origin a mirror had a version."""

    mirror: str
    delay_s: Count


class RepoPropagation(Record, frozen=True, kw_only=True):
    """How the last versions of a repo came to the mirrors."""

    repo: Annotated[str, about("The release/repo/arch.")]
    versions: Annotated[tuple[VersionCounts, ...], about("The newest first.")]
    fastest: Annotated[tuple[Delay, ...], about("Of those that have the newest version.")]
    slowest: Annotated[tuple[Delay, ...], about("Of the others that have it, the slowest first.")]
    lacking: Annotated[tuple[str, ...], about("The first mirrors, by name, that do not have it.")]


class NewestVersion(VersionCounts, frozen=True, kw_only=True):
    """The newest version of a repo."""

    repo: Annotated[str, about("The release/repo/arch.")]


class MirrorDelay(Record, frozen=True, kw_only=True):
    """How fast a mirror has new versions."""

    mirror: str
    median_s: Annotated[
        Count | None,
        about("Half of the versions were there after so long. What it lacks for longer counts, too."),
    ]
    versions: Annotated[Count, about("Of how many versions it is known when it had them.")]
    lacking: Annotated[Count, about("How many versions it does not have yet, nor anything newer.")]


class Propagation(Record, frozen=True, kw_only=True):
    """How new versions of all repos came to the mirrors."""

    compiled_at: datetime
    since: Annotated[datetime, about("Versions that were new at the origin before this are left out.")]
    interval_s: Annotated[
        EpochSeconds | None,
        about("How often mirrors are asked, and so how much later than it happened something may be seen."),
    ]
    after_h: Annotated[tuple[Count, ...], about("The hours that `had` is of.")] = AFTER_H
    had: Annotated[
        tuple[Part, ...], about("The part of the mirrors that had a version after so many hours, of all.")
    ]
    repos: Annotated[tuple[NewestVersion, ...], about("The one that changed last first.")]
    mirrors: Annotated[tuple[MirrorDelay, ...], about("The fastest first.")]


class PropagationDocument(Record, frozen=True, kw_only=True):
    """Propagation as it is published: all repos together, and each by its key. The parts stay encoded until
    they are asked for."""

    service: msgspec.Raw
    repos: Mapping[str, msgspec.Raw] = {}

    def of_service(self) -> Propagation:
        """Returns how new versions of all repos came to the mirrors."""
        return _SERVICES.decode(self.service)

    def of_repo(self, repo: str) -> RepoPropagation | None:
        """Returns how the last versions of a repo came to the mirrors; None if none was new lately."""
        encoded = self.repos.get(repo)
        return None if encoded is None else _REPOS.decode(encoded)

    def of_mirror(self, name: str) -> MirrorDelay | None:
        """Returns how fast a mirror is; None if nothing is known of it."""
        return next((one for one in self.of_service().mirrors if one.mirror == name), None)

    def is_sound(self) -> bool:
        """Returns whether all values can be true. Raises what msgspec raises for a part that cannot be
        read."""
        service = self.of_service()
        repos = {key: _REPOS.decode(encoded) for key, encoded in self.repos.items()}
        versions = [*service.repos, *(one for repo in repos.values() for one in repo.versions)]
        return (
            all(is_possible(one.at) and len(one.had) <= len(AFTER_H) for one in versions)
            and is_possible(service.compiled_at)
            and is_possible(service.since)
            and service.after_h == AFTER_H
            and len(service.had) <= len(AFTER_H)
            and all(key == repo.repo and repo.versions for key, repo in repos.items())
        )


# They are made here, because two threads that make one for the same type at the same time crash the process.
_SERVICES = msgspec.msgpack.Decoder(Propagation)
_REPOS = msgspec.msgpack.Decoder(RepoPropagation)


def document(service: Propagation, repos: Mapping[str, RepoPropagation]) -> PropagationDocument:
    """Makes the document of these values. The repos are by key."""
    encoded = {key: msgspec.Raw(msgspec.msgpack.encode(one)) for key, one in repos.items()}
    return PropagationDocument(service=msgspec.Raw(msgspec.msgpack.encode(service)), repos=encoded)
