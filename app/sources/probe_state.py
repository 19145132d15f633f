"""Reads the prober's state files: state/mirrors/<name>.json, state/repos.json, state/isos.json and
state/round.json.

A program writes them, so the reader is strict, with one exception: what a newer version of the program
adds (a key, a protocol, a verdict on content) is left out, and so counts as unknown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from app.files import read_bytes
from app.model import (
    FAMILIES,
    PROTOCOLS,
    Content,
    ImageDirectory,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    SourceError,
)
from app.model.errors import fault
from app.model.images import IMAGE_NAME, MAX_NAMES
from app.model.words import quoted, shortened

MAX_MIRROR_BYTES = 4_000_000
MAX_REPOS_BYTES = 32_000_000
MAX_ROUND_BYTES = 100_000

MAX_ADDRESSES = 100
MAX_WORDS = 300
"""The largest number of characters of a text for people in a state file; longer texts are cut."""

MAX_NUMBER = 2**53
"""All numbers are below this, so that every reader of JSON and a snapshot can hold them."""

_CONTENTS = frozenset(Content)
_HEX_DIGITS = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}

_T = TypeVar("_T")


def read_mirror_state(path: Path) -> MirrorState:
    """Reads the state of a mirror. Raises SourceError if the file is damaged, or is about another mirror
    than its name says."""
    return mirror_state(path, _decode(path, MAX_MIRROR_BYTES, dict[str, Any]))


def mirror_state(path: Path, raw: dict[str, Any]) -> MirrorState:
    """Returns the state of a mirror, given the JSON object that the file at `path` holds, or that a survey
    holds under its name. Raises SourceError as `read_mirror_state` does."""
    _leave_out_unknown(raw)
    state = _convert(path, raw, MirrorState)
    if state.mirror != path.stem:
        raise _damaged(path, f'it is about the mirror "{state.mirror}", which its name is not')
    for moment in (state.probed_at, state.since, state.timestamp, state.origin_timestamp):
        _check_moment(path, moment)
    for moment in state.asked_again.values():
        _check_moment(path, moment)
    _check_number(path, "failures", state.failures)
    _check_addresses(path, state.addresses)
    return _in_few_words(state)


def read_repo_versions(path: Path) -> dict[str, tuple[RepomdVersion, ...]]:
    """Reads the origin's versions of repomd.xml, newest first, by "release/repo/arch". Raises SourceError."""
    return repo_versions(path, _decode(path, MAX_REPOS_BYTES, dict[str, tuple[RepomdVersion, ...]]))


def repo_versions(
    path: Path, by_repo: dict[str, tuple[RepomdVersion, ...]]
) -> dict[str, tuple[RepomdVersion, ...]]:
    """Returns the origin's versions as they are, if all their values are possible. Raises SourceError if
    not."""
    for repo, versions in by_repo.items():
        for version in versions:
            _check_moment(path, version.seen_at)
            _check_number(path, f"{repo}: timestamp", version.timestamp)
            _check_number(path, f"{repo}: size", version.size)
            for name in _HEX_DIGITS:
                _check_digest(path, repo, name, getattr(version, name))
    return by_repo


def read_images(path: Path) -> dict[str, ImageDirectory]:
    """Reads the ISO directories of the origin, by "release/arch". Raises SourceError."""
    return checked_images(path, _decode(path, MAX_REPOS_BYTES, dict[str, ImageDirectory]))


def checked_images(path: Path, by_key: dict[str, ImageDirectory]) -> dict[str, ImageDirectory]:
    """Returns the ISO directories as they are, if all their values are possible. Raises SourceError if
    not."""
    for key, directory in by_key.items():
        _check_moment(path, directory.seen_at)
        others = directory.others or ()
        if not directory.images or max(len(directory.images), len(others)) > MAX_NAMES:
            raise _damaged(path, f"{key}: it must have 1 to {MAX_NAMES} images and other files")
        for name in (directory.checksums, *directory.images, *others):
            if not re.fullmatch(IMAGE_NAME, name):
                raise _damaged(path, f"{key}: {quoted(name)} is not the name of a file")
        for name, image in directory.images.items():
            if image.size is not None:
                _check_number(path, f"{key}: the size of {name}", image.size)
            if image.sha256 is None and image.sha512 is None:
                raise _damaged(path, f"{key}: {name} has no checksum")
            _check_digest(path, f"{key}: {name}", "sha256", image.sha256)
            _check_digest(path, f"{key}: {name}", "sha512", image.sha512)
    return by_key


def read_round(path: Path) -> ProbeRound:
    """Reads round.json, which is about the prober's last complete round. Raises SourceError if the file is
    damaged."""
    return checked_round(path, _decode(path, MAX_ROUND_BYTES, ProbeRound))


def checked_round(path: Path, probe_round: ProbeRound) -> ProbeRound:
    """Returns a round as it is, if its values are possible. Raises SourceError if not."""
    for moment in (probe_round.completed_at, probe_round.started_at):
        _check_moment(path, moment)
    return probe_round


def _leave_out_unknown(raw: dict[str, Any]) -> None:
    """Removes unknown protocols, IP versions and verdicts from a mirror's state that is not typed yet. A
    value of a wrong type stays, so that the typed conversion reports it."""
    endpoints, content = raw.get("endpoints"), raw.get("content")
    if isinstance(endpoints, dict):
        raw["endpoints"] = {
            protocol: {f: e for f, e in families.items() if f in FAMILIES}
            if isinstance(families, dict)
            else families
            for protocol, families in endpoints.items()
            if protocol in PROTOCOLS
        }
    if isinstance(content, dict):
        raw["content"] = {
            repo: verdict
            for repo, verdict in content.items()
            if not isinstance(verdict, str) or verdict in _CONTENTS
        }


def _decode(path: Path, limit_bytes: int, kind: type[_T]) -> _T:
    content = read_bytes(path, limit_bytes)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    except RecursionError as error:
        raise _damaged(path, "it is nested too deep") from error


def _convert(path: Path, raw: dict[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _damaged(path, str(error)) from error


def _check_moment(path: Path, moment: datetime | None) -> None:
    if moment is None:
        return
    if moment.tzinfo is None:
        raise _damaged(path, f"the time {moment.isoformat()} has no time zone")
    if not 1970 <= moment.year < 9000:  # near the ends, computing with it fails
        raise _damaged(path, f"the time {moment.isoformat()} is none between 1970 and 9000")


def _check_addresses(path: Path, addresses: Collection[str]) -> None:
    if len(addresses) > MAX_ADDRESSES:
        raise _damaged(path, f"it has {len(addresses):,} addresses; the most allowed is {MAX_ADDRESSES}")
    for address in addresses:
        try:
            is_plain = "%" not in str(ipaddress.ip_address(address))  # a zone is this machine's own affair
        except ValueError:
            is_plain = False
        if not is_plain:
            raise _damaged(path, f"{quoted(address)} is not an IP address")


def _in_few_words(state: MirrorState) -> MirrorState:
    """Returns the state with its texts for people cut to a length that a page has room for."""
    endpoints = {
        protocol: {
            family: msgspec.structs.replace(endpoint, detail=_few_words(endpoint.detail))
            for family, endpoint in families.items()
        }
        for protocol, families in state.endpoints.items()
    }
    return msgspec.structs.replace(state, reason=_few_words(state.reason), endpoints=endpoints)


def _few_words(text: str | None) -> str | None:
    return None if text is None else shortened(text, MAX_WORDS)


def _check_digest(path: Path, of: str, name: str, digest: str | None) -> None:
    length = _HEX_DIGITS[name]
    if digest is not None and (len(digest) != length or digest.strip("0123456789abcdef")):
        raise _damaged(path, f"{of}: {name} is not {length} lower-case hexadecimal digits")


def _check_number(path: Path, key: str, number: int) -> None:
    if not 0 <= number < MAX_NUMBER:
        raise _damaged(path, f"{key} must be a number from 0 to {MAX_NUMBER}")


def _damaged(path: Path, problem: str) -> SourceError:
    return SourceError([fault(path.name, f"the file is not what the prober writes: {problem}")])
