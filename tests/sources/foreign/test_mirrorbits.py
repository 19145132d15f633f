"""The mirrors of mirrorbits become mirror files, and what does not come along is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.init import beginning
from app.model import Coordinates, Mirror, SourceError
from app.sources.foreign.draft import WrittenFolder, write
from app.sources.foreign.mirrorbits import SERVICE, MirrorbitsFiles
from app.sources.mirror_files import read_mirror

# As `mirrorbits edit` shows a mirror.
MIRROR = """\
# You can now edit this mirror configuration.
# Just save and quit when you're done.

Name: mirror.example.org
HttpURL: mirror.example.org/pub/
RsyncURL: rsync://mirror.example.org/pub/
FtpURL: ""
SponsorName: Example Hosting
SponsorURL: https://www.example.org/
SponsorLogoURL: ""
AdminName: ""
AdminEmail: noc@example.org
CustomData: ""
ContinentOnly: false
CountryOnly: false
ASOnly: false
Score: 0
Latitude: 52.5
Longitude: 13.4
ContinentCode: EU
CountryCodes: DE
ExcludedCountryCodes: ""
ASNum: 64496
Enabled: true
AllowRedirects: default

##### Comments go below this line #####


"""


def imported(folder: Path, *contents: str) -> tuple[WrittenFolder, dict[str, Mirror], list[str]]:
    """What is written, the mirrors by name, and the notes."""
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.yml")
        paths[-1].write_text(content)
    draft = MirrorbitsFiles(paths).draft(beginning("config.yml").decode())
    written = write(draft, folder / "network", SERVICE)
    files = (folder / "network" / "mirrors.d").glob("*.yml")
    read = [read_mirror(path, written.config)[0] for path in files]
    return written, {m.name: m for m in read if m}, [f"{n.file}: {n.message}" for n in written.lost]


def test_a_mirror(tmp_path: Path) -> None:
    """Everything that mirror files have comes along, and nothing is noted."""
    _, mirrors, notes = imported(tmp_path, MIRROR)
    assert mirrors == {
        "mirror.example.org": Mirror(
            name="mirror.example.org",
            addresses={
                "https": "https://mirror.example.org/pub/",
                "http": "http://mirror.example.org/pub/",
                "rsync": "rsync://mirror.example.org/pub/",
            },
            country="DE",
            coordinates=Coordinates(latitude=52.5, longitude=13.4),
            asns=(64496,),
            sponsor="Example Hosting",
            sponsor_url="https://www.example.org/",
        )
    }
    assert notes == []


@pytest.mark.parametrize(
    ("old", "new", "attribute", "value"),
    [
        ("HttpURL: mirror", "HttpURL: http://mirror", "addresses", {
            "http": "http://mirror.example.org/pub/", "rsync": "rsync://mirror.example.org/pub/",
        }),
        ("CountryOnly: false", "CountryOnly: true", "countries", ("DE",)),
        ("ASOnly: false", "ASOnly: true", "private", True),
        ("Score: 0", "Score: 50", "weight", 1.5),
        ("Score: 0", "Score: -100", "weight", 0.001),
        ("Enabled: true", "Enabled: false", "disabled", True),
        ('ExcludedCountryCodes: ""', "ExcludedCountryCodes: NO SE", "exclude_countries", ("NO", "SE")),
        ("Latitude: 52.5\nLongitude: 13.4", "Latitude: 0\nLongitude: 0", "coordinates", None),
        ("ASNum: 64496", "ASNum: 0", "asns", ()),
    ],
)  # fmt: skip
def test_each_key(tmp_path: Path, old: str, new: str, attribute: str, value: object) -> None:
    """Each key that decides something decides the same here."""
    _, mirrors, _ = imported(tmp_path, MIRROR.replace(old, new))
    assert getattr(mirrors["mirror.example.org"], attribute) == value


@pytest.mark.parametrize("key", ["CountryOnly", "ContinentOnly"])
def test_a_mirror_for_unknown_countries_is_open_to_none(tmp_path: Path, key: str) -> None:
    """What would restrict it, and is not understood, does not open it: it is disabled, and named."""
    odd = (
        MIRROR.replace(f"{key}: false", f"{key}: true")
        .replace("Codes: DE", "Codes: QQ")
        .replace(": EU", ": QQ")
    )
    _, mirrors, notes = imported(tmp_path, odd)
    assert mirrors["mirror.example.org"].disabled
    assert any("disabled" in note for note in notes)


def test_continent_only(tmp_path: Path) -> None:
    """It becomes the countries of the continent."""
    _, mirrors, _ = imported(tmp_path, MIRROR.replace("ContinentOnly: false", "ContinentOnly: true"))
    countries = mirrors["mirror.example.org"].countries
    assert {"DE", "FR", "NO"} <= set(countries) and "US" not in countries


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('FtpURL: ""', "FtpURL: ftp://mirror.example.org/", "FtpURL"),
        ('AdminName: ""', "AdminName: Ada", "AdminName"),
        ('CustomData: ""', "CustomData: some", "CustomData"),
        ("AllowRedirects: default", 'AllowRedirects: "false"\nNewKey: 5', "NewKey"),
        ("CountryCodes: DE", "CountryCodes: DE AT", "AT"),
        ("CountryCodes: DE", "CountryCodes: DE QQ", "QQ"),
        ("line #####\n", "line #####\nmoves in May\n", "comment"),
        ("ASOnly: false", "ASOnly: true", "ASOnly"),
        ("Name: mirror.example.org", "Name: Uni Köln", "Uni"),
        ("ASNum: 64496", "ASNum: 99999999999", "asn"),
    ],
)  # fmt: skip
def test_what_does_not_come_along_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Beside a mirror file with all the rest."""
    _, mirrors, notes = imported(tmp_path, MIRROR.replace(old, new))
    assert [*mirrors] == ["mirror.example.org"]
    assert any(words in note for note in notes)


@pytest.mark.parametrize("name", ["../../outside", "a/b", ".hidden", "x\\ny"])
def test_a_name_that_is_none_leads_nowhere(tmp_path: Path, name: str) -> None:
    """A mirror without a usable name and host is left out, and no file outside the folder is written."""
    before = sorted(tmp_path.parent.rglob("*.yml"))
    odd = MIRROR.replace("Name: mirror.example.org", f'Name: "{name}"').replace(
        "HttpURL: mirror", "HttpURL: //mirror"
    )
    _, mirrors, notes = imported(tmp_path, odd)
    assert mirrors == {} and any("cannot be a name" in note for note in notes)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.yml")}
    assert written == {Path("0.yml"), Path("network/config.yml")}
    assert sorted(set(tmp_path.parent.rglob("*.yml")) - {tmp_path / path for path in written}) == before


def test_several_mirrors_in_a_file(tmp_path: Path) -> None:
    """With a line of --- between them; of two with one name, the first counts."""
    other = MIRROR.replace("mirror.example.org", "other.example.org")
    _, mirrors, notes = imported(tmp_path, f"{MIRROR}---\n{other}---\n{MIRROR}")
    assert sorted(mirrors) == ["mirror.example.org", "other.example.org"]
    assert any("is there twice" in note for note in notes)


def test_the_configuration(tmp_path: Path) -> None:
    """Its first fallback becomes the origin, and its other settings are named."""
    config = """\
Repository: /srv/repo
RedisAddress: 192.0.2.1:6379
TraceFileLocation: /trace
Fallbacks:
    - URL: fallback1.example.net/repo/
      CountryCode: fr
    - URL: https://fallback2.example.net/repo/
"""
    written, _, notes = imported(tmp_path, MIRROR, config)
    assert written.config.origin == "https://fallback1.example.net/repo/"
    for words in ("Repository", "TraceFileLocation", "RedisAddress", "fallback2.example.net"):
        assert any(words in note for note in notes)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("a: [", id="no YAML"),
        pytest.param("- a\n", id="a list"),
        pytest.param("name: mirror.example.org\n", id="a mirror file of ours"),
    ],
)
def test_what_is_none_of_its_files_is_refused(tmp_path: Path, content: str) -> None:
    """With the name of the file, and nothing is written."""
    with pytest.raises(SourceError, match=r"0\.yml"):
        imported(tmp_path, content)
    assert not (tmp_path / "network").exists()
