"""The schema of the snapshot: the typed, versioned, msgpack-encoded value that the worker sends to web.

Large tables are packed little-endian arrays inside byte strings, so that decoding takes milliseconds
however many places there are; `loaded` reads them in place. The encoding is deterministic, and a
generation is named by the hash of the bytes: the same decisions have the same name. Ages, last probes
and whatever else changes without changing a list are in the status document (`app.snapshot.status`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.model import (
    Coordinates,
    ImageDirectory,
    Pass,
    Protocol,
    Record,
    RepomdVersion,
    ServiceConfig,
    SnapshotError,
    digest_of,
)

SCHEMA = 5

Kilometres = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Asn = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class ServedMirror(Record, frozen=True, kw_only=True):
    """A mirror as the web process needs it. Disabled and unreachable mirrors are here too, because
    explanations speak of them."""

    name: str
    #: The base URLs that are not known to be broken, by protocol.
    addresses: dict[Protocol, str]
    module_addresses: dict[str, dict[Protocol, str]]
    vault_addresses: dict[str, dict[Protocol, str]] = {}
    country: str | None = None
    continent: str | None = None
    city: str | None = None
    coordinates: Coordinates | None = None
    located_by: str | None = None
    weight: Annotated[float, msgspec.Meta(ge=1e-37, le=1e9)] = 1.0
    load_km: Kilometres = 0.0
    private: bool = False
    monopoly: bool = False
    cloud_provider: str | None = None
    #: The regions that a cloud mirror serves; it serves all regions of its provider where this is empty.
    cloud_regions: tuple[str, ...] = ()
    asns: tuple[Asn, ...] = ()
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    #: Whether the mirror works over IPv4; None if that is not known. The same holds for `ipv6`.
    ipv4: bool | None = None
    ipv6: bool | None = None
    sponsor: str | None = None
    sponsor_url: str | None = None

    @property
    def public(self) -> bool:
        """Whether the mirror is open to clients of all networks, and so in the geography pass: it is neither
        private nor inside a cloud."""
        return not self.private and self.cloud_provider is None


class NetworkGroup(Record, frozen=True, kw_only=True):
    """A group of mirrors that one pass tries together for the clients of a network. The order within the
    group is not stored: each request ranks the mirrors for its client."""

    pass_: Pass = msgspec.field(name="pass")
    #: The indexes of the mirrors.
    mirrors: tuple[int, ...]
    #: If set, a mirror of the group is served only to clients in its country or within this distance of it.
    #: It is set for mirrors in an ASN that they do not declare.
    within_km: Kilometres | None = None
    #: Whether the mirrors are in another region than the client's. A list takes mirrors of only one such
    #: group.
    nearby: bool = False


class Region(Record, frozen=True, kw_only=True):
    """A cloud region or border group: its groups of mirrors in order, and its place if that is known."""

    groups: tuple[NetworkGroup, ...]
    place: str | None = None


class Overlay(Record, frozen=True, kw_only=True):
    """The groups of mirrors that are tried for the clients of one network before the geography pass. The
    networks database tells the network of an address. `region` is a key of `Snapshot.regions`, or None
    outside of clouds; that region's groups are tried after `netblocks` and before `asns`."""

    exclusive: tuple[NetworkGroup, ...] = ()
    netblocks: tuple[NetworkGroup, ...] = ()
    region: str | None = None
    asn: Asn | None = None
    asns: tuple[NetworkGroup, ...] = ()


class PlaceRows(Record, frozen=True, kw_only=True):
    """Packed tables of n places, and of the k best mirrors of each place (as `ranking.best` finds them)."""

    #: The number of places, n.
    count: int
    #: The number of best mirrors of each place, k.
    width: int
    #: The names of the places, joined by newlines.
    names: str
    #: Latitude and longitude, float32, shape (n, 2).
    points: bytes
    #: The country of each place as two letters, or two blanks if unknown, joined; `continents` likewise.
    countries: str
    continents: str
    #: The indexes of the best mirrors, best first, uint16, shape (n, k).
    candidates: bytes
    #: The costs of the best mirrors in km, float32, shape (n, k).
    costs: bytes


class Snapshot(Record, frozen=True, kw_only=True):
    """Everything that the worker has decided for one generation."""

    schema: int
    config: ServiceConfig
    #: Sorted by name. Everything else names a mirror by its index here.
    mirrors: tuple[ServedMirror, ...]
    #: The keys of all questions, "release/repo/arch". The arch is empty if none is named or none matters; the
    #: repo is empty for ISOs; both are empty for what the vault has.
    questions: tuple[str, ...]
    #: For each question, the number of its row in `fates`.
    rows: tuple[int, ...]
    #: The `Fate` of each mirror, one byte each, row by row. Equal rows are there once.
    fates: bytes
    #: The noise of each mirror for each spread value (`ranking.noise_ranks`), uint8, shape (mirrors, 32).
    noise: bytes
    #: The indexes of the mirrors that `places` ranks.
    rankable: tuple[int, ...]
    places: PlaceRows
    overlays: dict[str, Overlay] = {}
    regions: dict[str, Region] = {}
    #: The digest of the places database in the store; None until the GeoIP databases have been scanned for
    #: the first time, and then no client has a place.
    place_database: str | None
    #: The digest of the networks database in the store.
    networks: str | None = None
    #: The versions of repomd.xml that metalinks name, by the keys of `questions`.
    repomd: dict[str, tuple[RepomdVersion, ...]] = {}
    #: The ISO directories of the origin, by the keys of `questions`; only those whose checksums are known.
    images: dict[str, ImageDirectory] = {}


class _Envelope(msgspec.Struct):
    """The part of a snapshot, of any schema, that tells whether this program can read it."""

    schema: int


class _References(msgspec.Struct):
    """The part of a snapshot that names what belongs to it."""

    place_database: str | None = None
    networks: str | None = None


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_REFERENCES = msgspec.msgpack.Decoder(_References)


def encode(snapshot: Snapshot) -> bytes:
    """Encodes a snapshot. Equal snapshots give the same bytes."""
    return _ENCODER.encode(snapshot)


def generation_of(data: bytes) -> str:
    """Returns the name of the generation whose encoded snapshot is `data`."""
    return digest_of(data)[:16]


def databases_of(data: bytes) -> tuple[str, ...]:
    """Returns the digests of the databases that an encoded snapshot refers to. Raises SnapshotError."""
    try:
        found = _REFERENCES.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable snapshot ({len(data)} bytes): {error}") from error
    return tuple(digest for digest in (found.place_database, found.networks) if digest)


def decode(data: bytes) -> Snapshot:
    """Decodes a snapshot. Raises SnapshotError if the bytes are cut short, no snapshot, or one of another
    schema. Whether the snapshot can be served is decided elsewhere (`app.snapshot.soundness`)."""
    try:
        schema = msgspec.msgpack.decode(data, type=_Envelope).schema
        if schema != SCHEMA:
            problem = (
                f"the snapshot has schema {schema}, of another version; this program reads schema {SCHEMA}"
            )
            raise SnapshotError(problem)
        return msgspec.msgpack.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable snapshot ({len(data)} bytes): {error}") from error
