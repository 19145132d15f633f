"""Reads the files in `cloud/`, which have the address ranges that cloud providers publish. The provider of a
file is recognised by the content, not by the name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from app.clouds import PROVIDERS
from app.clouds.belief import believed, impossible
from app.clouds.provider import Provider
from app.clouds.ranges import CloudRanges, merge
from app.files import guarded, paths, read_bytes
from app.model import Finding, SourceError
from app.model.errors import fault

RANGE_ENDINGS = (".json",)
MAX_BYTES = 64 * 1024 * 1024  # the largest of them, Azure's, has 4 MB

_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_cloud_ranges(content: bytes) -> CloudRanges:
    """Reads the ranges in a provider's file. Raises ValueError with a text that says what the content is
    instead ("not a JSON object: …")."""
    try:
        keys = _KEYS.decode(content).keys()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON object: {error}") from error
    provider = _provider_with(keys)
    if provider is None:
        known = ", ".join(PROVIDERS)
        raise ValueError(f"not in the format of any known provider ({known})")
    try:
        ranges = merge(provider.name, provider.read(content))
    except (ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"not usable as {provider.name}'s ranges: {error}") from error
    problem = impossible(ranges) if ranges.ranges else "there are none in it"
    if problem:
        raise ValueError(f"not usable as {provider.name}'s ranges: {problem}")
    return ranges


def provider_of(content: bytes) -> str | None:
    """Returns the name of the provider in whose format a file is, whether or not the file is usable; None if
    the format is no provider's."""
    try:
        provider = _provider_with(_KEYS.decode(content).keys())
    except (ValueError, RecursionError):
        return None
    return provider.name if provider else None


def _provider_with(keys: Collection[str]) -> Provider | None:
    return next((provider for provider in PROVIDERS.values() if provider.keys <= set(keys)), None)


def read_cloud_file(path: Path) -> CloudRanges:
    """Reads the ranges in a file. Raises SourceError with one finding."""
    content = read_bytes(path, MAX_BYTES)
    try:
        return parse_cloud_ranges(content)
    except ValueError as error:
        raise SourceError([fault(path.name, f"the file is {error}")]) from error


def read_cloud_folder(
    folder: Path, last: Mapping[str, CloudRanges] = MappingProxyType({})
) -> tuple[dict[str, CloudRanges], list[Finding]]:
    """Reads the newest ranges of each provider. Returns the ranges by provider, and the findings about files
    that cannot be used, or about the folder (as "."). A missing folder counts as an empty one. `last` are the
    last good ranges of each provider, with which new ones are compared."""
    findings: list[Finding] = []
    files: list[tuple[str, CloudRanges]] = []
    try:
        found = paths(folder, *RANGE_ENDINGS)
    except FileNotFoundError:
        return {}, []
    except OSError as closed:
        return {}, [fault(".", f"the folder cannot be read: {closed.strerror or closed}")]
    for path in found:
        try:
            files.append((path.name, guarded(read_cloud_file, path)))
        except SourceError as error:
            findings.extend(error.findings)
    if not findings:  # else the file at fault may be any provider's, and its last good ranges stay
        there = {ranges.provider for _, ranges in files}
        last = {provider: ranges for provider, ranges in last.items() if provider in there}
    good, problems = believed(files, last)
    refused = [fault(file, f"the file is not believed: {problem}") for file, problem in problems.items()]
    return good, [*findings, *refused]
