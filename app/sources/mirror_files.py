"""Reads mirror files: AlmaLinux's mirrors.d/*.yml, with optional keys of our own.

Hundreds of people write them. A key that decides which clients are sent to a mirror (address, private,
subnets, asn, cloud, countries, repos, …) must be understood, or the file has a fault. A key that only
describes the mirror (geolocation, sponsor, update_frequency, …) may be wrong, with a warning. For a typo,
the message says what was probably meant, but the reader does not guess.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from app.clouds import PROVIDERS
from app.clouds.regions import canonical_region, nearest_spelling
from app.model import Cloud, Coordinates, Finding, Mirror, Protocol, ServiceConfig, main_addresses
from app.model.countries import country_code
from app.model.errors import fault, warning
from app.model.words import quoted
from app.sources.choices import choice
from app.sources.fields import Bounds, Fields, duration_s
from app.sources.mirror_addresses import read_addresses, read_module_addresses, read_product_addresses
from app.sources.report import Report
from app.sources.restricting import IN_GEOLOCATION, OF_CLOUD_MIRROR, OF_MIRROR
from app.sources.subnets import read_subnets
from app.sources.yaml_file import read_yaml

MAX_ASNS = 200
MAX_ASN = 2**32 - 2

MIRROR_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?(?<!\.(?i:atom))")
"""What a mirror may be called. `.atom` at the end of a mirror's address leads to its feed."""
_ASN = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LATITUDE = Bounds(-90, 90)
_LONGITUDE = Bounds(-180, 180)
_WEIGHT = Bounds(0.001, 100)


def read_mirror(path: Path, config: ServiceConfig) -> tuple[Mirror | None, list[Finding]]:
    """Reads a mirror file. Returns the mirror, or None if there is a fault, and the findings. `config` says
    which releases, repos and modules there are."""
    report = Report(path.name)
    root = read_yaml(path, report)
    if root is None:
        return None, report.findings
    restricting = OF_CLOUD_MIRROR if "cloud_type" in root.entries else OF_MIRROR
    mirror = _mirror(Fields(root, report, restricting=restricting), path, config)
    return (None if report.faulty else mirror), report.findings


def check_network(mirrors: Mapping[str, Mirror], last: Mapping[str, Mirror]) -> list[Finding]:
    """Returns the findings about mirror files that contradict each other. `mirrors` are by file name, and so
    are the `last` good ones, as far as they are known. If several files name the same mirror, one of them
    counts, and the others have a fault. It is the file that named the mirror before, or else the file that
    has the name of the mirror, or else the first file in order. The same URL in two files is a warning."""
    findings = []
    by_name: dict[str, str] = {}
    by_url: dict[str, str] = {}

    def is_new(file: str) -> bool:
        return file not in last or last[file].name.lower() != mirrors[file].name.lower()

    for file in sorted(mirrors, key=lambda file: (is_new(file), Path(file).stem != mirrors[file].name, file)):
        mirror = mirrors[file]
        other = by_name.setdefault(mirror.name.lower(), file)
        if other != file:
            message = f"name: {quoted(mirror.name)} is already the name of the mirror in {other}"
            findings.append(fault(file, message))
        shared: dict[str, list[str]] = defaultdict(list)
        for _, url in main_addresses(mirror):
            if (other := by_url.setdefault(url, file)) != file:
                shared[other].append(url)
        for other, urls in shared.items():
            message = f"address: {' and '.join(urls)} is also in {other}; one of the two files is too many"
            findings.append(warning(file, message))
    return findings


def _mirror(fields: Fields, path: Path, config: ServiceConfig) -> Mirror:
    geolocation = fields.mapping_of("geolocation", IN_GEOLOCATION, describes=True)
    addresses, products = fields.mapping_of("address"), config.product_paths
    modules = [module for module in dict.fromkeys(config.modules.values()) if module not in products]
    mirror = Mirror(
        name=_name(fields, path),
        addresses={} if products else read_addresses(addresses),
        module_addresses={
            **(read_product_addresses(addresses, products) if products else {}),
            **read_module_addresses(fields.mapping_of("address_optional"), modules),
        },
        vault_addresses=_vaults(fields.mapping_of("address_vault"), products),
        country=_country(geolocation),
        state_province=geolocation.text("state_province", describes=True),
        city=geolocation.text("city", describes=True),
        coordinates=_coordinates(fields),
        asns=_asns(fields),
        subnets=read_subnets(fields),
        private=fields.flag("private", default=False),
        monopoly=fields.flag("monopoly", default=False),
        disabled=fields.flag("disabled", default=False),
        probe=fields.flag("probe", default=True),
        cloud=_cloud(fields),
        weight=fields.number("weight", _WEIGHT) or 1.0,
        countries=_countries(fields, "countries"),
        exclude_countries=_countries(fields, "exclude_countries"),
        repos=choice(fields, "repos", [repo.name for repo in config.repos]),
        arches=choice(fields, "arches", {arch for arches in config.arches.values() for arch in arches}),
        versions=choice(fields, "versions", config.releases, config.aliases),
        update_frequency_s=_update_frequency_s(fields),
        sponsor=fields.text("sponsor", describes=True),
        sponsor_url=fields.web_address("sponsor_url"),
    )
    _check_email(fields)
    geolocation.check_keys()
    fields.check_keys()
    _check_reach(mirror, fields, config)
    return mirror


def _vaults(fields: Fields, products: Mapping[str, str]) -> dict[str, dict[Protocol, str]]:
    """Returns the base URLs of copies of vaults by product, which is empty where there are no products."""
    if products:
        return read_product_addresses(fields, products)
    addresses = read_addresses(fields)
    return {"": addresses} if addresses else {}


def _check_reach(mirror: Mirror, fields: Fields, config: ServiceConfig) -> None:
    """Checks whether any client can be sent to the mirror, which depends on several keys together, and
    reports what is wrong."""
    addresses = mirror.module_addresses.values() if config.product_paths else [mirror.addresses]
    offered = {protocol for urls in addresses for protocol in urls}
    if not fields.report.faulty and not offered.intersection(config.required_protocols):
        fields.fault("address", f"must have an address for {' or '.join(config.required_protocols)}")
    declared = mirror.asns or mirror.subnets
    if mirror.private and not declared:
        fields.warning(
            "private", "nobody can be sent to this mirror: it is private, and names no asn and no subnets"
        )
    elif mirror.monopoly and not declared:
        fields.warning("monopoly", "has no effect: the mirror names no asn and no subnets to own")
    if not mirror.private and mirror.cloud is None and mirror.country is None and mirror.coordinates is None:
        fields.warning(
            "geolocation", "the file does not say where the mirror is; its address has to tell, roughly"
        )
    if set(mirror.countries) & set(mirror.exclude_countries):
        fields.warning("exclude_countries", "names countries that `countries` names too; they stay excluded")


def _name(fields: Fields, path: Path) -> str:
    name = fields.text("name")
    if name is None:
        if "name" not in fields:
            fields.fault("name", "is missing; it should be the mirror's host name")
        return ""
    if not MIRROR_NAME.fullmatch(name):
        allowed = 'made of letters, digits, dots and hyphens, and without ".atom" at the end'
        fields.fault("name", f"{quoted(name)} is not {allowed}")
    elif name != path.stem:
        fields.warning("name", f"{quoted(name)} is not the name of the file, which is {quoted(path.stem)}")
    return name


def _country(geolocation: Fields) -> str | None:
    text = geolocation.text("country", describes=True)
    code = country_code(text) if text else None
    if text and code is None:
        geolocation.fault("country", f"{quoted(text)} is not a country; write a two-letter code such as DE")
    return code


def _countries(fields: Fields, key: str) -> tuple[str, ...]:
    codes: dict[str, None] = {}
    for scalar in fields.scalars(key):
        code = country_code(scalar.text)
        if code is None:
            message = f"{key}: {quoted(scalar.text)} is not a country; write two-letter codes such as DE"
            fields.report.fault(scalar.line, message)
        else:
            codes[code] = None
    return tuple(codes)


def _coordinates(fields: Fields) -> Coordinates | None:
    if ("latitude" in fields) != ("longitude" in fields):
        there, missing = ("latitude", "longitude") if "latitude" in fields else ("longitude", "latitude")
        fields.fault(there, f"there is no {missing} with it")
    latitude, longitude = fields.number("latitude", _LATITUDE), fields.number("longitude", _LONGITUDE)
    if latitude is None or longitude is None:
        return None
    return Coordinates(latitude=latitude, longitude=longitude)


def _asns(fields: Fields) -> tuple[int, ...]:
    asns: dict[int, None] = {}
    for scalar in fields.scalars("asn", MAX_ASNS, "AS numbers"):
        match = _ASN.fullmatch(scalar.text)
        if match and 0 < int(match[1]) <= MAX_ASN:
            asns[int(match[1])] = None
        else:
            message = f"asn: {quoted(scalar.text)} is not an AS number such as 64496 or AS64496"
            fields.report.fault(scalar.line, message)
    return tuple(asns)


def _cloud(fields: Fields) -> Cloud | None:
    provider = fields.text("cloud_type")
    regions = tuple(dict.fromkeys(scalar.text.lower() for scalar in fields.scalars("cloud_regions")))
    if provider is None:
        if regions:
            fields.fault("cloud_regions", f"needs a cloud_type: {', '.join(PROVIDERS)}")
        return None
    if provider.lower() not in PROVIDERS:
        close = fields.report.did_you_mean(provider, PROVIDERS)
        fields.fault("cloud_type", f"{quoted(provider)} is none of {', '.join(PROVIDERS)}{close}")
    if not regions:
        fields.warning("cloud_type", "there are no cloud_regions with it; taken as all of them (`[all]`)")
    if "all" in regions:
        return Cloud(provider=provider.lower())
    return Cloud(provider=provider.lower(), regions=_public_names(fields, provider.lower(), regions))


def _public_names(fields: Fields, provider: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the provider's own names of regions, however the file spells them. An unknown name is a
    warning, and is kept as it is: it may be newer than our table."""
    names = []
    for region in regions:
        name = canonical_region(provider, region)
        if name is None and provider in PROVIDERS:
            near = nearest_spelling(provider, region)
            hint = f"; did you mean {near}?" if near else ""
            fields.warning("cloud_regions", f"{quoted(region)} is no region of {provider} that we know{hint}")
        names.append(name or region)
    return tuple(dict.fromkeys(names))


def _update_frequency_s(fields: Fields) -> int | None:
    text = fields.text("update_frequency", describes=True)
    duration = duration_s(text) if text else None
    if text and duration is None:
        fields.warning("update_frequency", f"{quoted(text)} is not a duration such as 30m, 3h or 1d; ignored")
    return duration


def _check_email(fields: Fields) -> None:
    email = fields.text("email", describes=True)
    if email and not _EMAIL.fullmatch(email):
        fields.warning("email", "this is not an e-mail address")
