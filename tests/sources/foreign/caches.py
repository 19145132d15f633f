"""Mirrorlist caches as MirrorManager writes them, made with Google's own library for Protocol Buffers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TOPS = {"fedora": "pub/fedora/linux", "epel": "pub/epel", "archive": "pub/archive"}
ARCHES = ("aarch64", "x86_64")
COUNTRIES = ("DE", "FR", "US", "JP", "BR", "AU", "ZA", "IN")

_INT64, _UINT64, _BOOL, _STRING, _MESSAGE = 3, 4, 8, 9, 11
_REQUIRED, _OPTIONAL, _REPEATED = 2, 1, 3
_MAPS = {
    "StringStringMap": (_STRING, _STRING, _REQUIRED),
    "StringRepeatedIntMap": (_STRING, _INT64, _REPEATED),
    "IntRepeatedStringMap": (_INT64, _STRING, _REPEATED),
    "IntStringMap": (_INT64, _STRING, _REQUIRED),
    "IntIntMap": (_INT64, _INT64, _REQUIRED),
    "IntRepeatedIntMap": (_INT64, _INT64, _REPEATED),
    "StringBoolMap": (_STRING, _BOOL, _REQUIRED),
}
_FIELDS = {
    2: ("NetblockCountryCache", "StringStringMap"),
    3: ("LocationCache", "StringRepeatedIntMap"),
    4: ("HCUrlCache", "IntStringMap"),
    6: ("DisabledRepositoryCache", "StringBoolMap"),
    7: ("CountryContinentRedirectCache", "StringStringMap"),
    8: ("RepositoryRedirectCache", "StringStringMap"),
    9: ("RepoArchToDirectoryName", "StringStringMap"),
    10: ("HostAsnCache", "IntRepeatedIntMap"),
    11: ("HostMaxConnectionCache", "IntIntMap"),
    12: ("HostCountryCache", "IntStringMap"),
    13: ("HostBandwidthCache", "IntIntMap"),
    14: ("HostCountryAllowedCache", "IntRepeatedStringMap"),
    15: ("HostNetblockCache", "StringRepeatedIntMap"),
    16: ("MirrorListCache", "MirrorListCacheType"),
}


def _schema() -> descriptor_pb2.FileDescriptorProto:
    """MirrorManager's messages, as far as the cache has them."""
    schema = descriptor_pb2.FileDescriptorProto(name="mm.proto", package="mm", syntax="proto2")

    def message(name: str, *fields: tuple[str, int, int, int | str]) -> None:
        made = schema.message_type.add(name=name)
        for field_name, number, label, kind in fields:
            if isinstance(kind, str):
                made.field.add(
                    name=field_name, number=number, label=label, type=_MESSAGE, type_name=f".mm.{kind}"
                )
            else:
                made.field.add(name=field_name, number=number, label=label, type=kind)

    for name, (key, value, label) in _MAPS.items():
        message(name, ("key", 1, _REQUIRED, key), ("value", 2, label, value))
    message(
        "MirrorListCacheType",
        ("directory", 1, _REQUIRED, _STRING),
        ("Global", 2, _REPEATED, _INT64),
        ("Subpath", 3, _OPTIONAL, _STRING),
        ("ByCountry", 4, _REPEATED, "StringRepeatedIntMap"),
        ("ByCountryInternet2", 5, _REPEATED, "StringRepeatedIntMap"),
        ("ByHostId", 6, _REPEATED, "IntRepeatedIntMap"),
        ("OrderedMirrorList", 7, _OPTIONAL, _BOOL),
    )
    fields = [(name, number, _REPEATED, kind) for number, (name, kind) in _FIELDS.items()]
    message("MirrorList", ("Time", 1, _REQUIRED, _UINT64), *fields)
    return schema


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_schema())
_MirrorList = message_factory.GetMessageClass(_pool.FindMessageTypeByName("mm.MirrorList"))


@dataclass
class Host:
    """A host, with its URLs by category."""

    urls: Mapping[str, Sequence[str]]
    country: str = "DE"
    mbits: int = 1000
    private: bool = False
    internet2: bool = False
    asn: int | None = None
    netblocks: Sequence[str] = ()
    allowed: Sequence[str] = ()


@dataclass
class Site:
    """What MirrorManager knows. `repositories` are the directories below a category's top, by category and
    by the name and arch that clients ask for."""

    hosts: dict[int, Host]
    repositories: dict[str, dict[tuple[str, str], str]]
    redirects: dict[str, str] = field(default_factory=dict)
    disabled: Sequence[str] = ()
    corrections: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Writes the cache."""
        made: Any = _MirrorList(Time=1_795_000_000)
        numbers = self._write_urls(made)
        for category, known in self.repositories.items():
            top = TOPS[category]
            for (name, arch), below in known.items():
                made.RepoArchToDirectoryName.add(key=f"{name}+{arch}", value=f"{top}/{below}")
            for below in dict.fromkeys(known.values()):
                for part in ("", "/repodata"):
                    self._write_directory(made, category, f"{below}{part}", numbers)
        self._write_hosts(made)
        _texts(made.RepositoryRedirectCache, self.redirects)
        _texts(made.NetblockCountryCache, self.corrections)
        for name in self.disabled:
            made.DisabledRepositoryCache.add(key=name, value=True)
        made.CountryContinentRedirectCache.add(key="TR", value="EU")
        path.write_bytes(made.SerializeToString())
        return path

    def _write_urls(self, made: Any) -> dict[tuple[int, str], list[int]]:
        numbers: dict[tuple[int, str], list[int]] = {}
        for host, facts in self.hosts.items():
            for category, urls in facts.urls.items():
                for url in urls:
                    number = len(made.HCUrlCache) + 1
                    made.HCUrlCache.add(key=number, value=url)
                    numbers.setdefault((host, category), []).append(number)
        return numbers

    def _write_directory(
        self, made: Any, category: str, below: str, numbers: Mapping[tuple[int, str], list[int]]
    ) -> None:
        directory = made.MirrorListCache.add(directory=f"{TOPS[category]}/{below}", Subpath=below)
        for host, facts in self.hosts.items():
            if (host, category) not in numbers:
                continue
            directory.ByHostId.add(key=host, value=numbers[host, category])
            if facts.internet2:
                directory.ByCountryInternet2.add(key=facts.country, value=[host])
            if not facts.private:
                directory.Global.append(host)
                directory.ByCountry.add(key=facts.country, value=[host])

    def _write_hosts(self, made: Any) -> None:
        for host, facts in self.hosts.items():
            made.HostBandwidthCache.add(key=host, value=facts.mbits)
            made.HostMaxConnectionCache.add(key=host, value=1)
            made.HostCountryCache.add(key=host, value=facts.country)
            if facts.asn:
                made.HostAsnCache.add(key=facts.asn, value=[host])
            if facts.allowed:
                made.HostCountryAllowedCache.add(key=host, value=facts.allowed)
            for netblock in facts.netblocks:
                made.HostNetblockCache.add(key=netblock, value=[host])


def _texts(field_: Any, texts: Mapping[str, str]) -> None:
    for key, value in texts.items():
        field_.add(key=key, value=value)


# --- a network such as Fedora's ------------------------------------------------------------------------


def _of_release(version: str, arch: str, tree: str) -> Iterable[tuple[str, str]]:
    """The names of a release's repositories with their directories, as Fedora has them. `tree` is where the
    release itself is: development/ until it is out."""
    name = "rawhide" if version == "rawhide" else f"fedora-{version}"
    debug, source = (
        ("rawhide-debug", "rawhide-source")
        if version == "rawhide"
        else (
            f"fedora-debug-{version}",
            f"fedora-source-{version}",
        )
    )
    yield name, f"{tree}/{version}/Everything/{arch}/os"
    yield debug, f"{tree}/{version}/Everything/{arch}/debug/tree"
    yield source, f"{tree}/{version}/Everything/source/tree"
    if version == "rawhide":
        return
    for kind, path in (("released", "updates"), ("testing", "updates/testing")):
        yield f"updates-{kind}-f{version}", f"{path}/{version}/Everything/{arch}"
        yield f"updates-{kind}-debug-f{version}", f"{path}/{version}/Everything/{arch}/debug"
        yield f"updates-{kind}-source-f{version}", f"{path}/{version}/Everything/source/tree"


def _of_epel(version: str, directory: str, arch: str) -> Iterable[tuple[str, str]]:
    for name, path in ((f"epel-{version}", directory), (f"testing-epel{version}", f"testing/{directory}")):
        debug = (
            name.replace("epel-", "epel-debug-") if "testing" not in name else f"testing-debug-epel{version}"
        )
        yield name, f"{path}/Everything/{arch}"
        yield debug, f"{path}/Everything/{arch}/debug"


def fedora_repositories() -> dict[str, dict[tuple[str, str], str]]:
    """The repositories of Fedora and EPEL, with past releases in their archive."""
    found: dict[str, dict[tuple[str, str], str]] = {"fedora": {}, "epel": {}, "archive": {}}
    for arch in ARCHES:
        for version, tree in (
            ("42", "releases"),
            ("41", "releases"),
            ("43", "development"),
            ("rawhide", "development"),
        ):
            found["fedora"] |= {(name, arch): path for name, path in _of_release(version, arch, tree)}
        for version, directory in (
            ("8", "8"),
            ("9", "9"),
            ("10", "10.1"),
            ("10.1", "10.1"),
            ("10.0", "10.0"),
        ):
            found["epel"] |= {(name, arch): path for name, path in _of_epel(version, directory, arch)}
        for version in ("39", "38", "20"):
            known = {
                (name, arch): f"fedora/linux/{path}" for name, path in _of_release(version, arch, "releases")
            }
            found["archive"] |= known
        found["archive"]["updates-released-f20", arch] = f"fedora/linux/updates/20/{arch}"
        found["archive"]["epel-7", arch] = f"epel/7/{arch}"
    return found


def fedora(hosts: int) -> Site:
    """A network of so many hosts, of many kinds: some carry a part, some are private, and some have
    oddities."""
    chance = random.Random(20)
    made = {number: _host(number, chance) for number in range(1, hosts + 1)}
    return Site(
        hosts=made,
        repositories=fedora_repositories(),
        redirects={"fedora-devel": "rawhide", "updates-devel": "rawhide", "fedora-1": "gone-1"},
        disabled=("updates-testing-f41",),
        corrections={"192.0.2.0/25": "DE", "2001:db8:1::/48": "JP", "0.0.0.0/0": "US"},
    )


def _host(number: int, chance: random.Random) -> Host:
    name = f"mirror{number}.example.org"
    schemes = chance.choice([("https", "http", "rsync"), ("https", "http"), ("http",), ("https", "ftp")])
    carried = [category for category in TOPS if chance.random() < 0.7] or ["fedora"]
    private = number % 13 == 0
    return Host(
        urls={c: [f"{scheme}://{name}/{c}" for scheme in schemes] for c in carried},
        country=chance.choice(COUNTRIES),
        mbits=chance.choice([1, 100, 1000, 10000]),
        private=private,
        internet2=number % 7 == 0,
        asn=64496 + number % 10 if number % 5 == 0 else None,
        netblocks=[f"198.51.100.{number % 256}/32"] if private else (),
        allowed=["DE", "FR"] if number % 50 == 0 else (),
    )
