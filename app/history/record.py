"""The record of one request: a line of JSON, which nginx writes or, without nginx, the web processes.

A record holds no address and nothing that tells one network from its neighbours: of the client it has the
place, the cloud region, the IP version, and the software. What it says about the question comes from the
service, in the header `X-Mirrorlist-Question`, so that nginx need not know any URL form:

    almalinux 9.8/baseos/x86_64 baseos-9

These are the URL form, the release, repo and arch, and the repo as countme calls it. A request that was not
answered with mirrors has no question.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec

from app.model.place import PATTERN as PLACE

MAX_LINE_BYTES = 8192
"""Longer lines are no records."""
MAX_KNOWN = 8192

_NAME = r"[A-Za-z0-9._+-]{1,100}"
_QUESTION = re.compile(
    rf"(?P<form>[a-z]{{1,20}}) (?P<release>{_NAME})/(?P<repo>(?:{_NAME})?)/(?P<arch>[A-Za-z0-9._+-]{{0,100}})"
    rf"(?: (?P<tag>[A-Za-z0-9._+-]{{1,201}}))?"
)

_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9 _-]{0,40}\Z")]


class Asked(NamedTuple):
    """What was asked for, and in which URL form."""

    form: str
    release: str
    #: Empty for ISOs.
    repo: str
    #: Empty where the client named none, or none matters.
    arch: str
    #: The repo as MirrorManager's clients write it ("baseos-9"); empty for what countme does not count.
    tag: str = ""

    def __str__(self) -> str:
        tag = f" {self.tag}" if self.tag else ""
        return f"{self.form} {self.release}/{self.repo}/{self.arch}{tag}"


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as its line in the log says. Unknown keys are ignored."""

    #: When it was answered, in ISO 8601 with the zone.
    time: Annotated[str, msgspec.Meta(max_length=40)]
    #: `Asked`, written as text; empty for requests that were not answered with mirrors.
    question: Annotated[str, msgspec.Meta(max_length=500)] = ""
    #: The client's place.
    place: Annotated[str, msgspec.Meta(pattern=rf"^{PLACE}\Z")] = ""
    #: The client's cloud provider and region ("aws:eu-central-1").
    region: Annotated[
        str, msgspec.Meta(pattern=r"^(?:[A-Za-z0-9._-]{1,100}(?::[A-Za-z0-9._-]{1,100})?)?\Z")
    ] = ""
    family: Annotated[int, msgspec.Meta(ge=4, le=6)] = 4
    #: The name of the first mirror, and the pass that gave it.
    mirror: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,253}\Z")] = ""
    reason: _Word = ""
    status: Annotated[int, msgspec.Meta(ge=0, le=999)]
    #: What nginx's cache did ("HIT"); empty where it had no part in it.
    cache: _Word = ""
    #: The age bucket that the client sent, 1 to 4; 0 for none.
    countme: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    #: The client's software, as `app.history.software` writes it.
    software: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9 ._+/|-]{0,200}\Z")] = ""


class Moment(NamedTuple):
    """The hour, day and week of a record, in UTC, as the tables write them."""

    hour: str
    day: str
    week: str


_decode = msgspec.json.Decoder(RequestRecord).decode


def parse_record(line: bytes) -> RequestRecord | None:
    """Parses a line of a log, without its end. Returns None for a line that is no record."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if moment_of(record.time) is None or (record.question and asked_in(record.question) is None):
        return None
    return record


def is_record(line: bytes) -> bool:
    """Returns whether a line is a record."""
    return parse_record(line) is not None


@lru_cache(MAX_KNOWN)
def asked_in(question: str) -> Asked | None:
    """Parses the question of a record. Returns None if it is none."""
    match = _QUESTION.fullmatch(question)
    if match is None:
        return None
    return Asked(match["form"], match["release"], match["repo"], match["arch"], match["tag"] or "")


@lru_cache(64)
def moment_of(time: str) -> Moment | None:
    """Returns hour, day and week of a record's time; None if the time is none, or has no zone."""
    try:
        when = datetime.fromisoformat(time)
        if when.tzinfo is None:
            return None
        when = when.astimezone(UTC)
        return _moment(when.year, when.month, when.day, when.hour)
    except (ValueError, OverflowError):
        return None


@lru_cache(MAX_KNOWN)
def _moment(year: int, month: int, day: int, hour: int) -> Moment:
    this = date(year, month, day)
    monday = this - timedelta(days=this.weekday())
    return Moment(f"{this}T{hour:02}", str(this), str(monday))
