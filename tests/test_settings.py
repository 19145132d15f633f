"""The environment becomes settings, or a sentence for whoever wrote it."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import SettingsError
from app.settings import SecretUrl, Settings, default_concurrency, read_settings, without_password
from app.store import open_store


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing has to be set."""
    assert read_settings({}) == Settings(
        data_dir=Path("data"),
        var_dir=Path("var"),
        machine=socket.gethostname(),
        redis_url=None,
        redis_read_url=None,
        geoip_city=(Path("data/geoip/city.mmdb"),),
        geoip_asn=(),
        trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        refresh_s=0.5,
        port=8080,
        web_concurrency=default_concurrency(),
        server="quick",
        log_level="info",
        log_format="text",
    )


def test_empty_and_unknown_variables_mean_nothing() -> None:
    """As an env file or a container passes them; blanks around a value do not matter either."""
    environ = {"PORT": "", "REDIS_URL": "  ", "HOME": "/root", "LOG_FORMAT": " json "}
    read = read_settings(environ)
    assert read.port == 8080
    assert read.redis_url is None
    assert read.log_format == "json"


def test_everything_can_be_set() -> None:
    """Each variable of the contract, once."""
    read = read_settings(
        {
            "MIRRORWISE_DATA": "/etc/mirrorwise",
            "MIRRORWISE_VAR": "/var/lib/mirrorwise",
            "MIRRORWISE_MACHINE": "fra-1.example.org",
            "REDIS_URL": "redis://:secret@redis.example.org:6380/3",
            "REDIS_READ_URL": "unix:///run/redis.sock?db=3",
            "GEOIP_CITY": "v4.mmdb, v6.mmdb",
            "GEOIP_ASN": "/srv/asn.mmdb",
            "TRUSTED_PROXIES": "192.0.2.1, 2001:db8::/32,::ffff:198.51.100.0/120",
            "REFRESH_SECONDS": "1.5",
            "PORT": "80",
            "WEB_CONCURRENCY": "8",
            "MIRRORWISE_SERVER": "gthread",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "json",
        }
    )
    assert read == Settings(
        data_dir=Path("/etc/mirrorwise"),
        var_dir=Path("/var/lib/mirrorwise"),
        machine="fra-1.example.org",
        redis_url=SecretUrl("redis://:secret@redis.example.org:6380/3"),
        redis_read_url=SecretUrl("unix:///run/redis.sock?db=3"),
        geoip_city=(Path("v4.mmdb"), Path("v6.mmdb")),
        geoip_asn=(Path("/srv/asn.mmdb"),),
        trusted_proxies=tuple(map(ip_network, ("192.0.2.1", "2001:db8::/32", "198.51.100.0/24"))),
        refresh_s=1.5,
        port=80,
        web_concurrency=8,
        server="gthread",
        log_level="warning",
        log_format="json",
    )


def test_the_sample_database_follows_the_data_directory() -> None:
    """GEOIP_CITY is in MIRRORWISE_DATA unless it is set itself."""
    assert read_settings({"MIRRORWISE_DATA": "/srv"}).geoip_city == (Path("/srv/geoip/city.mmdb"),)


def test_nobody_can_be_trusted() -> None:
    """`none` is the way to say it, since an empty variable counts as unset."""
    assert read_settings({"TRUSTED_PROXIES": "none"}).trusted_proxies == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "0", "'0' is not allowed; allowed are whole numbers from 1 to 65535"),
        ("PORT", "65536", "1 to 65535"),
        ("PORT", "http", "'http' is not allowed"),
        ("PORT", "8_080", "'8_080'"),
        ("PORT", "٨٠", "whole numbers"),
        ("PORT", "9" * 5000, "whole numbers"),
        ("WEB_CONCURRENCY", "-1", "'-1' is not allowed; allowed are whole numbers from 1 to 256"),
        ("REFRESH_SECONDS", "0", "'0' is not a time between; allowed are seconds from 0.05 to 3600"),
        ("REFRESH_SECONDS", "nan", "0.05 to 3600"),
        ("REFRESH_SECONDS", "inf", "0.05 to 3600"),
        ("REFRESH_SECONDS", "soon", "'soon'"),
        ("LOG_LEVEL", "loud", "'loud' is not allowed; allowed are debug, info, warning, error, critical"),
        ("MIRRORWISE_SERVER", "gevent", "'gevent' is not allowed; allowed are quick, gthread"),
        ("LOG_FORMAT", "xml", "'xml' is not allowed; allowed are text, json"),
        ("GEOIP_CITY", ",", "',' names no file; allowed are paths"),
        ("MIRRORWISE_DATA", "a\0b", "is not a path"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1/8",
            "'10.0.0.1/8' has bits set behind its prefix; the whole network is 10.0.0.0/8",
        ),
        (
            "TRUSTED_PROXIES",
            "127.0.0.1,proxy.example.org",
            "'proxy.example.org' is not a network; allowed are",
        ),
        ("TRUSTED_PROXIES", "127.0.0.1,", "'' is not a network"),
        ("REDIS_READ_URL", "redis://192.0.2.1", "set without REDIS_URL"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, says: str) -> None:
    """The message has the variable, what was found and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert says in str(caught.value)


def test_all_bad_values_are_named_together() -> None:
    """One start is enough to see them all, one a line."""
    with pytest.raises(SettingsError) as caught:
        read_settings({"PORT": "x", "LOG_LEVEL": "y", "REDIS_URL": "z", "REFRESH_SECONDS": "1"})
    names = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert names == ["REDIS_URL", "PORT", "LOG_LEVEL"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost/",
        "redis://localhost:6379/0",
        "redis://user:p%40ss@redis.example.org:6379/15",
        "redis://:p@ss@redis.example.org",
        "redis://[2001:db8::1]:6379/0",
        "rediss://redis.example.org/0?ssl_ca_certs=/etc/ssl/ca.pem&ssl_cert_reqs=required",
        "unix:///run/redis/redis.sock",
        "unix:///run/redis.sock?db=2&password=s3cret",
        "redis+sentinel://192.0.2.1:26379,192.0.2.2:26379,[2001:db8::3]:26379/mymaster/0",
        "redis+sentinel://user:s3cret@sentinel.example.org/mymaster",
        "redis+sentinel://sentinel.example.org/mymaster/2?sentinel_password=s3cret",
        "redis+sentinel://sentinel.example.org/mymaster?sentinel_username=web&sentinel_password=p%40ss",
        "rediss+sentinel://user:p@ss@sentinel.example.org,[2001:db8::3]/mymaster?ssl_ca_certs=/etc/ssl/ca.pem"
        "&sentinel_password=s3cret",
    ],
)
def test_redis_urls(url: str) -> None:
    """All the forms of the contract are taken as they are, and a store can be opened at each."""
    read = read_settings({"REDIS_URL": url})
    assert read.redis_url == SecretUrl(url)
    open_store(read).close()


SECRET_URLS = {
    "without scheme": "user:s3cret@localhost",
    "upper case": "REDIS://user:s3cret@localhost/0",
    "another scheme": "http://user:s3cret@localhost/",
    "no host": "redis://user:s3cret@/0",
    "port is no number": "redis://user:s3cret@localhost:port/0",
    "port too high": "redis://user:s3cret@localhost:70000/0",
    "database is no number": "redis://user:s3cret@localhost/first",
    "database in query is no number": "redis://user:s3cret@localhost?db=first",
    "slash in the password": "redis://user:12/s3cret@localhost/0",
    "question mark in the password": "redis://user:12?s3cret@localhost/0",
    "hash in the password": "redis://user:12#s3cret@localhost/0",
    "forgotten @": "redis://:s3cret",
    "bracket in the password": "redis://user:[s3cret@localhost/0",
    "unknown key": "redis://localhost/0?password=s3cret",
    "broken query": "unix:///run/redis.sock?s3cret",
    "unix with a host": "unix://user:s3cret@host/run/redis.sock",
    "no master": "redis+sentinel://user:s3cret@localhost:26379",
    "no sentinel": "redis+sentinel://user:s3cret@/mymaster",
    "sentinel with a key": "redis+sentinel://user:s3cret@localhost/mymaster?db=1",
    "sentinel with a key of TLS": "redis+sentinel://user:s3cret@localhost/mymaster?ssl_ca_certs=/ca.pem",
    "sentinel's user without a password": "redis+sentinel://:s3cret@localhost/mymaster?sentinel_username=web",
    "sentinel's password for a server": "redis://localhost/0?sentinel_password=s3cret",
    "TLS to sentinels without a master": "rediss+sentinel://user:s3cret@localhost:26379",
    "@ in a password in the query": "redis://localhost/0?password=p@s3cret",
}


@pytest.mark.parametrize("url", SECRET_URLS.values(), ids=SECRET_URLS)
def test_bad_redis_urls(url: str) -> None:
    """The message tells what is allowed, and has nothing of the password, however odd the URL."""
    with pytest.raises(
        SettingsError, match=r"REDIS_URL: .*(allowed are redis://|known: |without a sentinel_password)"
    ) as caught:
        read_settings({"REDIS_URL": url})
    shown = str(caught.value).partition(" is not ")[0].partition(" has a key ")[0]
    assert "s3cret" not in str(caught.value)
    assert "12" not in shown
    assert caught.value.__cause__ is None


def test_what_people_see_of_a_url() -> None:
    """Enough to know which server is meant."""
    seen = {
        "redis://user:s3cret@redis.example.org:6380/3": "redis://***@redis.example.org:6380/3",
        "redis://redis.example.org": "redis://redis.example.org",
        "unix:///run/redis.sock?password=s3cret": "unix:///run/redis.sock?***",
        "redis+sentinel://u:p@a:1,b:2/mymaster/0": "redis+sentinel://***@a:1,b:2/mymaster/0",
        "redis+sentinel://a/mymaster?sentinel_password=s3cret": "redis+sentinel://a/mymaster?***",
        "rediss+sentinel://u:p@a/mymaster?sentinel_password=s3@cret": "rediss+sentinel://***",
        "rediss://a b:s3cret": "rediss://***",
        "localhost:6379": "localhost:6379",
    }
    assert {url: without_password(url) for url in seen} == seen


def test_settings_can_be_printed() -> None:
    """repr and str have no password, so a log line with the settings in it does no harm."""
    read = read_settings({"REDIS_URL": "redis://user:s3cret@localhost/0"})
    assert "s3cret" not in f"{read!r} {read} {read.redis_url} {read.redis_url!r}"
    assert "redis://***@localhost/0" in repr(read)


PASSWORDS = st.text("ab12/?#@[]:%&=., \\", min_size=1, max_size=12).map(lambda text: f"QQ{text}QQ")


@given(
    st.sampled_from(["redis://", "rediss://", "rediss+sentinel://", "unix://", "", "redis:/"]),
    PASSWORDS,
    st.sampled_from(["localhost", "localhost:6379/0", "", "localhost/mymaster", "/run/redis.sock", "[::1"]),
)
def test_no_password_is_ever_shown(scheme: str, password: str, place: str) -> None:
    """Whatever characters it has: neither in a message nor in what people see of the URL."""
    url = f"{scheme}user:{password}@{place}"
    assert "QQ" not in without_password(url)
    try:
        assert "QQ" not in repr(read_settings({"REDIS_URL": url}))
    except SettingsError as error:
        assert "QQ" not in str(error)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(
            ["REDIS_URL", "GEOIP_CITY", "TRUSTED_PROXIES", "REFRESH_SECONDS", "PORT", "LOG_LEVEL"]
        ),
        st.text(max_size=30),
    )
)
def test_any_environment_gives_settings_or_sentences(environ: dict[str, str]) -> None:
    """Never another exception."""
    try:
        read_settings(environ)
    except SettingsError as error:
        assert str(error)
