"""Reads mirmon's state file, for networks that mirmon watches instead of our own prober.

Format ("State file format" in the manual of mirmon 2.11): a line per URL, seven fields separated by
single blanks, of which some may be empty:

    url  age  status  last-success  probe-history  state-history  last-probe

`age` is the timestamp that the last successful probe found on the mirror; it and the other times are
epoch seconds or "undef". `status` is that of the last probe: "ok", or what went wrong. The probe history is a
string of s and f (success, failure), newest last. A probe can succeed on stale content.

mirmon probes a URL over whatever address family connects. So its results count for IPv4, and IPv6 is
unknown. One failed probe alone means nothing, because mirmon tries again within hours. A URL counts as
down from the second failure in a row, or if no probe ever succeeded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from app.files import read_bytes
from app.model import Endpoint, Family, Finding, Mirror, MirrorState, Protocol, Status, main_addresses
from app.model.words import escaped, quoted
from app.sources.base_url import BaseUrl, parse_base_url
from app.sources.report import Report

MAX_BYTES = 4_000_000  # 5,000 mirrors have half of it
FAILURES_UNTIL_DOWN = 2

_FIELD_COUNT = 7
_EPOCH = re.compile(r"\d{1,11}")
_ANSWERED_WRONGLY = frozenset({"empty", "no_time"})  # the server is there, its time file is not


class _Line(msgspec.Struct, frozen=True):
    protocol: Protocol
    timestamp: datetime | None
    status: str
    last_success: datetime | None
    failures: int  # in a row, up to now
    last_probe: datetime

    @property
    def is_down(self) -> bool:
        return self.last_success is None or self.failures >= FAILURES_UNTIL_DOWN

    @property
    def contradicts_itself(self) -> bool:
        return self.status == "ok" and self.last_success is None

    @property
    def detail(self) -> str | None:
        return None if self.status == "ok" else f"mirmon: {escaped(self.status.replace('_', ' '))}"


def read_mirmon(path: Path, mirrors: Iterable[Mirror]) -> tuple[dict[str, MirrorState], list[Finding]]:
    """Reads the states, by mirror name, of all mirrors that were ever probed, and the findings. Lines that
    cannot be read, and URLs of no mirror, are warnings. Raises SourceError if the file cannot be read."""
    report = Report(path.name)
    mirror_of_url = {url: mirror.name for mirror in mirrors for _, url in main_addresses(mirror)}
    lines: dict[str, list[_Line]] = defaultdict(list)
    strangers: list[tuple[int, str]] = []
    content = read_bytes(path, MAX_BYTES).decode("utf-8", "replace")
    for number, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        fields = text.rstrip("\r").split(" ")
        if len(fields) != _FIELD_COUNT:
            report.warning(number, f"this line has {len(fields)} fields, not {_FIELD_COUNT}; ignored")
            continue
        base = _base_url(fields[0])
        name = mirror_of_url.get(base.url) if base else None
        if base is None or name is None:
            strangers.append((number, fields[0]))
        elif line := _line(base.protocol, fields):
            if line.contradicts_itself:
                report.warning(number, "the last probe succeeded, and none ever did, says this line; ignored")
            else:
                lines[name].append(line)
    if strangers:
        number, url = strangers[0]
        report.warning(number, f"{len(strangers)} URLs are those of no mirror here, such as {quoted(url)}")
    return {name: _state(name, lines[name]) for name in lines}, report.findings


def _base_url(text: str) -> BaseUrl | None:
    try:
        return parse_base_url(text)
    except ValueError:
        return None


def _line(protocol: Protocol, fields: Sequence[str]) -> _Line | None:
    """Reads the fields of a line in the file. Returns None if the URL was never probed."""
    _, age, status, last_success, probes, _, last_probe = fields
    probed_at = _moment(last_probe)
    if probed_at is None:
        return None
    return _Line(
        protocol=protocol,
        timestamp=_moment(age),
        status=status,
        last_success=_moment(last_success),
        failures=len(probes) - len(probes.rstrip("f")),
        last_probe=probed_at,
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if _EPOCH.fullmatch(text) else None


def _state(name: str, lines: Sequence[_Line]) -> MirrorState:
    """Returns the state of a mirror, which is as good as the best of its URLs; `lines` are those of its URLs.
    While the mirror is up, its time of probing is that of the last success, because its timestamp was seen
    then."""
    best = min(lines, key=lambda line: (line.failures, -(line.last_success or line.last_probe).timestamp()))
    up = [line for line in lines if not line.is_down]
    successes = [line.last_success for line in lines if line.last_success]
    endpoints: dict[Protocol, dict[Family, Endpoint]] = {
        line.protocol: {"ipv4": Endpoint(ok=not line.is_down, detail=line.detail)} for line in lines
    }
    wrong = any(line.status in _ANSWERED_WRONGLY for line in lines)
    return MirrorState(
        mirror=name,
        probed_at=max(successes) if up else max(line.last_probe for line in lines),
        status=Status.OK if up else Status.BROKEN if wrong else Status.UNREACHABLE,
        since=None if up else max(successes, default=None),
        failures=best.failures,
        reason=None if up else best.detail,
        timestamp=max((line.timestamp for line in lines if line.timestamp), default=None),
        endpoints=endpoints,
    )
