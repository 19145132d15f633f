"""What travels from the worker to the web: one typed, versioned, msgpack-encoded value.

Large tables are packed little-endian arrays inside byte strings, so that decoding is a matter of
milliseconds however many places there are; `loaded` reads them in place. The encoding is
deterministic: a generation is named by the hash of the bytes, so that the same decisions have the
same name. What changes without changing a list (ages, last probes) is not in here but in the
status document (`app.snapshot.status`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.model import (
    Coordinates,
    Pass,
    Protocol,
    Record,
    RepomdVersion,
    ServiceConfig,
    SnapshotError,
    digest_of,
)

SCHEMA = 3

Kilometres = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Asn = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class ServedMirror(Record, frozen=True, kw_only=True):
    """A mirror as the web needs it. Addresses are those not known to be broken; a disabled or
    unreachable mirror is here too, for explanations. `ipv4`/`ipv6`: known to work (True), known
    not to (False), unknown (None). `cloud_regions` empty with a provider: all of them."""

    name: str
    addresses: dict[Protocol, str]
    module_addresses: dict[str, dict[Protocol, str]]
    country: str | None = None
    continent: str | None = None
    city: str | None = None
    coordinates: Coordinates | None = None
    located_by: str | None = None
    weight: Annotated[float, msgspec.Meta(ge=1e-30, le=1e9)] = 1.0
    load_km: Kilometres = 0.0
    private: bool = False
    monopoly: bool = False
    cloud_provider: str | None = None
    cloud_regions: tuple[str, ...] = ()
    asns: tuple[Asn, ...] = ()
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    ipv4: bool | None = None
    ipv6: bool | None = None
    sponsor: str | None = None
    sponsor_url: str | None = None

    @property
    def public(self) -> bool:
        """Open to geography: neither private nor inside a cloud."""
        return not self.private and self.cloud_provider is None


class NetworkGroup(Record, frozen=True, kw_only=True):
    """Mirrors of one pass that stand alike, by index; the request orders them by rank.
    `within_km`: only those in the client's country or that near (undeclared ASN matches).
    `nearby`: another region than the client's; of several such groups one is enough."""

    pass_: Pass = msgspec.field(name="pass")
    mirrors: tuple[int, ...]
    within_km: Kilometres | None = None
    nearby: bool = False


class Region(Record, frozen=True, kw_only=True):
    """A cloud region (or border group): its groups in order, and its own place, None if unknown."""

    groups: tuple[NetworkGroup, ...]
    place: str | None = None


class Overlay(Record, frozen=True, kw_only=True):
    """What the networks database's name for a client's network stands for. `region` is a key of
    `Snapshot.regions`; its groups come between netblocks and ASN."""

    exclusive: tuple[NetworkGroup, ...] = ()
    netblocks: tuple[NetworkGroup, ...] = ()
    region: str | None = None
    asn: Asn | None = None
    asns: tuple[NetworkGroup, ...] = ()


class PlaceRows(Record, frozen=True, kw_only=True):
    """Packed tables over n places and the k best mirrors of each (`ranking.best`).

    `names` are joined by newlines. `points`: float32 (n, 2) latitude, longitude. `countries`: two
    letters a place or two blanks; `continents` likewise. `candidates`: uint16 (n, k). `costs`:
    float32 (n, k)."""

    count: int
    width: int
    names: str
    points: bytes
    countries: str
    continents: str
    candidates: bytes
    costs: bytes


class Snapshot(Record, frozen=True, kw_only=True):
    """`mirrors` are sorted by name; everything else names them by index. `questions` are the keys
    "release/repo/arch" (arch empty: asked without one, or none matters; repo empty: ISOs), and `rows`
    the number of each one's row in `fates`, which holds one byte (`Fate`) a mirror, row by row:
    equal rows are there once. `repomd` is by the same keys. `noise`: uint8 (mirrors, 32),
    `ranking.noise_ranks`. `rankable`: indexes of the mirrors that `places` ranks."""

    schema: int
    config: ServiceConfig
    mirrors: tuple[ServedMirror, ...]
    questions: tuple[str, ...]
    rows: tuple[int, ...]
    fates: bytes
    noise: bytes
    rankable: tuple[int, ...]
    places: PlaceRows
    overlays: dict[str, Overlay] = {}
    regions: dict[str, Region] = {}
    networks: str | None = None  # digest of the networks database in the store
    repomd: dict[str, tuple[RepomdVersion, ...]] = {}


class _Envelope(msgspec.Struct):
    """Just enough of any snapshot, of whatever schema, to tell whether it is ours."""

    schema: int


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def encode(snapshot: Snapshot) -> bytes:
    return _ENCODER.encode(snapshot)


def generation_of(data: bytes) -> str:
    """The name of the generation that these bytes are."""
    return digest_of(data)[:16]


def decode(data: bytes) -> Snapshot:
    """Raises SnapshotError for what is cut short, not a snapshot, or of another schema. Whether it can be
    served is another question (`app.snapshot.soundness`)."""
    try:
        schema = msgspec.msgpack.decode(data, type=_Envelope).schema
        if schema != SCHEMA:
            raise SnapshotError(f"the snapshot has schema {schema}; this program reads schema {SCHEMA}")
        return msgspec.msgpack.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable snapshot ({len(data)} bytes): {error}") from error
