"""`mirrorwise nginx`: what it writes, when, and what it has nginx do about it."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.logs import Faults
from app.serving.current import Current
from app.settings import read_settings
from app.store import file_store
from app.worker.geography import GeoFiles
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import ROOT
from tests.geo.databases import dbip, write_database
from tests.servers import environ


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("published")
    assert run_once(Worker(read_settings(environ(ROOT / "data", var)), file_store(var)))
    return var


def nginx(var: Path, out: Path, *options: str, **more: str) -> Result:
    variables = {**environ(ROOT / "data", var), "LOG_LEVEL": "error", **more}
    arguments = ["nginx", "--out", str(out), *options]
    return CliRunner().invoke(main, arguments, env=variables)


def text(out: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(out.glob("*.conf")))


def databases(out: Path) -> list[str]:
    return sorted(path.name for path in out.glob("*.mmdb"))


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
    used = (out / "local-http.conf").read_text() + (out / "geoip-maxmind.conf").read_text()
    assert len(databases(out)) == 2
    assert all(name in used for name in databases(out))


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


def test_a_new_database_is_a_new_file(published: Path, tmp_path: Path) -> None:
    """The one that nginx has open is left as it is; the configuration names the new one."""
    out, city = tmp_path / "site", tmp_path / "city.mmdb"
    shutil.copy(ROOT / "data" / "geoip" / "city.mmdb", city)
    assert nginx(published, out, GEOIP_CITY=str(city)).exit_code == 0
    before = databases(out)
    content = city.read_bytes()
    city.write_bytes(content.replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    result = nginx(published, out, GEOIP_CITY=str(city))
    assert result.output == f"written: {out / 'geoip-maxmind.conf'}\n"
    assert set(before) < set(databases(out))
    new = (set(databases(out)) - set(before)).pop()
    assert new in (out / "geoip-maxmind.conf").read_text()


def test_a_broken_database_changes_nothing(published: Path, tmp_path: Path) -> None:
    """nginx keeps what it has, and the message names the file."""
    out, city = tmp_path / "site", tmp_path / "city.mmdb"
    shutil.copy(ROOT / "data" / "geoip" / "city.mmdb", city)
    assert nginx(published, out, GEOIP_CITY=str(city)).exit_code == 0
    before = text(out)
    city.write_bytes(city.read_bytes()[:5000])
    result = nginx(published, out, GEOIP_CITY=str(city))
    assert result.exit_code == 1
    assert str(city) in result.output
    assert text(out) == before


def test_a_broken_database_does_not_hold_up_the_rest(published: Path, tmp_path: Path) -> None:
    """With its last good copy in place, what else has changed is written and taken up by nginx; that the
    file is at fault is said afterwards, also by a process that starts only then."""
    out, city, ran = tmp_path / "site", tmp_path / "city.mmdb", tmp_path / "ran"
    shutil.copy(ROOT / "data" / "geoip" / "city.mmdb", city)
    assert nginx(published, out, GEOIP_CITY=str(city)).exit_code == 0
    before = databases(out)
    city.write_bytes(city.read_bytes()[:5000])
    more = ("--server-name", "a.example.org", "--reload", f"touch {ran}")
    result = nginx(published, out, *more, GEOIP_CITY=str(city))
    assert result.exit_code == 1
    assert str(city) in result.output
    assert "server_name a.example.org;" in text(out)
    assert ran.exists()
    assert databases(out) == before


@pytest.mark.parametrize("broken", [0, 1])
def test_one_of_two_databases_was_never_good(published: Path, tmp_path: Path, broken: int) -> None:
    """Worker, web and nginx all go on without a city database, and say which file is at fault; once it is
    good, all use both files."""
    cities = [
        write_database(tmp_path / "4.mmdb", {"192.0.2.0/24": dbip("LU", 49.6, 6.1)}),
        write_database(tmp_path / "6.mmdb", {"2001:db8::/32": dbip("LU", 49.6, 6.1)}, ip_version=6),
    ]
    good = cities[broken].read_bytes()
    cities[broken].write_bytes(good[:100])
    out, variable = tmp_path / "site", f"{cities[0]},{cities[1]}"
    settings = read_settings(environ(ROOT / "data", tmp_path / "var", GEOIP_CITY=variable))
    worker = GeoFiles(settings, Faults(logging.getLogger("mirrorwise.worker")))
    web = Current(settings, file_store(published), None)
    for is_good in (False, True):
        if is_good:
            cities[broken].write_bytes(good)
        result = nginx(published, out, GEOIP_CITY=variable)
        worker.read(0.0)
        web.refresh()
        in_nginx = "geoip-dbip.conf;" in (out / "local-http.conf").read_text()
        assert [worker.cities is not None, web.cities is not None, in_nginx] == [is_good] * 3
        assert result.exit_code == int(not is_good)
        assert (str(cities[broken]) in result.output) is (str(cities[broken]) in str(web.faults.current))
        assert ("geoip" in web.faults.current) is not is_good


def test_before_anything_is_published(tmp_path: Path) -> None:
    """Nobody knows what networks there are: nginx passes everything on, and knows no classes."""
    out = tmp_path / "site"
    assert nginx(tmp_path / "nothing", out).exit_code == 0
    assert f"include {out}/geoip-none.conf;" in (out / "local-http.conf").read_text()
    assert databases(out) == []


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
