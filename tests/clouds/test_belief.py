"""What is believed of providers' files, and what is a fault of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.clouds.belief import MAX_PREFIXES
from app.clouds.ranges import CloudRanges
from app.clouds.read import parse_cloud_ranges, read_cloud_folder
from tests.clouds import samples

Content = Callable[..., bytes]


def aws(*prefixes: str, version: int = 1000) -> bytes:
    return samples.aws([(prefix, "eu-west-1", "eu-west-1") for prefix in prefixes], version)


def azure(*prefixes: str, version: int = 10) -> bytes:
    return samples.azure({"eastus": prefixes}, version)


def gcp(*prefixes: str, version: int = 100) -> bytes:
    return samples.gcp([(prefix, "us-central1") for prefix in prefixes], version)


def oci(*prefixes: str) -> bytes:
    return samples.oci({"eu-zurich-1": prefixes})


def eighths(first_byte: int, number: int) -> list[str]:
    """So many prefixes of 2 million addresses, from this first byte on."""
    return [f"{first_byte + (n >> 3)}.{(n & 7) * 32}.0.0/11" for n in range(number)]


@pytest.mark.parametrize("content", [aws, azure, gcp, oci])
@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        pytest.param("0.0.0.0/0", "is wider than a /", id="all of IPv4"),
        pytest.param("::ffff:0:0/96", "is wider than a /", id="all of IPv4 as IPv6"),
        pytest.param("::/0", "is wider than a /", id="all of IPv6"),
        pytest.param("128.0.0.0/1", "is wider than a /", id="half of IPv4"),
        pytest.param("34.0.0.0/8", "is wider than a /", id="an IPv4 /8"),
        pytest.param("34.0.0.0/9", "is wider than a /", id="an IPv4 /9"),
        pytest.param("2600::/12", "is wider than a /", id="a registry's IPv6"),
        pytest.param("2a00::/28", "is wider than a /", id="an IPv6 /28"),
        pytest.param("10.20.0.0/16", "not a range of the public Internet", id="private"),
        pytest.param("172.31.7.0/24", "not a range of the public Internet", id="private, a small part"),
        pytest.param("127.0.0.1/32", "not a range of the public Internet", id="loopback"),
        pytest.param("100.100.0.0/16", "not a range of the public Internet", id="carriers' NAT"),
        pytest.param("169.254.169.254/32", "not a range of the public Internet", id="link-local"),
        pytest.param("0.7.0.0/16", "not a range of the public Internet", id="this network"),
        pytest.param("232.1.0.0/16", "not a range of the public Internet", id="multicast"),
        pytest.param("250.0.0.0/16", "not a range of the public Internet", id="reserved"),
        pytest.param("fd00::/48", "not a range of the public Internet", id="unique local IPv6"),
        pytest.param("fe80::1/128", "not a range of the public Internet", id="link-local IPv6"),
        pytest.param("2002:808::/48", "not a range of the public Internet", id="6to4"),
        pytest.param("64:ff9b::808:0/112", "not a range of the public Internet", id="NAT64"),
        pytest.param("4000::/40", "not a range of the public Internet", id="IPv6 that is not given out"),
    ],
)
def test_impossible_prefix(content: Content, prefix: str, said: str) -> None:
    """One prefix that no provider can have makes the whole file unusable, and is named."""
    with pytest.raises(ValueError, match=r"not usable as .*'s ranges: ") as caught:
        parse_cloud_ranges(content("192.0.2.0/24", "2001:db8::/48", prefix))
    assert said in str(caught.value)
    named = "0.0.0.0/0" if prefix == "::ffff:0:0/96" else prefix
    assert named in str(caught.value)


def test_too_many_prefixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of prefixes that would keep the worker busy for minutes is a fault of the file."""
    assert MAX_PREFIXES < 1_000_000
    monkeypatch.setattr("app.clouds.belief.MAX_PREFIXES", 9)
    prefixes = [f"34.7.{n}.0/24" for n in range(10)]
    assert len(parse_cloud_ranges(gcp(*prefixes[1:])).ranges) == 9
    with pytest.raises(ValueError, match="10 prefixes in it, and 9 are allowed"):
        parse_cloud_ranges(gcp(*prefixes))


def folder_with(tmp_path: Path, **files: bytes) -> Path:
    for path in tmp_path.iterdir():
        path.unlink()
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    return tmp_path


def last_good(*contents: bytes) -> dict[str, CloudRanges]:
    return {ranges.provider: ranges for ranges in map(parse_cloud_ranges, contents)}


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        pytest.param(None, aws(*eighths(44, 64)), None, id="a first file like the provider's"),
        pytest.param(
            None, aws(*eighths(44, 136)), "IPv4 prefixes hold more than twice", id="17 /8s of a first file"
        ),
        pytest.param(
            aws("18.192.0.0/15"), aws(*eighths(44, 64)), None, id="from a sample to all that the provider has"
        ),
        pytest.param(
            gcp(*(f"34.{n}.0.0/16" for n in range(128))),
            gcp(*(f"34.{n}.0.0/16" for n in range(256))),
            None,
            id="doubled",
        ),
        pytest.param(
            gcp(*(f"34.{n}.0.0/16" for n in range(128))),
            gcp(*(f"{34 + (n >> 8)}.{n & 255}.0.0/16" for n in range(600))),
            "more than twice the addresses that gcp has",
            id="four times as much, in prefixes of an ordinary width",
        ),
        pytest.param(
            gcp("2600:1900:4000::/44"),
            gcp(*(f"2600:19{n:02x}::/40" for n in range(33))),
            "IPv6 prefixes hold more than twice",
            id="IPv6",
        ),
        pytest.param(
            oci(*(f"129.80.{n}.0/24" for n in range(9))),
            oci(*(f"129.80.{n}.0/24" for n in range(4))),
            "4 prefixes in it, less than half of the present 9",
            id="less than half",
        ),
        pytest.param(
            oci("129.80.0.0/24", "129.80.2.0/24"), oci("129.80.0.0/24"), None, id="half of what there was"
        ),
    ],
)
def test_leaps(tmp_path: Path, before: bytes | None, now: bytes, said: str | None) -> None:
    """A file that says much more or much less than the last good one is not believed."""
    last = last_good(before) if before else {}
    good, findings = read_cloud_folder(folder_with(tmp_path, ranges=now), last)
    if said is None:
        assert findings == [] and len(good) == 1
    else:
        assert good == {}
        assert [finding.file for finding in findings] == ["ranges.json"]
        assert said in findings[0].message


FORMER = (aws("18.192.0.0/15", "2600:1f18::/40"), gcp("34.28.0.0/14"))


@pytest.mark.parametrize(
    ("last", "files", "refused"),
    [
        pytest.param(FORMER, {"aws": FORMER[0], "gcp": gcp("34.28.0.0/14", "18.192.7.0/24")}, "gcp", id="in"),
        pytest.param(
            FORMER, {"aws": aws("18.192.0.0/15", "34.30.0.0/16"), "gcp": FORMER[1]}, "aws", id="the other one"
        ),
        pytest.param(FORMER, {"aws": FORMER[0], "oci": oci("18.192.0.0/14")}, "oci", id="around"),
        pytest.param(FORMER, {"aws": FORMER[0], "azure": azure("2600:1f18:80::/48")}, "azure", id="IPv6"),
        pytest.param((), {"aws": FORMER[0], "gcp": gcp("18.193.0.0/16")}, "gcp", id="the later in the table"),
        pytest.param(
            FORMER, {"aws": b"{", "oci": oci("18.192.1.0/24")}, "aws oci", id="of one whose file is at fault"
        ),
        pytest.param(FORMER, {"oci": oci("18.192.1.0/24")}, "", id="of one whose file was taken away"),
        pytest.param(
            FORMER,
            {"aws": aws("34.28.0.0/16"), "gcp": gcp("34.29.0.0/16")},
            "",
            id="handed over",
        ),
        pytest.param(
            (), {"aws": aws("203.0.113.0/24"), "gcp": gcp("203.0.113.0/25")}, "", id="for documentation"
        ),
    ],
)
def test_one_providers_ranges_in_anothers(
    tmp_path: Path, last: tuple[bytes, ...], files: dict[str, bytes], refused: str
) -> None:
    """The file that newly claims another provider's addresses is at fault; the other one is not."""
    good, findings = read_cloud_folder(folder_with(tmp_path, **files), last_good(*last))
    assert sorted(finding.file for finding in findings) == [f"{name}.json" for name in refused.split()]
    assert not set(refused.split()) & set(good)


@pytest.mark.slow
def test_real_files_stay(real_data: Path) -> None:
    """The real files are believed at first sight, and again after themselves."""
    ranges, findings = read_cloud_folder(real_data / "cloud")
    assert findings == []
    assert read_cloud_folder(real_data / "cloud", ranges) == (ranges, [])
