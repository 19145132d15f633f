"""Drafts a data folder of what mirrorbits knows: the YAML of its mirrors, as `mirrorbits edit` shows each of
them, and its own configuration, `mirrorbits.conf`.

mirrorbits serves files and knows no repos. So the config is the one that `mirrorwise init` begins with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app.files import read_bytes
from app.model import Finding, SourceError
from app.model.countries import continent_of, countries, country_code
from app.model.errors import fault, warning
from app.sources.base_url import rsync_url
from app.sources.foreign.draft import Draft
from app.sources.foreign.yaml_values import Yaml
from app.sources.mirror_files import MIRROR_NAME
from app.sources.report import Report
from app.sources.yaml_file import Mapping as YamlMapping
from app.sources.yaml_file import Node, Scalar, Sequence, parse_yaml

SERVICE = "mirrorbits"
MAX_BYTES = 10_000_000

_COMMENTS = "##### Comments go below this line #####"
_OF_MIRROR = {"Name", "HttpURL"}
_OF_CONFIG = {"Repository", "RedisAddress", "ListenAddress", "Fallbacks", "GeoipDatabasePath", "OutputMode"}
_TAKEN = {
    *(
        "Name",
        "HttpURL",
        "RsyncURL",
        "SponsorName",
        "SponsorURL",
        "AdminEmail",
        "ContinentOnly",
        "CountryOnly",
    ),
    *("ASOnly", "Score", "Latitude", "Longitude", "ContinentCode", "CountryCodes", "ExcludedCountryCodes"),
    *("ASNum", "Enabled"),
}
_LOST = {
    "FtpURL": "clients do not use ftp any more",
    "SponsorLogoURL": "mirrors have no logos here",
    "AdminName": "a mirror file has an e-mail address alone",
    "CustomData": "a mirror file has no such key",
    "AllowRedirects": "redirects of a mirror are followed here",
    "Repository": "the releases, arches and repos in it have to be put into config.yml",
    "TraceFileLocation": "the time of the last sync is expected in the file TIME",
    "AllowOutdatedFiles": "`allowed_outdate` in config.yml is for all files",
}
_UNSET = ("", "0", "false", "default", "none", "null")


class MirrorbitsFiles:
    """The mirrors and the configuration in YAML files of mirrorbits. The constructor raises SourceError if a
    file has neither."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._lost: list[Finding] = []
        self._mirrors: list[tuple[str, dict[str, str]]] = []
        self._fallbacks: list[str] = []
        for path in paths:
            documents = list(self._documents(path))
            if not documents:
                raise SourceError([fault(path.name, "the file has no mirror of mirrorbits in it")])
            for document in documents:
                self._sort(path.name, document)

    def draft(self, beginning: str) -> Draft:
        """Drafts a data folder. `beginning` is the content of the config to begin with."""
        mirrors: dict[str, dict[str, Yaml]] = {}
        for file, keys in self._mirrors:
            mirror = _Mirror(file, keys, self._lost).file()
            if mirrors.setdefault(str(mirror["name"]).lower(), mirror) is not mirror:
                self._lose(file, f"the mirror {mirror['name']} is there twice, and the first one counts")
        return Draft(self._with_origin(beginning).encode(), [*mirrors.values()], lost=self._lost)

    def _documents(self, path: Path) -> Iterator[YamlMapping]:
        """Yields the mappings in a file. mirrorbits puts a comment below a mirror, after a line of its
        own."""
        text = read_bytes(path, MAX_BYTES).decode("utf-8-sig", "replace")
        for part in re.split(r"^---[ \t]*$", text, flags=re.MULTILINE):
            content, _, comment = part.partition(_COMMENTS)
            if comment.strip():
                self._lose(path.name, "the comment below the mirror: write it into the mirror's file")
            if not re.sub(r"^\s*#.*$", "", content, flags=re.MULTILINE).strip():
                continue
            report = Report(path.name)
            document = parse_yaml(content.encode(), report)
            if document is None:
                raise SourceError(report.findings)
            yield document

    def _sort(self, file: str, document: YamlMapping) -> None:
        entries = document.entries
        if entries.keys() >= _OF_MIRROR:
            self._mirrors.append((file, {key: _text(value) for key, value in entries.items()}))
        elif _OF_CONFIG & entries.keys():
            self._read_config(file, entries)
        else:
            message = "has neither a mirror of mirrorbits (with Name and HttpURL) nor its configuration"
            raise SourceError([fault(file, f"the file {message}")])

    def _read_config(self, file: str, entries: Mapping[str, Node]) -> None:
        fallbacks = entries.get("Fallbacks")
        for fallback in fallbacks.items if isinstance(fallbacks, Sequence) else ():
            if isinstance(fallback, YamlMapping) and "URL" in fallback.entries:
                self._fallbacks.append(_with_scheme(_text(fallback.entries["URL"]), "https"))
        for key in entries.keys() - {"Fallbacks"}:
            self._lose(file, f"{key}: {_LOST.get(key, 'it is about how mirrorbits itself runs')}")
        for url in self._fallbacks[1:]:
            self._lose(file, f"Fallbacks: {url}: there is one origin, and the first fallback is it")

    def _with_origin(self, beginning: str) -> str:
        """Returns the config with the first fallback as the origin."""
        if not self._fallbacks:
            return beginning
        return re.sub(r"(?m)^origin: .*$", lambda _: f"origin: {self._fallbacks[0]}", beginning)

    def _lose(self, file: str, message: str) -> None:
        self._lost.append(warning(file, message))


class _Mirror:
    """One mirror of mirrorbits. What cannot be carried over is put into `lost`."""

    def __init__(self, file: str, keys: Mapping[str, str], lost: list[Finding]) -> None:
        self._file = file
        self._keys = keys
        self._lost = lost
        self._name = keys["Name"]

    def file(self) -> dict[str, Yaml]:
        """Returns the content of the mirror's file."""
        host = urlsplit(_with_scheme(self._of("HttpURL"), "https")).hostname
        if not MIRROR_NAME.fullmatch(self._name):
            self._name = host or self._name
            self._lose(f"Name {self._keys['Name']}: the mirror has the name of its host now")
        for key, value in self._keys.items():
            if key not in _TAKEN and value.lower() not in _UNSET:
                self._lose(f"{key} {value}: {_LOST.get(key, 'there is no such key here')}")
        located = self._countries("CountryCodes")
        only = self._only(located)
        is_lost = only == [] and (self._is("CountryOnly") or self._is("ContinentOnly"))
        if is_lost:
            self._lose("it is disabled, because the countries that it serves are not known")
        asn = self._of("ASNum")
        facts: dict[str, Yaml] = {
            "address": self._addresses(),
            "geolocation": {"country": located[0]} if located else {},
            **self._numbers(),
            "asn": [asn] if asn not in _UNSET else [],
            "countries": [*only],
            "exclude_countries": [*self._countries("ExcludedCountryCodes")],
            "private": True if self._is("ASOnly") else {},
            "disabled": True if is_lost or not self._is("Enabled") else {},
            "sponsor": self._of("SponsorName"),
            "sponsor_url": self._of("SponsorURL"),
            "email": self._of("AdminEmail"),
        }
        if self._is("ASOnly"):
            self._lose("ASOnly became `private`: other clients do not even see the mirror")
        return {
            "name": self._name,
            **{key: value for key, value in facts.items() if value not in ({}, [], "")},
        }

    def _addresses(self) -> dict[str, Yaml]:
        """Returns the base URLs. One of http without a scheme is for both http and https."""
        http, rsync = self._of("HttpURL"), self._of("RsyncURL")
        addresses: dict[str, Yaml] = {}
        for protocol in ("https", "http"):
            if "://" not in http or http.startswith(f"{protocol}://"):
                addresses[protocol] = _with_scheme(http, protocol)
        return addresses | ({"rsync": rsync_url(rsync)} if rsync else {})

    def _numbers(self) -> dict[str, Yaml]:
        """Returns coordinates and the weight. A score is how many per cent more a mirror is sent."""
        numbers: dict[str, Yaml] = {}
        latitude, longitude = self._of("Latitude"), self._of("Longitude")
        if (latitude, longitude) not in (("0", "0"), ("", "")):
            numbers = {"latitude": latitude, "longitude": longitude}
        score = self._of("Score")
        if re.fullmatch(r"-?[0-9]{1,9}", score) and int(score):
            numbers["weight"] = min(100.0, max(0.001, 1 + int(score) / 100))
        return numbers

    def _only(self, located: list[str]) -> list[str]:
        """Returns the only countries that the mirror serves; none are all."""
        if self._is("CountryOnly"):
            return located
        if len(located) > 1:
            self._lose(
                f"CountryCodes: it is in {located[0]}, and does not come first in {', '.join(located[1:])}"
            )
        if not self._is("ContinentOnly"):
            return []
        continent = self._of("ContinentCode").upper()
        return [code for code in countries() if continent_of(code) == continent]

    def _countries(self, key: str) -> list[str]:
        codes = []
        for word in self._of(key).split():
            code = country_code(word)
            if code is None:
                self._lose(f"{key}: {word} is no country that we know")
            else:
                codes.append(code)
        return codes

    def _of(self, key: str) -> str:
        return self._keys.get(key, "").strip()

    def _is(self, key: str) -> bool:
        return self._of(key).lower() in ("true", "yes", "on")

    def _lose(self, message: str) -> None:
        self._lost.append(warning(self._file, f"{self._name}: {message}"))


def _text(node: Node) -> str:
    """Returns the text of a value; what is no single value counts as unset."""
    return "" if not isinstance(node, Scalar) or node.is_null else node.text


def _with_scheme(url: str, protocol: str) -> str:
    return url if "://" in url else f"{protocol}://{url}"
