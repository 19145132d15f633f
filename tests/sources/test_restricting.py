"""Keys that restrict: misspelt, misplaced or empty, they must not open what they should close."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Severity, SourceError
from app.sources.mirror_files import read_mirror
from app.sources.restricting import IN_GEOLOCATION, OF_CLOUD_MIRROR, OF_CONFIG, OF_MIRROR, OF_REPO
from tests.sources.samples import CONFIG, LOCATED, MIRROR, read_config, read_sample, the_finding

MISSPELT = {
    "private": "Private PRIVATE is_private isPrivate private_mirror private-mirror privat pirvate priv "
    "mirror_private isprivate internal public only_private_clients Restricted",
    "disabled": "Disabled disable disabeled is_disabled enabled enable active suspended mirror_disabled",
    "monopoly": "Monopoly monopol exclusive is_monopoly",
    "exclude_countries": "exclude_country excluded_countries excludecountries exclude-countries "
    "ExcludeCountries countries_exclude blocked_countries exlude_countries denied_country exclude except",
    "countries": "Countries allowed_countries only_countries contries",
    "repos": "repo Repos REPO repositories repository only_repos",
    "arches": "arch Arches ARCH architectures architecture basearch archs supported_arches",
    "versions": "version Versions release releases releasever verison only_versions supportedVersions",
    "cloud_type": "cloudtype Cloud_Type cloud-type cloud cloud_provider cloudType cloud_typ",
    "cloud_regions": "cloud_region cloudregions Cloud_Regions cloud-region regions_of_cloud",
}

DESCRIPTIVE = (
    "City contact bandwidth speed_mbit isp notes comment description operator update_interval ipv6 "
    "native_ipv6 timezone sponsor_logo datacenter archive report_url region province status longitute "
    "primary rsyncd state type provider"
)

MISPLACED = {
    "below geolocation": "geolocation: {country: DE, private: true}",
    "below geolocation, misspelt": "geolocation: {country: DE, is_private: true}",
    "countries below geolocation": "geolocation: {country: DE, exclude_countries: [FR]}",
    "allowed countries below geolocation": "geolocation: {country: DE, countries: [DE]}",
    "in a list of geolocation": "geolocation:\n  - country: DE\n  - private: true",
    "below an optional module": "address_optional: {kitten: {http: 'http://a.example.org/', private: true}}",
    "beside the optional modules": "address_optional: {private: true}",
    "below an unknown key": "settings: {private: true}",
    "deep below unknown keys": "settings: {access: [{clients: {private: true}}]}",
    "in a list": "options:\n  - private: true",
    "as the value of a key": "status: disabled",
    "as an entry of a list": "flags: [ipv6, private]",
    "below a text": "sponsor: {name: Example, private: true}",
}

EMPTY = {
    "nothing": "private:",
    "null": "private: null",
    "an empty text": 'private: ""',
    "None": "private: None",
    "no countries": "countries:",
    "an empty list": "countries: []",
    "a list of an empty entry": "exclude_countries:\n  -",
    "empty entries": 'repos: ["", null, n/a]',
    "no arches": "arches: ~",
    "no versions": "versions:",
    "no disabled": "disabled:",
    "no cloud": "cloud_type:",
    "no regions": "cloud_type: aws\ncloud_regions:",
}


@pytest.mark.parametrize(
    ("meant", "key"), [(meant, key) for meant, keys in MISSPELT.items() for key in keys.split()]
)
@pytest.mark.parametrize("value", ["true", "[x]", ""])
def test_a_misspelt_restriction_is_a_fault(tmp_path: Path, meant: str, key: str, value: str) -> None:
    """Whatever its value: the mirror is not served as if the key were not there, and the hint says which
    key was meant."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{key}: {value}\n")
    assert mirror is None
    assert the_finding(findings, Severity.FAULT, f"{key}: ", f"write `{meant}` at the top level").line == 5


@pytest.mark.parametrize("key", DESCRIPTIVE.split())
@pytest.mark.parametrize("place", ["{}: x", "{}: [x, y]"])
def test_other_unknown_keys_stay_warnings(tmp_path: Path, key: str, place: str) -> None:
    """A word that only describes costs no mirror its place."""
    mirror, findings = read_sample(tmp_path, LOCATED + place.format(key) + "\n")
    assert mirror is not None
    the_finding(findings, Severity.WARNING, f"{key}: this key is not known")


@pytest.mark.parametrize("key", [*DESCRIPTIVE.split(), "country_code", "Country", "county", "countryname"])
def test_words_about_a_place_stay_warnings(tmp_path: Path, key: str) -> None:
    """Below `geolocation` a country is where the mirror is, however the key is spelled."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}geolocation: {{country: DE, {key}: x}}\n")
    assert mirror is not None
    the_finding(findings, Severity.WARNING, f"geolocation.{key}: this key is not known")


@pytest.mark.parametrize("text", MISPLACED.values(), ids=MISPLACED)
def test_a_misplaced_restriction_is_a_fault(tmp_path: Path, text: str) -> None:
    """Wherever in the file it stands."""
    base = MIRROR if text.startswith("geolocation") else LOCATED
    mirror, findings = read_sample(tmp_path, f"{base}{text}\n")
    assert mirror is None
    [fault] = [finding for finding in findings if finding.severity is Severity.FAULT]
    assert "at the top level of the file" in fault.message
    assert fault.line is not None


def test_a_restriction_among_the_addresses_is_a_fault(tmp_path: Path) -> None:
    """The address is read, and the key beside it would not be."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}  private: true\n")
    assert mirror is None
    assert [f.line for f in findings if f.severity is Severity.FAULT] == [4]


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_an_empty_restriction_is_a_fault(tmp_path: Path, text: str) -> None:
    """It was written for something; what, only its writer knows."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{text}\n")
    assert mirror is None
    [fault] = [finding for finding in findings if finding.severity is Severity.FAULT]
    assert "is empty, and so would restrict nothing" in fault.message


def test_a_region_of_a_cloud_mirror_is_its_cloud_region(tmp_path: Path) -> None:
    """Without a cloud a region is a part of a country, with one it would be open to all of them."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}cloud_type: aws\nregions: [eu-central-1]\n")
    assert mirror is None
    assert "write `cloud_regions`" in next(f for f in findings if f.severity is Severity.FAULT).message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("arch: [x86_64]", "`arches` as a key of the repo", id="arch"),
        pytest.param("Arches: [x86_64]", "`arches` as a key of the repo", id="capital letter"),
        pytest.param('version: ["9"]', "`versions` as a key of the repo", id="version"),
        pytest.param('releases: ["9"]', "`versions` as a key of the repo", id="releases"),
        pytest.param("valut: true", "`vault` as a key of the repo", id="vault"),
        pytest.param("is_vault: true", "`vault` as a key of the repo", id="is_vault"),
        pytest.param("options: {vault: true}", "`vault` as a key of the repo", id="vault below another"),
        pytest.param("versions:", "versions: is empty", id="no versions"),
        pytest.param("arches: []", "arches: is empty", id="no arches"),
    ],
)
def test_restrictions_of_repos(tmp_path: Path, text: str, hint: str) -> None:
    """The same care for config.yml, whose last good contents stay in force."""
    repo = "  - name: extras\n    path: extras/\n    "
    with pytest.raises(SourceError, match="fault") as raised:
        read_config(tmp_path, f"{CONFIG}{repo}{text}\n")
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("selection: {protocol: [https]}", "`protocols` below `selection`"),
        ("selection: {protocols: }", "selection.protocols: is empty"),
        ("Selection: {protocols: [https]}", "`selection: protocols` at the top level"),
        ("protocols: [https]", "`selection: protocols` at the top level"),
        ("required_protocol: [https]", "`required_protocols` at the top level"),
        ("outdate: 3h", "`allowed_outdate` at the top level"),
        ("allowed_outdate: None", "allowed_outdate: is empty"),
        ("repo_names: {old: {repo: nfv, disable: true}}", "`disabled` as a key of the name"),
    ],
)
def test_restrictions_of_the_config(tmp_path: Path, text: str, hint: str) -> None:
    """Which protocols are served, how old a mirror may be, and which names are none."""
    with pytest.raises(SourceError) as raised:
        read_config(tmp_path, f"{CONFIG}{text}\n")
    assert hint in str(raised.value)


def test_every_restriction_is_known_by_its_own_name() -> None:
    """A key that is written right, in the wrong place, is found."""
    for restrictions in (OF_MIRROR, OF_CLOUD_MIRROR, IN_GEOLOCATION, OF_REPO, OF_CONFIG):
        names = [key for key in restrictions.keys if key.isidentifier()]
        assert len(names) >= 2
        assert [restrictions.meant(key) for key in names] == names


@pytest.mark.parametrize("key", ["country", "Country", "country_code", "allowed_country"])
def test_a_country_at_the_top_level_may_mean_two_things(tmp_path: Path, key: str) -> None:
    """The hint names both, so that nobody restricts a mirror who wanted to say where it is."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{key}: DE\n")
    assert mirror is None
    the_finding(
        findings, Severity.FAULT, f"{key}: ", "write `countries` or `geolocation: country` at the top"
    )


def test_real_mirror_files_have_no_false_faults(tmp_path: Path, real_data: Path) -> None:
    """Of 530 files none has a fault."""
    config, _ = read_config(tmp_path, (real_data / "almalinux" / "config.yml").read_text())
    files = sorted((real_data / "almalinux" / "mirrors.d").glob("*.yml"))
    assert len(files) == 530
    assert [path.name for path in files if read_mirror(path, config)[0] is None] == []
