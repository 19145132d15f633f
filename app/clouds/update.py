"""Fetches the cloud providers' published ranges (`mirrorwise ranges update`).

Each provider is updated by itself: if something goes wrong with one, a sentence says so, its present file
stays, and the others are not affected. A file is replaced (in one step) only by one that this program can
read, that is of the same provider and not older, and that does not differ too much from the present one. ETag
and Last-Modified of what was fetched are kept in `.fetched.json` beside the files; they count only while the
file is still the one that they came with.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec
from yarl import URL

from app.clouds import PROVIDERS
from app.clouds.belief import leap
from app.clouds.provider import Provider
from app.clouds.ranges import CloudRanges
from app.clouds.read import parse_cloud_ranges, read_cloud_file, read_cloud_folder
from app.files import digest_of_file, replacing
from app.model import MirrorwiseError, Record, SourceError, digest_of

FETCHED = ".fetched.json"
_REDIRECTS = {301, 302, 303, 307, 308}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class DownloadLimits(Record, frozen=True, kw_only=True):
    """The limits of time and size of a download."""

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 120.0
    max_bytes: int = 32 * 1024 * 1024
    max_redirects: int = 5
    #: Whether plain HTTP is allowed for URLs of this machine itself (loopback).
    http_on_loopback: bool = False


class RangeUpdate(Record, frozen=True, kw_only=True):
    """The result of the update of one provider's ranges."""

    provider: str
    outcome: Literal["updated", "unchanged", "failed"]
    #: A sentence for people.
    message: str


Progress = Callable[[str, int, int | None], None]
"""A function that is told the name of the provider, how many bytes of the present answer were received (Azure
has two answers, a page and the file), and how many are expected, or None if that is unknown."""


class _Fetched(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record of what was last fetched for a provider."""

    url: str
    #: The digest of the file that was written.
    sha256: str
    etag: str | None = None
    last_modified: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    """An HTTP response, as far as an update needs it."""

    url: str
    #: The body; None if the response was 304 (not modified).
    content: bytes | None
    content_type: str
    etag: str | None
    last_modified: str | None


class _UpdateError(MirrorwiseError):
    """The error that nothing usable was fetched. Its text is a sentence without the provider's name."""


def update_ranges(
    folder: Path,
    providers: Iterable[Provider] = PROVIDERS.values(),
    progress: Progress | None = None,
    limits: DownloadLimits | None = None,
) -> list[RangeUpdate]:
    """Fetches the ranges of each provider into the folder, which need not exist. Returns a result for each
    provider, in order."""
    with suppress(OSError):  # told by each provider that cannot be written
        folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_update_all(folder, providers, progress, limits or DownloadLimits()))


async def _update_all(
    folder: Path, providers: Iterable[Provider], progress: Progress | None, limits: DownloadLimits
) -> list[RangeUpdate]:
    fetched = _read_fetched(folder)
    present, _ = read_cloud_folder(folder)
    timeout = aiohttp.ClientTimeout(
        total=limits.total_timeout_s, connect=limits.connect_timeout_s, sock_read=limits.read_timeout_s
    )
    headers = {"User-Agent": "mirrorwise-ranges"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session:
        updaters = [_Updater(session, folder, provider, limits, progress) for provider in providers]
        tasks = [u.update(present.get(u.provider.name), fetched) for u in updaters]
        results = await asyncio.gather(*tasks)
    record = msgspec.json.encode(fetched, order="deterministic")
    with suppress(OSError):  # costs no more than an unconditional download
        _replace(folder / FETCHED, msgspec.json.format(record, indent=2))
    return list(results)


class _Updater:
    """Brings one provider's file up to date."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        folder: Path,
        provider: Provider,
        limits: DownloadLimits,
        progress: Progress | None,
    ) -> None:
        self.provider = provider
        self._session = session
        self._path = folder / provider.file
        self._limits = limits
        self._progress = progress

    async def update(self, present: CloudRanges | None, fetched: dict[str, _Fetched]) -> RangeUpdate:
        """Brings the file up to date, and records in `fetched` what was fetched. `present` are the ranges in
        the present file, if there are any. A failure is not raised, but said in the result."""
        try:
            return await self._update(present, fetched)
        except TimeoutError:
            reason = f"no complete answer from {self.provider.url} within the time allowed"
        except (aiohttp.ClientError, ValueError) as error:  # ValueError: a redirect to what is no URL
            reason = f"{self.provider.url} could not be fetched: {error or type(error).__name__}"
        except OSError as error:
            reason = f"{self._path} could not be written: {error.strerror or error}"
        except _UpdateError as error:
            reason = str(error)
        kept = "the present file is kept" if present else "there is no earlier file"
        return self._result("failed", f"{reason}; {kept}")

    async def _update(self, present: CloudRanges | None, fetched: dict[str, _Fetched]) -> RangeUpdate:
        url = self.provider.url
        if self.provider.link is not None:
            url = _last_link(await self._get(url), self.provider.link)
        answer = await self._get(url, self._usable(fetched.get(self.provider.name), url))
        if answer.content is None:
            return self._result("unchanged", "not modified since the last update")
        ranges = self._checked(answer, answer.content, present)
        if present is not None and ranges.version < present.version:
            return self._result(
                "unchanged", f"{url} has version {ranges.version}, older than the present {present.version}"
            )
        digest = digest_of(answer.content)
        if digest != self._digest():
            await asyncio.to_thread(_replace, self._path, answer.content)
        fetched[self.provider.name] = _Fetched(
            url=url, sha256=digest, etag=answer.etag, last_modified=answer.last_modified
        )
        if present is not None and ranges == present:
            return self._result("unchanged", f"the same {len(ranges.ranges):,} prefixes as before")
        before = f", {len(present.ranges):,} before" if present else ""
        return self._result("updated", f"{len(ranges.ranges):,} prefixes{before}, in {self._path}")

    def _usable(self, fetched: _Fetched | None, url: str) -> _Fetched | None:
        """Returns the record of what was last fetched, if it was fetched from `url` and the file that came
        with it is still there, unchanged and readable. Otherwise returns None, so that the file is downloaded
        anew."""
        if fetched is None or fetched.url != url or fetched.sha256 != self._digest():
            return None
        try:
            read_cloud_file(self._path)
        except SourceError:  # written by an older program that read it otherwise
            return None
        return fetched

    def _digest(self) -> str | None:
        try:
            return digest_of_file(self._path)
        except OSError:
            return None

    def _checked(self, answer: _Answer, content: bytes, present: CloudRanges | None) -> CloudRanges:
        try:
            ranges = parse_cloud_ranges(content)
        except ValueError as error:
            raise _UpdateError(f"{answer.url} answered {answer.content_type}, {error}") from error
        if ranges.provider != self.provider.name:
            raise _UpdateError(f"{answer.url} answered the ranges of {ranges.provider}")
        if problem := leap(present, ranges):
            hint = " (if that is right, delete the present file)" if present else ""
            raise _UpdateError(f"{answer.url} is not believed: {problem}{hint}")
        return ranges

    async def _get(self, url: str, known: _Fetched | None = None) -> _Answer:
        """Sends a GET, follows redirects and returns the answer. If `known` says what was fetched before, the
        request is conditional."""
        headers = {}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        target = URL(url)
        for _ in range(self._limits.max_redirects + 1):
            self._require_safe(target)
            async with self._session.get(target, headers=headers, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    target = target.join(URL(location))
                    continue
                if response.status == 304 and known is not None:
                    return _Answer(url, None, "", known.etag, known.last_modified)
                if response.status != 200:
                    raise _UpdateError(f"{target} answered {response.status} {response.reason}")
                return _Answer(
                    url=url,
                    content=await self._body(response),
                    content_type=response.content_type,
                    etag=response.headers.get("ETag"),
                    last_modified=response.headers.get("Last-Modified"),
                )
        raise _UpdateError(f"{url} redirects more than {self._limits.max_redirects} times")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Reads the body of an answer. Its size is counted after decompression."""
        allowed = self._limits.max_bytes
        expected = None if "Content-Encoding" in response.headers else response.content_length
        content = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > allowed:
                raise _UpdateError(f"{response.url} is larger than the {allowed:,} bytes allowed")
            if self._progress is not None:
                self._progress(self.provider.name, len(content), expected)
        return bytes(content)

    def _require_safe(self, url: URL) -> None:
        if url.scheme == "https":
            return
        if url.scheme == "http" and self._limits.http_on_loopback and url.host in _LOOPBACK:
            return
        raise _UpdateError(f"{self.provider.url} leads to {url}, which is not https")

    def _result(self, outcome: Literal["updated", "unchanged", "failed"], message: str) -> RangeUpdate:
        return RangeUpdate(
            provider=self.provider.name, outcome=outcome, message=f"{self.provider.name}: {message}"
        )


def _last_link(page: _Answer, pattern: str) -> str:
    """Returns the link in a download page that has the latest date in its file name. Raises _UpdateError if
    no link matches the pattern."""
    text = unescape((page.content or b"").decode("utf-8", "replace"))
    text = text.replace("\\u002F", "/").replace("\\/", "/")  # as in a script's strings
    links = re.findall(pattern, text)
    if not links:
        raise _UpdateError(f"{page.url} has no link to a file of ranges (looked for {pattern})")
    return str(max(links, key=lambda link: link.rpartition("/")[2]))


def _read_fetched(folder: Path) -> dict[str, _Fetched]:
    """Reads the records of what was last fetched, by provider. If they are unreadable, there are none, and
    everything is downloaded again."""
    try:
        return msgspec.json.decode((folder / FETCHED).read_bytes(), type=dict[str, _Fetched])
    except (OSError, ValueError):
        return {}


def _replace(path: Path, content: bytes) -> None:
    """Replaces a file by one that every user may read, whatever the umask is."""
    with replacing(path, durable=True) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
