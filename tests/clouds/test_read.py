"""Cloud providers' files: what each row means, and how files are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.clouds import PROVIDERS
from app.clouds.read import MAX_BYTES, parse_cloud_ranges, read_cloud_file, read_cloud_folder
from app.model import Severity, SourceError
from tests.clouds import samples as cloud_samples

SAMPLES = {
    "aws": cloud_samples.aws([("192.0.2.0/24", "eu-west-1", "eu-west-1")]),
    "azure": cloud_samples.azure({"eastus": ["198.51.100.0/24"]}),
    "gcp": cloud_samples.gcp([("203.0.113.0/24", "us-east1")]),
    "oci": cloud_samples.oci({"eu-zurich-1": ["203.0.113.0/24"]}),
}


def facts(content: bytes) -> list[tuple[str, str | None, str | None]]:
    return [(str(r.prefix), r.region, r.border_group) for r in parse_cloud_ranges(content).ranges]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            cloud_samples.aws([("192.0.2.0/24", "eu-west-1", "eu-west-1")]),
            [("192.0.2.0/24", "eu-west-1", None)],
            id="aws: a border group that is the region is none",
        ),
        pytest.param(
            cloud_samples.aws([("192.0.2.0/24", "us-east-1", "us-east-1-bue-1")]),
            [("192.0.2.0/24", "us-east-1", "us-east-1-bue-1")],
            id="aws: a local zone keeps its region",
        ),
        pytest.param(
            cloud_samples.aws([("192.0.2.0/24", "GLOBAL", "GLOBAL")]),
            [("192.0.2.0/24", None, None)],
            id="aws: GLOBAL is no region",
        ),
        pytest.param(
            cloud_samples.aws(
                [
                    ("192.0.2.0/24", "GLOBAL", "GLOBAL"),
                    ("192.0.2.0/24", "us-east-1", "us-east-1"),
                    ("192.0.2.0/24", "us-east-1", "us-east-1-bue-1"),
                ]
            ),
            [("192.0.2.0/24", "us-east-1", "us-east-1-bue-1")],
            id="aws: one prefix under three services is one, the most precise",
        ),
        pytest.param(
            cloud_samples.aws(
                [("2001:db8:0:0::/48", "eu-west-1", "eu-west-1"), ("192.0.2.9/24", "x-1", "x-1")]
            ),
            [("192.0.2.0/24", "x-1", None), ("2001:db8::/48", "eu-west-1", None)],
            id="aws: host bits cleared, IPv6 read, an unknown region kept as named",
        ),
        pytest.param(
            cloud_samples.azure({"": ["192.0.2.0/25", "192.0.2.128/25"], "centralfrance": ["192.0.2.0/25"]}),
            [("192.0.2.0/25", "francecentral", None), ("192.0.2.128/25", None, None)],
            id="azure: public names, the plain tag is no region and loses against one",
        ),
        pytest.param(
            cloud_samples.azure({"germanywc": ["2001:db8::/64"], "eastus2": []}),
            [("2001:db8::/64", "germanywestcentral", None)],
            id="azure: an empty tag, other services' tags and null features do not matter",
        ),
        pytest.param(
            cloud_samples.gcp([("192.0.2.0/24", "global"), ("2001:db8::/44", "us-east1")]),
            [("192.0.2.0/24", None, None), ("2001:db8::/44", "us-east1", None)],
            id="gcp: either family, global is no region",
        ),
        pytest.param(
            cloud_samples.oci({"eu-zurich-1": ["192.0.2.0/24"], "us-ashburn-1": ["198.51.100.0/24"]}),
            [("192.0.2.0/24", "eu-zurich-1", None), ("198.51.100.0/24", "us-ashburn-1", None)],
            id="oci: all tags count",
        ),
    ],
)
def test_rows(content: bytes, expected: list[tuple[str, str | None, str | None]]) -> None:
    """What a provider publishes of a prefix, in public names; each prefix once, sorted."""
    assert facts(content) == expected


@pytest.mark.parametrize("provider", SAMPLES)
def test_recognised_by_content(tmp_path: Path, provider: str) -> None:
    """A file is its provider's under any name."""
    path = tmp_path / "whatever.txt"
    path.write_bytes(SAMPLES[provider])
    assert read_cloud_file(path).provider == provider
    assert set(SAMPLES) == set(PROVIDERS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "not a JSON object", id="empty"),
        pytest.param(SAMPLES["aws"][:-20], "not a JSON object", id="cut short"),
        pytest.param(b"<!DOCTYPE html><html>", "not a JSON object", id="a web page"),
        pytest.param(b"[1, 2]", "not a JSON object", id="a list"),
        pytest.param(b'{"prefixes": []}', "any known provider (aws, azure, gcp, oci)", id="some other JSON"),
        pytest.param(
            cloud_samples.aws([("192.0.2.0/33", "eu-west-1", "eu-west-1")]), "192.0.2.0/33", id="bad length"
        ),
        pytest.param(cloud_samples.gcp([("192.0.2/24", "us-east1")]), "192.0.2/24", id="bad prefix"),
        pytest.param(cloud_samples.gcp([]), "there are none in it", id="no ranges at all"),
        pytest.param(
            cloud_samples.oci({"a b\r\nX": ["192.0.2.0/24"]}), "the name of a region", id="bad name"
        ),
        pytest.param(
            cloud_samples.aws([("192.0.2.0/24", "us-east-1", "bue\n1")]),
            "a border group",
            id="bad group name",
        ),
        pytest.param(
            cloud_samples.azure({"usgovarizona": ["192.0.2.0/24"]}, cloud="AzureGovernment"),
            "AzureGovernment",
            id="another of Azure's clouds",
        ),
        pytest.param(SAMPLES["aws"].replace(b'"1000"', b"1000"), "syncToken", id="wrong type"),
        pytest.param(SAMPLES["aws"].replace(b'"1000"', b'"new"'), "aws", id="no version"),
        pytest.param(SAMPLES["gcp"].replace(b"ipv4Prefix", b"ipv5Prefix"), "$.prefixes[0]", id="no prefix"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, said: str) -> None:
    """A file that cannot be used is a fault that names it and what is wrong."""
    path = tmp_path / "ranges.json"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read_cloud_file(path)
    [finding] = caught.value.findings
    assert finding.severity is Severity.FAULT
    assert finding.file == "ranges.json"
    assert said in finding.message


def test_size_limit(tmp_path: Path) -> None:
    """A file far larger than any provider's is refused unread, however good it is."""
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match="larger than"):
        read_cloud_file(path)


def test_folder_survives_broken_files(tmp_path: Path) -> None:
    """One broken file, or a link to none, is a finding and takes down nothing else; hidden files and other
    endings are no ranges."""
    for provider, content in SAMPLES.items():
        (tmp_path / f"{provider}.json").write_bytes(content)
    (tmp_path / "broken.json").write_bytes(b"{")
    (tmp_path / ".fetched.json").write_bytes(b"{")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "README.md").write_bytes(b"{")
    (tmp_path / "old").mkdir()
    ranges, findings = read_cloud_folder(tmp_path)
    assert set(ranges) == set(SAMPLES)
    assert sorted(finding.file for finding in findings) == ["broken.json", "gone.json"]


def test_no_folder(tmp_path: Path) -> None:
    """A service without cloud ranges has no folder for them; that is no fault."""
    assert read_cloud_folder(tmp_path / "cloud") == ({}, [])


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param(
            cloud_samples.aws([("192.0.2.0/24", "eu-west-1", "eu-west-1")], version=999),
            cloud_samples.aws([("198.51.100.0/24", "eu-west-1", "eu-west-1")], version=1000),
            id="aws: syncToken, as a number",
        ),
        pytest.param(
            cloud_samples.azure({"eastus": ["192.0.2.0/24"]}, version=99),
            cloud_samples.azure({"eastus": ["198.51.100.0/24"]}, version=100),
            id="azure: changeNumber",
        ),
        pytest.param(
            cloud_samples.gcp([("192.0.2.0/24", "us-east1")], version=99),
            cloud_samples.gcp([("198.51.100.0/24", "us-east1")], version=100),
            id="gcp: syncToken",
        ),
        pytest.param(
            cloud_samples.oci({"eu-zurich-1": ["192.0.2.0/24"]}, "2026-01-01T10:00:00+02:00"),
            cloud_samples.oci({"eu-zurich-1": ["198.51.100.0/24"]}, "2026-01-01T09:00:00"),
            id="oci: time of the last update",
        ),
    ],
)
def test_newest_wins(tmp_path: Path, older: bytes, newer: bytes) -> None:
    """Of two files of a provider the newer counts, by what the provider says, not by name."""
    for folder, names in (("one", ("a.json", "b.json")), ("two", ("b.json", "a.json"))):
        (tmp_path / folder).mkdir()
        for name, content in zip(names, (older, newer), strict=True):
            (tmp_path / folder / name).write_bytes(content)
        ranges, findings = read_cloud_folder(tmp_path / folder)
        assert not findings
        [[only]] = [provider_ranges.ranges for provider_ranges in ranges.values()]
        assert str(only.prefix) == "198.51.100.0/24"


def test_real_files(real_data: Path) -> None:
    """The four real files are read whole: each distinct prefix once, in the providers' own regions."""
    ranges, findings = read_cloud_folder(real_data / "cloud")
    assert not findings
    assert {name: len(r.ranges) for name, r in ranges.items()} == {
        "aws": 11_013,
        "azure": 13_062,
        "gcp": 782,
        "oci": 896,
    }
    regions = {name: {r.region for r in provider.ranges} - {None} for name, provider in ranges.items()}
    assert {name: len(found) for name, found in regions.items()} == {
        "aws": 42,
        "azure": 71,
        "gcp": 45,
        "oci": 45,
    }
    aws_file = json.loads((real_data / "cloud" / "aws-ip-ranges.json").read_bytes())
    groups = {
        row["network_border_group"]
        for key in ("prefixes", "ipv6_prefixes")
        for row in aws_file[key]
        if row["network_border_group"] != row["region"]
    }
    assert {r.border_group for r in ranges["aws"].ranges} - {None} == groups
