"""The addresses of a mirror file, under whichever key people put them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Severity
from tests.sources.samples import read_sample, severities


@pytest.mark.parametrize(
    ("addresses", "expected", "warnings"),
    [
        pytest.param(
            {"https": "https://m.example.org"}, {"https": "https://m.example.org/"}, 0, id="only https"
        ),
        pytest.param(
            {"https": "http://m.example.org/"}, {"http": "http://m.example.org/"}, 1, id="http under https"
        ),
        pytest.param(
            {"http": "http://m.example.org/", "https": "http://m.example.org/"},
            {"http": "http://m.example.org/"},
            1,
            id="http under both",
        ),
        pytest.param(
            {"http": "http://m.example.org/a/", "https": "http://m.example.org/b/"},
            {"http": "http://m.example.org/a/"},
            1,
            id="http under both, different",
        ),
        pytest.param(
            {"http": "https://m.example.org/", "https": "http://m.example.org/"},
            {"http": "http://m.example.org/", "https": "https://m.example.org/"},
            2,
            id="swapped",
        ),
        pytest.param(
            {"http": "http://m.example.org/", "rsync": "m.example.org::alma"},
            {"http": "http://m.example.org/", "rsync": "rsync://m.example.org/alma/"},
            1,
            id="rsync's host::module",
        ),
        pytest.param(
            {"http": "http://m.example.org/", "rsync": "rsync@m.example.org:/alma"},
            {"http": "http://m.example.org/", "rsync": "rsync://m.example.org/alma/"},
            1,
            id="rsync's user@host:/",
        ),
        pytest.param(
            {"http": "http://m.example.org:3142/"}, {"http": "http://m.example.org:3142/"}, 0, id="a port"
        ),
        pytest.param(
            {"http": "http://m.example.org/", "ftp": "http://m.example.org/x"},
            {"http": "http://m.example.org/"},
            0,
            id="ftp, whatever it holds",
        ),
        pytest.param(
            {"http": "http://m.example.org/", "htps": "https://m.example.org/"},
            {"http": "http://m.example.org/"},
            1,
            id="unknown protocol",
        ),
        pytest.param(
            {"http": "http://m.example.org/", "https": "", "rsync": "~"},
            {"http": "http://m.example.org/"},
            0,
            id="keys without a value",
        ),
    ],
)
def test_addresses(
    tmp_path: Path, addresses: dict[str, str], expected: dict[str, str], warnings: int
) -> None:
    """URLs are kept under the scheme they really have; one under its own key wins."""
    lines = "".join(f"  {protocol}: {url}\n" for protocol, url in addresses.items())
    text = f"name: mirror.example.org\naddress:\n{lines}geolocation: {{country: DE}}\n"
    mirror, findings = read_sample(tmp_path, text)
    assert severities(findings) == [Severity.WARNING] * warnings
    assert mirror is not None
    assert mirror.addresses == expected
