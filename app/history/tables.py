"""The tables of the history's database, and how older schemas become the present one.

The tables of requests hold sums: each row says how often something was asked for in an hour, a day, a week or
a month. All times are in UTC and written so that they sort as text: hours as `2026-11-27T14`, days as
`2026-11-27`, months as `2026-11`; a week is named by the day of its Monday. What is not known is the empty
text, never NULL, because it is a part of keys.

`hours` counts every request. The other tables of sums count only requests for a list, an ISO list or a
download that were answered with mirrors (status 200 or 302).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()


def _sums(name: str, *key: str, integers: tuple[str, ...] = ()) -> Table:
    """Makes a table of sums: the number of `requests` for each key. Columns of the key are texts, but for
    those in `integers`."""
    columns = [Column(part, Integer if part in integers else Text, primary_key=True) for part in key]
    return Table(name, metadata, *columns, Column("requests", BigInteger, nullable=False))


hours = _sums("hours", "hour", "form", "status", "cache", "family", "reason", integers=("status", "family"))
"""All requests. `form` is a label of the URL forms ("almalinux", "download"), empty for pages and errors;
`family` is 4 or 6; `reason` is the pass that gave the first mirror; `cache` is nginx's word, empty without
it."""

repo_days = _sums("repo_days", "day", "release", "repo", "arch")
"""`release` is the full name ("9.8"); `repo` is empty for ISOs; `arch` is empty where the client named
none."""

country_days = _sums("country_days", "day", "country")
"""`country` is a code ("DE"); empty where the client's country is not known."""

place_days = _sums("place_days", "day", "place", "reason")
"""`place` is a client's place ("DE/50/8", "DE", "~EU", or empty). `reason` is the pass that gave the first
mirror: only where it is "geography", the place has decided."""

place_months = _sums("place_months", "month", "place")
"""What `place_days` held before it was forgotten."""

region_days = _sums("region_days", "day", "provider", "region")
"""Clients in clouds alone. `region` is empty for addresses that the provider assigns to no region."""

mirror_days = _sums("mirror_days", "day", "mirror", "country")
"""How often a mirror was the first of a list or the target of a download, by the client's country. `mirror`
is empty where the origin or the vault was."""

software_days = _sums("software_days", "day", "family", "os_name", "os_version", "os_variant", "os_arch")
"""`family` is a word ("dnf", "curl"); the rest is known of libdnf and rpm-ostree alone."""

system_weeks = _sums(
    "system_weeks",
    *("week", "os_name", "os_version", "os_variant", "os_arch", "sys_age", "repo_tag", "repo_arch"),
    integers=("sys_age",),
)
"""Systems as Fedora's countme counts them: `sys_age` is 1 (in its first week) to 4 (older than half a year),
`repo_tag` is the repo as MirrorManager writes it ("baseos-9")."""

DAY_SUMS = (hours, repo_days, country_days, region_days, mirror_days, software_days)
"""The tables whose rows are deleted when they are old. The first column is the time."""

SUMS = (*DAY_SUMS, place_days, place_months, system_weeks)

positions = Table(
    "positions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("collector", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("head", Text, nullable=False),
    Column("head_bytes", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("seen_at_s", Float, nullable=False),
)
"""How far each log file has been counted: `offset` bytes of what it holds, uncompressed. A file is known
again by its beginning: `head` is the SHA-256 of its first `head_bytes` bytes. `collector` is the machine that
read it, `path` where it was, `is_done` whether no more is expected in it."""

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at_s", Float, nullable=False, index=True),
    Column("mirror", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("evidence", Text),
    Column("lists", Integer, nullable=False),
    Column("changes_lists", Boolean, nullable=False),
    Column("generation", Text),
    Index("events_of_mirror", "mirror", "at_s"),
)
"""What changed, as `model/events.py` says it. `id` is the hash of the event, so that it is there once;
`mirror` is empty for a publication."""

versions = Table(
    "versions",
    metadata,
    Column("repo", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at_s", Float, nullable=False, index=True),
    Column("arrivals", LargeBinary, nullable=False),
)
"""The versions of repos that are new at the origin since `at_s`. `repo` is the key "release/repo/arch",
`version` the short name of the repomd.xml, and `arrivals` says when which mirrors were first seen to have
it, as `versions.py` packs it."""

carriers = Table(
    "carriers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("mirror", Text, nullable=False, unique=True),
)
"""The numbers that stand for mirrors in `versions.arrivals`."""

schema = Table("schema", metadata, Column("version", Integer, nullable=False))
"""One row: the number of migrations that have been made."""


def _first(connection: Connection) -> None:
    """Makes the tables."""
    metadata.create_all(connection, tables=[*SUMS, positions], checkfirst=False)


def _second(connection: Connection) -> None:
    """Makes the table of events."""
    metadata.create_all(connection, tables=[events], checkfirst=False)


def _third(connection: Connection) -> None:
    """Makes the tables of versions."""
    metadata.create_all(connection, tables=[versions, carriers], checkfirst=False)


Migration = Callable[[Connection], None]

MIGRATIONS: tuple[Migration, ...] = (_first, _second, _third)
"""What makes each version of the schema from the one before. Once released, none of these is ever changed: a
new version is another function at the end."""
