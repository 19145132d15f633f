"""MirrorManager's mirrorlist cache becomes a data folder that serves the same, and what does not come
along is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from app.cli.foreign import paths_of
from app.model import Mirror, SourceError
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.sources.foreign.cache import read_cache
from app.sources.foreign.draft import WrittenFolder, write
from app.sources.foreign.mirrormanager import SERVICE, CachedNetwork
from app.sources.foreign.repositories import Repository, placed
from app.sources.mirror_files import read_mirror
from tests.sources.foreign.caches import Host, Site, fedora

EVERYWHERE = {"fedora": ["https://a.example.org/pub/fedora/linux"]}
ONE_REPO = {"fedora": {("fedora-42", "x86_64"): "releases/42/Everything/x86_64/os"}}


def imported(folder: Path, site: Site) -> tuple[WrittenFolder, list[str]]:
    """What is written of a site, and the notes about it."""
    network = CachedNetwork(site.write(folder / "mirrorlist_cache.proto"))
    written = write(network.draft(), folder / "network", SERVICE)
    notes = [*written.lost, *network.differences(paths_of(written.config))]
    return written, [f"{note.file}: {note.message}" for note in notes]


def mirror_of(folder: Path, written: WrittenFolder, name: str) -> Mirror:
    mirror, _ = read_mirror(folder / "network" / "mirrors.d" / f"{name}.yml", written.config)
    assert mirror is not None
    return mirror


@pytest.fixture(scope="module", params=[40, pytest.param(400, marks=pytest.mark.slow)])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Site, WrittenFolder, list[str]]:
    """A network of 40 hosts, imported."""
    folder, site = tmp_path_factory.mktemp("fedora"), fedora(40)
    return folder, site, *imported(folder, site)


def test_each_name_means_the_same_directory(whole: tuple[Path, Site, WrittenFolder, list[str]]) -> None:
    """Every name and arch of the cache leads to its directory; none of them differs."""
    _, site, written, notes = whole
    assert not [note for note in notes if "repo=" in note and "fedora-1 stands for" not in note]
    parser = Parser(written.config, ParameterReader(written.config.selection))
    asked = {key: below for known in site.repositories.values() for key, below in known.items()}
    assert len(asked) > 150
    for (name, arch), below in asked.items():
        if name not in site.disabled:
            path = parser.parse_list({"repo": name, "arch": arch}).path
            assert (
                path == below.removeprefix("fedora/linux/").removeprefix("epel/7/") + "/" or name == "epel-7"
            )


def test_each_host_becomes_a_mirror(whole: tuple[Path, Site, WrittenFolder, list[str]]) -> None:
    """With its country, its weight, and whom it is for. One with an archive alone is none, and is named."""
    folder, site, written, _ = whole
    carried = {number: host for number, host in site.hosts.items() if {"fedora", "epel"} & host.urls.keys()}
    assert 0.9 * len(site.hosts) < len(carried) == written.mirrors
    for number, host in carried.items():
        mirror = mirror_of(folder, written, f"mirror{number}.example.org")
        assert mirror.country == host.country
        assert mirror.weight == host.mbits / 1000
        assert mirror.private is host.private
        assert mirror.asns == ((host.asn,) if host.asn else ())
        assert mirror.countries == tuple(host.allowed)


def test_no_mirror_is_lost_silently(whole: tuple[Path, Site, WrittenFolder, list[str]]) -> None:
    """What none of our files has is named: for each mirror, or once where it is the same for all."""
    _, site, _, notes = whole
    with_ftp = sum(
        "ftp://" in url for host in site.hosts.values() for urls in host.urls.values() for url in urls
    )
    words = Counter(
        word
        for note in notes
        for word in ("ftp://", "Internet2", "connections", "continent", "sponsor")
        if word in note
    )
    assert words == {"ftp://": with_ftp, "Internet2": 1, "connections": 1, "continent": 1, "sponsor": 1}


def test_netblocks_whose_country_is_known_become_a_geofeed(
    whole: tuple[Path, Site, WrittenFolder, list[str]],
) -> None:
    """What a geofeed may not have is left out, and named."""
    folder, _, _, notes = whole
    assert (folder / "network" / "geofeeds" / "mirrormanager.csv").read_text() == (
        "192.0.2.0/25,DE,,,\n2001:db8:1::/48,JP,,,\n"
    )
    assert sum("0.0.0.0/0,US" in note for note in notes) == 1


# --- one thing at a time -------------------------------------------------------------------------------


def test_one_category_needs_no_products(tmp_path: Path) -> None:
    """Where there is one product alone, the config is as simple as any."""
    written, _ = imported(tmp_path, Site({1: Host(EVERYWHERE)}, ONE_REPO))
    config = yaml.safe_load((tmp_path / "network" / "config.yml").read_text())
    assert "products" not in config and config["versions"] == ["42"]
    assert mirror_of(tmp_path, written, "a.example.org").addresses == {
        "https": "https://a.example.org/pub/fedora/linux/"
    }


@pytest.mark.parametrize(
    ("host", "words"),
    [
        pytest.param(Host({"fedora": ["ftp://a.example.org/pub"]}), "no longer", id="ftp alone"),
        pytest.param(Host(EVERYWHERE, country="XX"), "'XX' is none", id="unknown country"),
        pytest.param(Host(EVERYWHERE, allowed=["DE", "QQ"]), "'QQ'", id="unknown country that it serves"),
        pytest.param(
            Host(EVERYWHERE, netblocks=["192.0.2.0/24", "0.0.0.0/1"]), "0.0.0.0/1", id="wide netblock"
        ),
        pytest.param(
            Host({"fedora": ["http://a.example.org/1", "http://a.example.org/2"]}),
            "second URL",
            id="two URLs",
        ),
        pytest.param(Host(EVERYWHERE, private=True), "nobody can be sent", id="private, for no network"),
        pytest.param(
            Host({"fedora": ["https://a.example.org/?x"]}), "without a query", id="a query in its URL"
        ),
    ],
)
def test_what_a_mirror_file_cannot_have_is_named(tmp_path: Path, host: Host, words: str) -> None:
    """And nothing else of the host is lost, as long as it has a usable URL."""
    usable = Host({"fedora": ["https://b.example.org/pub/fedora/linux"]})
    written, notes = imported(tmp_path, Site({1: host, 2: usable}, ONE_REPO))
    assert any("a.example.org" in note and words in note for note in notes) or words == "no longer"
    has_url = any(url.startswith("http") and "?" not in url for url in host.urls["fedora"])
    assert written.mirrors == 1 + has_url


def test_good_entries_of_a_list_stay(tmp_path: Path) -> None:
    """One netblock that is too wide does not take the others along."""
    host = Host(EVERYWHERE, netblocks=["192.0.2.0/24", "0.0.0.0/1"])
    written, _ = imported(tmp_path, Site({1: host}, ONE_REPO))
    assert mirror_of(tmp_path, written, "a.example.org").subnets == ("192.0.2.0/24",)


def test_a_mirror_for_unknown_countries_is_open_to_none(tmp_path: Path) -> None:
    """What would restrict it, and is not understood, does not open it: it is disabled, and named."""
    written, notes = imported(tmp_path, Site({1: Host(EVERYWHERE, allowed=["QQ"])}, ONE_REPO))
    assert mirror_of(tmp_path, written, "a.example.org").disabled
    assert any("a.example.org is disabled" in note for note in notes)


def test_two_hosts_of_one_name(tmp_path: Path) -> None:
    """They are two mirrors."""
    written, notes = imported(tmp_path, Site({1: Host(EVERYWHERE), 7: Host(EVERYWHERE)}, ONE_REPO))
    assert written.mirrors == 2 and any("a.example.org-7" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "below", "pattern", "path"),
    [
        (
            "fedora-41",
            "releases/[41]/Everything/x86_64/os",
            "fedora-$releasever",
            "releases/$releasever/Everything/$basearch/os/",
        ),
        (
            "updates-released-f41",
            "updates/[41]/Everything/x86_64",
            "updates-released-f$releasever",
            "updates/$releasever/Everything/$basearch/",
        ),
        (
            "testing-epel9",
            "testing/[9]/Everything/x86_64",
            "testing-epel$releasever",
            "testing/$releasever/Everything/$basearch/",
        ),
        ("epel-10", "[10.1]/Everything/x86_64", "epel-$releasever", "Everything/$basearch/"),
        (
            "BaseOS-9.4-debug",
            "[9.4]/BaseOS/x86_64/debug/tree",
            "BaseOS-$releasever-debug",
            "BaseOS/$basearch/debug/tree/",
        ),
        (
            "rawhide-source",
            "development/[rawhide]/Everything/source/tree",
            "$releasever-source",
            "development/$releasever/Everything/source/tree/",
        ),
        ("os-9-stream-x", "[9-stream]/BaseOS/x86_64/os", "os-$releasever-x", "BaseOS/$basearch/os/"),
        ("extras", "[7.9]/extras/x86_64", "extras", "extras/$basearch/"),
    ],
)
def test_where_a_repository_is(name: str, below: str, pattern: str, path: str) -> None:
    """Its release (here in brackets) is found in its path, and in its name if that has it."""
    found = placed(Repository(name, "x86_64", below.replace("[", "").replace("]", "")))
    assert found is not None
    assert (f"[{found.release}]" in below, found.pattern, found.path) == (True, pattern, path)


def test_sources_have_no_arch() -> None:
    """The arch "source" is none, so it stays in the path."""
    found = placed(Repository("sources-9", "source", "9/BaseOS/source/tree"))
    assert found is not None and found.path == "BaseOS/source/tree/"


def test_a_repository_without_a_release(tmp_path: Path) -> None:
    """It has no place here, and is named."""
    repositories = {"fedora": {**ONE_REPO["fedora"], ("tools", "x86_64"): "tools/x86_64"}}
    _, notes = imported(tmp_path, Site({1: Host(EVERYWHERE)}, repositories))
    assert any("repo=tools&arch=x86_64: there is no release in its path" in note for note in notes)


# --- files that are no cache ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x02}q\x00(U\x08", id="a pickle of older versions"),
        pytest.param(b"<metalink/>", id="XML"),
        pytest.param(b"\x08\x01", id="a message without repositories"),
        pytest.param(b"\x08\x01\x4a\xff\xff\xff\xff\x7f", id="cut short"),
        pytest.param(b"\xff" * 100, id="an integer without an end"),
    ],
)
def test_what_is_no_cache_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the name of the file."""
    path = tmp_path / "cache.proto"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cache\.proto"):
        read_cache(path)


def test_a_damaged_cache_is_refused_or_read(tmp_path: Path) -> None:
    """Wherever it is cut, there is an error with the file's name, and no other."""
    data = Site({1: Host(EVERYWHERE)}, ONE_REPO).write(tmp_path / "whole").read_bytes()
    path = tmp_path / "cache.proto"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        try:
            read_cache(path)
        except SourceError as error:
            assert "cache.proto" in str(error)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A data folder that is there stays as it is."""
    (tmp_path / "network").mkdir()
    config = tmp_path / "network" / "config.yml"
    config.write_text("mine\n")
    with pytest.raises(SourceError, match="is there already"):
        imported(tmp_path, Site({1: Host(EVERYWHERE)}, ONE_REPO))
    assert config.read_text() == "mine\n"
