"""Reads the files of `cloud/`. The provider of a file is recognised by the content, not by the name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from app.clouds import PROVIDERS
from app.clouds.provider import Provider
from app.clouds.ranges import CloudRanges, merge
from app.files import listing_error, paths, read_bytes
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
    if not ranges.ranges:
        raise ValueError(f"not usable as {provider.name}'s ranges: there are none in it")
    return ranges


def provider_of(content: bytes) -> str | None:
    """The name of the provider whose format a file has, usable or not; None if it is no provider's."""
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


def read_cloud_folder(folder: Path) -> tuple[dict[str, CloudRanges], list[Finding]]:
    """Reads the newest ranges of each provider. Returns them with the findings about files that cannot be
    used, or about the folder ("."). A missing folder counts as an empty one."""
    newest: dict[str, CloudRanges] = {}
    findings: list[Finding] = []
    closed = listing_error(folder)
    if closed is not None and not isinstance(closed, FileNotFoundError):
        return newest, [fault(".", f"the folder cannot be read: {closed.strerror or closed}")]
    for path in paths(folder, *RANGE_ENDINGS):
        try:
            ranges = read_cloud_file(path)
        except SourceError as error:
            findings.extend(error.findings)
            continue
        present = newest.get(ranges.provider)
        if present is None or ranges.version > present.version:
            newest[ranges.provider] = ranges
    return newest, findings
