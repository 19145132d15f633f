"""Values that say nothing: empty entries of lists, and the words that people and programs write for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Severity
from tests.sources.samples import CONFIG, LOCATED, MIRROR, read_config, read_sample, the_finding

HARMLESS = {
    "an empty entry": ("asn:\n  - 64496\n  -", 7, "asn: this entry is empty"),
    "an empty text as an entry": ('asn: [64496, ""]', 5, "asn: this entry is empty"),
    "null as an entry": ("asn: [64496, null]", 5, "asn: this entry is empty"),
    "a dash as an entry": ('asn:\n  - 64496\n  - "-"', 7, "asn: this entry is empty"),
    "a netblock": ("asn: 64496\nsubnets:\n  -\n  - 192.0.2.0/24", 7, "subnets: this entry is empty"),
    "an entry of a restricting list": (
        "asn: 64496\ncountries:\n  - DE\n  -",
        8,
        "countries: this entry is empty",
    ),
    "a region": ("cloud_type: aws\ncloud_regions: [all, ]\nasn: [64496, '']", 7, "asn: this entry is empty"),
    "weight": ("asn: 64496\nweight: None", 6, '"None" is taken as no value'),
    "latitude": ("asn: 64496\nlatitude: n/a", 6, '"n/a" is taken as no value'),
    "probe": ("asn: 64496\nprobe: none", 6, '"none" is taken as no value'),
    "sponsor": ("asn: 64496\nsponsor: N/A", 6, '"N/A" is taken as no value'),
    "sponsor's address": ('asn: 64496\nsponsor_url: "-"', 6, '"-" is taken as no value'),
    "update_frequency": ("asn: 64496\nupdate_frequency: nil", 6, '"nil" is taken as no value'),
    "optional modules": ("asn: 64496\naddress_optional: None", 6, '"None" is taken as no value'),
    "an optional module": ("asn: 64496\naddress_optional: {kitten: None}", 6, '"None" is taken as no value'),
}


@pytest.mark.parametrize(("text", "line", "words"), HARMLESS.values(), ids=HARMLESS)
def test_what_says_nothing_is_a_warning(tmp_path: Path, text: str, line: int, words: str) -> None:
    """It names the line, and the rest of the file counts."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{text}\n")
    assert mirror is not None
    assert mirror.asns == (64496,)
    assert the_finding(findings, Severity.WARNING, words).line == line


@pytest.mark.parametrize("word", ["None", "none", "NONE", "N/A", "n/a", "nil", '"-"', '"null"'])
@pytest.mark.parametrize("protocol", ["https", "rsync"])
def test_an_address_that_is_none(tmp_path: Path, protocol: str, word: str) -> None:
    """The other addresses are used."""
    mirror, findings = read_sample(
        tmp_path, MIRROR + f"  {protocol}: {word}\ngeolocation: {{country: DE, city: Berlin}}\n"
    )
    assert mirror is not None
    assert mirror.addresses == {"http": "http://mirror.example.org/alma/"}
    assert the_finding(findings, Severity.WARNING, "is taken as no value").line == 4


def test_without_any_address_it_is_still_a_fault(tmp_path: Path) -> None:
    """A mirror that can be reached nowhere cannot be used."""
    mirror, _ = read_sample(tmp_path, "name: mirror.example.org\naddress: {http: None}\n")
    assert mirror is None


@pytest.mark.parametrize("value", ["Germany", "[DE]", "None", "[country: DE]"])
def test_a_geolocation_that_is_no_mapping(tmp_path: Path, value: str) -> None:
    """It only describes, so it costs no mirror its place."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}geolocation: {value}\n")
    assert mirror is not None
    assert {finding.severity for finding in findings} == {Severity.WARNING}
    assert mirror.country is None


def test_namibia_is_not_nothing(tmp_path: Path) -> None:
    """NA is a country, and no abbreviation here."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}geolocation: {{country: NA}}\ncountries: [NA]\n")
    assert mirror is not None
    assert (mirror.country, mirror.countries, findings) == ("NA", ("NA",), [])


def test_the_config_is_read_alike(tmp_path: Path) -> None:
    """An empty entry in any of its lists costs no release."""
    text = CONFIG.replace('"9.8"]\ndup', '"9.8", ]\ndup').replace("s390x]", "s390x, '']") + "  -\n"
    text = text.replace("http://repo.example.org", "None")
    config, findings = read_config(tmp_path, text)
    assert (config.arches["9.8"], config.origin) == (("x86_64", "aarch64", "s390x"), None)
    assert [(finding.line, finding.severity) for finding in findings] == [
        (10, Severity.WARNING),
        (21, Severity.WARNING),
        (7, Severity.WARNING),
        (7, Severity.WARNING),
    ]
