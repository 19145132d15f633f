"""`mirrorwise nginx`: what it writes, when, and what it has nginx do about it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.model import digest_of
from app.settings import read_settings
from app.site.directory import Site, SiteDirectory
from app.store import file_store
from tests.conftest import ROOT
from tests.geo.databases import write_places
from tests.once import with_sample
from tests.servers import environ
from tests.serving.site import publish_places
from tests.spoiling import damaged, exchanged, truncated


@pytest.fixture(scope="module")
def published(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sample(published_sample, tmp_path_factory.mktemp("published"))


def nginx(var: Path, out: Path, *options: str, **more: str) -> Result:
    variables = {**environ(ROOT / "data", var), "LOG_LEVEL": "error", **more}
    arguments = ["nginx", "--out", str(out), *options]
    return CliRunner().invoke(main, arguments, env=variables)


def text(out: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(out.glob("*.conf")))


def databases(out: Path) -> list[str]:
    return sorted(path.name for path in out.glob("*.mmdb"))


def used(out: Path) -> dict[str, str]:
    """The databases that nginx reads, by the variable that it fills."""
    http = (out / "local-http.conf").read_text()
    return {variable: name for name, variable in re.findall(r"^geoip2 \S*/(\S+) { \$(\w+)", http, re.M)}


def test_everything_is_in_the_directory(published: Path, tmp_path: Path) -> None:
    """The site names no file of its own but by this directory, and each that it names is there."""
    out = tmp_path / "site"
    result = nginx(published, out, "--upstream", "unix:/run/web.sock", "--server-name", "mirrors.example.org")
    assert result.exit_code == 0, result.output
    assert "server unix:/run/web.sock max_fails=0;" in (out / "local-http.conf").read_text()
    assert "server_name mirrors.example.org;" in (out / "local-server.conf").read_text()
    for address in ("80", "[::]:80"):
        assert f"listen {address} default_server;" in (out / "local-server.conf").read_text()
    assert "/etc/nginx/mirrorwise" not in text(out)
    assert len(databases(out)) == 3
    assert sorted(used(out).values()) == databases(out)


def test_several_services(published: Path, tmp_path: Path) -> None:
    """Each is asked, for lists and for all else; without any it is the one on this machine's port."""
    out = tmp_path / "site"
    for options, wanted in (
        (
            ["--upstream", "unix:/run/web.sock", "--upstream", "192.0.2.7:8080"],
            ["unix:/run/web.sock", "192.0.2.7:8080"],
        ),
        ([], ["127.0.0.1:8123"]),
    ):
        assert nginx(published, out, *options, PORT="8123").exit_code == 0
        http = (out / "local-http.conf").read_text()
        groups = [re.findall(r"server (\S+) max_fails", group) for group in http.split("upstream ")[1:]]
        assert groups == [wanted] * 3


def test_nothing_changes_without_a_cause(published: Path, tmp_path: Path) -> None:
    """A second run says and writes nothing."""
    out = tmp_path / "site"
    assert "mirrorwise.conf" in nginx(published, out).output
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.conf")}
    assert nginx(published, out).output == ""
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.conf")} == before


def test_it_needs_the_store_alone(published: Path, tmp_path: Path) -> None:
    """What vendors' files there are on the machine does not matter."""
    out, other = tmp_path / "site", tmp_path / "other"
    assert nginx(published, out, GEOIP_CITY=str(tmp_path / "not-there.mmdb")).exit_code == 0
    nginx(published, other)
    assert databases(out) == databases(other)
    assert set(used(out)) == {"mw_located", "mw_network", "mw_spread_and_family"}


@pytest.fixture
def own(published: Path, tmp_path: Path) -> Path:
    """What is published, to be changed."""
    return shutil.copytree(published, tmp_path / "own")


def with_places(var: Path, place: str) -> str:
    """It is published with all clients in one place; the name of the file."""
    content = write_places(var / "places.mmdb", {"0.0.0.0/0": place, "::/0": place}).read_bytes()
    publish_places(file_store(var), content)
    return f"{digest_of(content)[:32]}.mmdb"


def test_a_new_database_is_a_new_file(own: Path, tmp_path: Path) -> None:
    """The one that nginx has open is left as it is; the configuration names the new one."""
    out = tmp_path / "site"
    assert nginx(own, out).exit_code == 0
    before = used(out)
    name = with_places(own, "LU/49/6")
    result = nginx(own, out)
    assert result.output == f"written: {out / 'local-http.conf'}\n"
    assert used(out) == {**before, "mw_located": name}
    assert {*before.values(), name} == set(databases(out))


def test_databases_that_nginx_may_have_open_are_kept_for_an_hour(own: Path, tmp_path: Path) -> None:
    """From the last update at which the configuration named them."""
    out = tmp_path / "site"
    settings = read_settings(environ(ROOT / "data", own))
    site = Site(("127.0.0.1:1",), ("80",), (), "_", tmp_path / "cache")
    directory = SiteDirectory(out, site, settings, file_store(own))
    directory.update()
    former = out / used(out)["mw_located"]
    os.utime(former, (1, 1))  # it was written long ago
    directory.update()
    with_places(own, "LU/49/6")
    directory.update()
    assert former.exists()
    os.utime(former, (1, 1))
    directory.update()
    assert not former.exists()


@pytest.mark.parametrize("harm", [damaged, truncated, exchanged, Path.unlink])
def test_a_spoiled_database_does_not_hold_up_the_rest(
    own: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The last good one stays in use, what else has changed is written, and nginx takes it up. The fault is
    said afterwards, also by a process that starts only then; once the store has it again, it is used."""
    out, ran = tmp_path / "site", tmp_path / "ran"
    assert nginx(own, out).exit_code == 0
    before = used(out)
    name = with_places(own, "LU/49/6")
    [blob] = (own / "store" / "objects").glob(f"{Path(name).stem}*")
    content = blob.read_bytes()
    harm(blob)
    result = nginx(own, out, "--server-name", "a.example.org", "--reload", f"touch {ran}")
    assert result.exit_code == 1
    assert blob.name[:12] in result.output
    assert used(out) == before
    assert "server_name a.example.org;" in text(out)
    assert ran.exists()
    blob.write_bytes(content)
    assert nginx(own, out).exit_code == 0
    assert used(out) == {**before, "mw_located": name}


def test_a_spoiled_file_is_written_again(own: Path, tmp_path: Path) -> None:
    """A copy that is not what was published is not given to nginx."""
    out = tmp_path / "site"
    assert nginx(own, out).exit_code == 0
    before = {path: path.read_bytes() for path in out.glob("*.mmdb")}
    for path in before:
        truncated(path)
    assert nginx(own, out).exit_code == 0
    assert {path: path.read_bytes() for path in out.glob("*.mmdb")} == before


def test_a_database_that_was_never_good(own: Path, tmp_path: Path) -> None:
    """nginx knows no classes then, and asks the service for every client."""
    out = tmp_path / "site"
    name = with_places(own, "LU/49/6")
    [blob] = (own / "store" / "objects").glob(f"{Path(name).stem}*")
    truncated(blob)
    assert nginx(own, out).exit_code == 1
    assert set(used(out)) == {"mw_network"}


def test_before_anything_is_published(tmp_path: Path) -> None:
    """Nobody knows what networks there are: nginx passes everything on, and knows no classes."""
    out = tmp_path / "site"
    assert nginx(tmp_path / "nothing", out).exit_code == 0
    assert used(out) == {}
    assert databases(out) == []


def test_the_folder_is_small_and_knows_no_vendor() -> None:
    """All of nginx's files are 360 lines, and none has a field of a vendor's records, or arithmetic."""
    texts = [path.read_text() for path in (ROOT / "nginx").glob("*.conf")]
    assert sum(text.count("\n") for text in texts) <= 360
    for word in ("country_code", "iso_code", "latitude", "longitude", "accuracy_radius", "subdivisions"):
        assert not any(word in text for text in texts)


def test_trusted_proxies_are_nginxs_as_well(published: Path, tmp_path: Path) -> None:
    """Whose X-Forwarded-For and X-Forwarded-Proto the service believes, nginx believes."""
    out = tmp_path / "site"
    nginx(published, out, TRUSTED_PROXIES="10.0.0.0/8,2001:db8::/32,10.0.0.0/8")
    for name, line in (("local-server.conf", "set_real_ip_from {};"), ("local-http.conf", "{} 1;")):
        text = (out / name).read_text()
        for network in ("10.0.0.0/8", "2001:db8::/32"):
            assert text.count(line.format(network)) == 1
    nginx(published, out, TRUSTED_PROXIES="none")
    assert "set_real_ip_from" not in (out / "local-server.conf").read_text()
    assert " 1;" not in (out / "local-http.conf").read_text()


def test_nginx_reloads_once_for_every_change(published: Path, tmp_path: Path) -> None:
    """And again the next time if that failed, until it works."""
    out, ran = tmp_path / "site", tmp_path / "ran"
    reload = f"sh -c 'echo x >> {ran}'"
    assert "nginx was told to reload" in nginx(published, out, "--reload", reload).output
    assert nginx(published, out, "--reload", reload).output == ""
    assert ran.read_text().count("x") == 1
    refusal = "sh -c 'echo no >&2; exit 1'"
    failed = nginx(published, out, "--server-name", "a.example.org", "--reload", refusal)
    assert failed.exit_code == 1
    assert "no" in failed.output
    again = nginx(published, out, "--server-name", "a.example.org", "--reload", reload)
    assert again.output == "nginx was told to reload\n"
    assert ran.read_text().count("x") == 2


def test_a_certificate_needs_its_key(published: Path, tmp_path: Path) -> None:
    """Usage errors say what belongs together."""
    result = nginx(published, tmp_path / "site", "--certificate", "/etc/ssl/cert.pem")
    assert result.exit_code == 2
    assert "--certificate-key" in result.output
