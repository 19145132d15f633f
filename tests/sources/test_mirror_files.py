"""Mirror files: every slip that people make in them, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Cloud, Coordinates, Mirror, Severity
from tests.sources.samples import LOCATED, MIRROR, read_sample, severities, the_finding

HTTP = {"http": "http://mirror.example.org/alma/"}


def test_a_complete_mirror_file(tmp_path: Path) -> None:
    """Every key that there is, in the form the rest of Mirrorwise works with."""
    mirror, findings = read_sample(
        tmp_path,
        """\
---
name: mirror.example.org
address:
  http: http://mirror.example.org/alma
  https: https://mirror.example.org/alma/
  rsync: rsync://mirror.example.org/alma
  ftp: ftp://mirror.example.org/alma
address_optional:
  kitten:
    https: https://mirror.example.org/kitten
address_vault:
  https: https://vault.example.net/alma
geolocation:
  country: Germany
  state_province: Bavaria
  city: München
asn: [64496, AS64497]
subnets: [198.51.100.0/24]
private: false
monopoly: no
disabled: false
probe: false
cloud_type: AWS
cloud_regions: [eu-central-1, EU-West-1]
latitude: 48.1
longitude: 11.6
weight: 2.5
countries: [de, Austria]
exclude_countries: CH
repos: [baseos]
arches: [x86_64]
versions: ["9", "10-kitten"]
update_frequency: 3h
sponsor: Beispiel GmbH
sponsor_url: https://example.org
email: noc@example.org
...
""",
    )
    assert findings == []
    assert mirror == Mirror(
        name="mirror.example.org",
        addresses={
            "https": "https://mirror.example.org/alma/",
            "http": "http://mirror.example.org/alma/",
            "rsync": "rsync://mirror.example.org/alma/",
        },
        module_addresses={"kitten": {"https": "https://mirror.example.org/kitten/"}},
        vault_addresses={"": {"https": "https://vault.example.net/alma/"}},
        country="DE",
        state_province="Bavaria",
        city="München",
        coordinates=Coordinates(latitude=48.1, longitude=11.6),
        asns=(64496, 64497),
        subnets=("198.51.100.0/24",),
        probe=False,
        cloud=Cloud(provider="aws", regions=("eu-central-1", "eu-west-1")),
        weight=2.5,
        countries=("DE", "AT"),
        exclude_countries=("CH",),
        repos=("baseos",),
        arches=("x86_64",),
        versions=("9.8", "10-kitten"),
        update_frequency_s=3 * 3600,
        sponsor="Beispiel GmbH",
        sponsor_url="https://example.org",
    )


def test_name_and_address_are_enough(tmp_path: Path) -> None:
    """A mirror may say nothing else; that it does not say where it is, is worth a warning."""
    mirror, findings = read_sample(tmp_path, MIRROR)
    assert mirror == Mirror(name="mirror.example.org", addresses={"http": HTTP["http"]})
    assert the_finding(findings, Severity.WARNING, "where the mirror is").file == "mirror.example.org.yml"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LOCATED.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(LOCATED.rstrip().encode(), id="no final newline"),
        pytest.param(b"\xef\xbb\xbf" + LOCATED.encode(), id="byte order mark"),
        pytest.param(f"---\n{LOCATED}...\n".encode(), id="document markers"),
        pytest.param(f"{LOCATED}sponsor: Größe & Söhne ☃\n".encode(), id="non-ASCII"),
        pytest.param(LOCATED.replace("  http", "   http").encode(), id="odd indentation"),
    ],
)
def test_harmless_variants_are_no_finding(tmp_path: Path, content: bytes) -> None:
    """What editors and languages do to files is all right."""
    mirror, findings = read_sample(tmp_path, content)
    assert findings == []
    assert mirror is not None
    assert mirror.addresses == HTTP


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("asn: 64496\nlongitute: 8", 6, '"longitude"', id="typo in a key"),
        pytest.param("address_options: {kitten: {}}", 5, '"address_optional"', id="address_options"),
        pytest.param("address_optional: {kiten: {}}", 5, '"kitten"', id="unknown module"),
        pytest.param("asn: 64496\nasn: 64497", 6, "line 5", id="key twice"),
        pytest.param("update_frequency: sometimes", 5, "3h", id="update_frequency"),
        pytest.param("sponsor: [a, b]", 5, "should be a text", id="sponsor as a list"),
        pytest.param("sponsor: Example \u202eelpmaxE", 5, "direction of writing", id="turned around"),
        pytest.param("sponsor_url: example.org", 5, "https://", id="sponsor_url without scheme"),
        pytest.param("sponsor_url: javascript:alert(1)", 5, "https://", id="sponsor_url as a script"),
        pytest.param("email: nobody", 5, "e-mail", id="e-mail"),
        pytest.param("private: true", 5, "nobody can be sent", id="private without a network"),
        pytest.param("monopoly: true", 5, "no effect", id="monopoly without a network"),
        pytest.param("cloud_type: gcp", 5, "[all]", id="cloud without regions"),
        pytest.param("repos: [baseos, appstream]", 5, '"appstream"', id="unknown repo"),
        pytest.param("arches: [x86_64, x86-64]", 5, '"x86_64"', id="unknown arch"),
        pytest.param('versions: ["9", "9.7"]', 5, "9.7", id="unknown version"),
        pytest.param("countries: [DE]\nexclude_countries: [DE]", 6, "excluded", id="country in both lists"),
    ],
)
def test_slips_that_cost_nothing_are_warnings(tmp_path: Path, text: str, line: int, words: str) -> None:
    """The mirror is used, and its admin learns what was not understood."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{text}\n")
    assert mirror is not None
    assert the_finding(findings, Severity.WARNING, words).line == line


@pytest.mark.parametrize(
    ("geolocation", "country", "city", "words"),
    [
        pytest.param("{country: UK, city: London}", "GB", "London", None, id="UK"),
        pytest.param("{country: Australia, city: Perth}", "AU", "Perth", None, id="name"),
        pytest.param("{country: NO, city: Oslo}", "NO", "Oslo", None, id="Norway without quotes"),
        pytest.param("{country: DE, city: , state_province: ~}", "DE", None, None, id="empty"),
        pytest.param("{country: DE, City: Ulm}", "DE", None, '"city"', id="capital letter"),
        pytest.param("{country: DE, asn: 64496}", "DE", None, "not known here", id="stray asn"),
        pytest.param("{continent: EU, country: DE}", "DE", None, "not known here", id="continent"),
    ],
)
def test_geolocation(
    tmp_path: Path, geolocation: str, country: str, city: str | None, words: str | None
) -> None:
    """Countries become codes; a typo is named and not guessed."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}geolocation: {geolocation}\n")
    assert mirror is not None
    assert (mirror.country, mirror.city, mirror.asns) == (country, city, ())
    assert findings == [] if words is None else the_finding(findings, Severity.WARNING, words).line == 4


def test_a_country_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """It decides which clients the mirror gets, so that it is no slip to pass over."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}geolocation: {{country: Atlantis}}\n")
    assert mirror is None
    assert severities(findings) == [Severity.FAULT, Severity.WARNING]
    assert findings[0].message.startswith('geolocation.country: "Atlantis" is not a country')


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("latitude: 1\nlongitude: 2", id="coordinates"),
        pytest.param("cloud_type: aws\ncloud_regions: [all]", id="cloud mirrors go by region"),
        pytest.param("private: true\nasn: 64496", id="private mirrors go by network"),
    ],
)
def test_who_needs_no_geolocation(tmp_path: Path, text: str) -> None:
    """Only a public mirror that is chosen by distance is asked where it is."""
    mirror, findings = read_sample(tmp_path, f"{MIRROR}{text}\n")
    assert mirror is not None
    assert findings == []


@pytest.mark.parametrize(
    ("text", "asns"),
    [
        ("64496", (64496,)),
        ("AS64496", (64496,)),
        ("as64496", (64496,)),
        ('"64496"', (64496,)),
        ("[64496, AS64497, 64496]", (64496, 64497)),
        ("[]", ()),
        ("", ()),
        ("4294967294", (4294967294,)),
        ("0", None),
        ("4294967295", None),
        ("-1", None),
        ("64496.5", None),
        ("AS-EXAMPLE", None),
        ("64496, 64497", None),
        ("[[64496]]", None),
    ],
)
def test_asn(tmp_path: Path, text: str, asns: tuple[int, ...] | None) -> None:
    """A number, AS and a number, or a list of them; anything else is a fault, as it decides who is sent."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}asn: {text}\n")
    assert (mirror.asns if mirror else None) == asns
    assert severities(findings) == ([] if mirror else [Severity.FAULT])


@pytest.mark.parametrize(
    ("text", "cloud"),
    [
        (
            "cloud_type: azure\ncloud_regions: [germanywc]",
            Cloud(provider="azure", regions=("germanywestcentral",)),
        ),
        (
            "cloud_type: OCI\ncloud_regions: eu-frankfurt-1",
            Cloud(provider="oci", regions=("eu-frankfurt-1",)),
        ),
        ("cloud_type: gcp\ncloud_regions: [all]", Cloud(provider="gcp")),
        ("cloud_type: gcp\ncloud_regions: [europe-west1, ALL]", Cloud(provider="gcp")),
    ],
)
def test_cloud_mirrors(tmp_path: Path, text: str, cloud: Cloud) -> None:
    """Providers in any case; regions in lower case, as their own names come later; none means all."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{text}\n")
    assert findings == []
    assert mirror is not None
    assert mirror.cloud == cloud


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("private: maybe", 5, "true or false", id="private"),
        pytest.param("private: [true]", 5, "true or false", id="private as a list"),
        pytest.param("disabled: 1", 5, "true or false", id="disabled"),
        pytest.param("weight: 0", 5, "at least 0.001", id="no weight"),
        pytest.param("weight: 4e-323", 5, "at least 0.001", id="a weight that nothing can be divided by"),
        pytest.param("weight: 101", 5, "at most 100", id="too much weight"),
        pytest.param("weight: heavy", 5, "number", id="weight"),
        pytest.param("latitude: 48", 5, "no longitude", id="latitude alone"),
        pytest.param("longitude: 8", 5, "no latitude", id="longitude alone"),
        pytest.param("latitude: 91\nlongitude: 8", 5, "at most 90", id="latitude"),
        pytest.param("latitude: 48\nlongitude: 181", 6, "at most 180", id="longitude"),
        pytest.param("countries: [DE, Atlantis]", 5, "Atlantis", id="country"),
        pytest.param("exclude_countries: [XX]", 5, "XX", id="excluded country"),
        pytest.param("cloud_type: [aws, gcp]", 5, "must be a single value", id="two providers"),
        pytest.param("cloud_type: asw\ncloud_regions: [all]", 5, '"aws"', id="provider"),
        pytest.param("cloud_regions: [eu-west-1]", 5, "cloud_type", id="regions of no provider"),
    ],
)
def test_what_decides_who_is_sent_must_be_understood(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    """A private mirror must not become public by a slip; so this is a fault, with what is allowed."""
    base = MIRROR + "geolocation: {country: DE}\n" if "geolocation" not in text else LOCATED
    mirror, findings = read_sample(tmp_path, f"{base}{text}\n")
    assert mirror is None
    faults = [finding for finding in findings if finding.severity is Severity.FAULT]
    assert len(faults) == 1
    assert faults[0].line == line
    assert words in faults[0].message


@pytest.mark.parametrize("key", ["repos", "arches", "versions"])
def test_a_choice_of_nothing_known_is_a_fault(tmp_path: Path, key: str) -> None:
    """It must not turn into "carries everything"."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{key}: [nonsense]\n")
    assert mirror is None
    assert Severity.FAULT in severities(findings)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        pytest.param("name: mirror.example.org\n", "", 1, "missing", id="no name"),
        pytest.param(
            "name: mirror.example.org", "name: ../../etc/passwd", 1, "letters, digits", id="name as a path"
        ),
        pytest.param("name: mirror.example.org", "name: a/b", 1, "letters, digits", id="name with a slash"),
        pytest.param("name: mirror.example.org", "name: .hidden", 1, "letters, digits", id="hidden name"),
        pytest.param("name: mirror.example.org", "name: a.Atom", 1, 'without ".atom"', id="name as a feed"),
        pytest.param(
            "name: mirror.example.org", 'name: "a\\nb"', 1, "letters, digits", id="name with a newline"
        ),
        pytest.param(
            "name: mirror.example.org", "name: " + "a" * 300, 1, "letters, digits", id="endless name"
        ),
        pytest.param(
            "address:\n  http: http://mirror.example.org/alma/\n", "", 1, "address for", id="no address"
        ),
        pytest.param("http: http:", "rsync: rsync:", 2, "http or https", id="only rsync"),
        pytest.param("http: http:", "ftp: ftp:", 2, "http or https", id="only ftp"),
        pytest.param("http://mirror", "mirror", 3, "must begin with", id="no scheme"),
        pytest.param("http://mirror", "ftp://mirror", 3, "must begin with", id="ftp under http"),
        pytest.param("http://", "http://me:secret@", 3, "password", id="password"),
        pytest.param("/alma/", "/alma/?a=b", 3, "query", id="query"),
        pytest.param("mirror.example.org/alma", "mirror_example/alma", 3, "host name", id="no host name"),
        pytest.param("address:\n  http:", "address:", 2, "mapping", id="address without protocol"),
    ],
)
def test_a_mirror_that_nobody_could_use_is_a_fault(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """Without a safe name and a good address there is no mirror; the message says where to mend."""
    assert old in LOCATED
    mirror, findings = read_sample(tmp_path, LOCATED.replace(old, new, 1))
    assert mirror is None
    faults = [finding for finding in findings if finding.severity is Severity.FAULT]
    assert any(words in fault.message and fault.line == line for fault in faults), findings


def test_a_truncated_file_is_one_fault(tmp_path: Path) -> None:
    """Cut within a key: the line is named, and nothing half-read is served."""
    mirror, findings = read_sample(tmp_path, LOCATED + "asn: [64496")
    assert mirror is None
    the_finding(findings, Severity.FAULT, "not valid YAML")


def test_a_name_unlike_the_files_is_a_warning(tmp_path: Path) -> None:
    """The name counts."""
    mirror, findings = read_sample(tmp_path, LOCATED, name="other.example.org.yml")
    assert mirror is not None
    assert mirror.name == "mirror.example.org"
    assert the_finding(findings, Severity.WARNING, '"other.example.org"').line == 1


def test_what_is_shown_of_a_file_cannot_steer_a_terminal(tmp_path: Path) -> None:
    """Control characters in a foreign file are escaped in messages, long values shortened."""
    _, findings = read_sample(tmp_path, f'{LOCATED}update_frequency: "\\e[31m{"x" * 500}"\n')
    message = the_finding(findings, Severity.WARNING, "\\x1b[31m").message
    assert message.isprintable()
    assert len(message) < 200
