"""Which mirrors a request for all mirrors wants: what may be asked, in one spelling, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from app.request.mirror_filter import MirrorFilter, read_filter
from app.request.parameters import QuestionError
from tests.builders import a_config

CONFIG = a_config()


@pytest.mark.parametrize(
    ("parameters", "read"),
    [
        pytest.param({}, {}, id="all mirrors"),
        pytest.param(
            {"q": "", "country": "", "status": "", "protocol": "", "family": "", "arch": "", "sort": ""},
            {},
            id="a form of which nothing was filled in",
        ),
        pytest.param({"q": "  Sao  PAULO sao"}, {"q": "sao paulo"}, id="words"),
        pytest.param({"country": "brazil"}, {"country": "BR"}, id="country by name"),
        pytest.param({"country": "uk,CL"}, {"country": "CL,GB"}, id="several countries, as in lists"),
        pytest.param({"continent": "sa"}, {"continent": "SA"}, id="continent"),
        pytest.param({"status": "Not probed"}, {"status": "not probed"}, id="status"),
        pytest.param({"protocol": "rsync,https"}, {"protocol": "https,rsync"}, id="protocols"),
        pytest.param({"family": "6"}, {"family": "6"}, id="IP version"),
        pytest.param({"cloud": "AWS"}, {"cloud": "aws"}, id="cloud"),
        pytest.param({"release": "9"}, {"release": "9.8"}, id="release by its short name"),
        pytest.param({"repo": "BaseOS", "arch": "AArch64"}, {"repo": "baseos", "arch": "aarch64"}, id="repo"),
        pytest.param({"sort": "country"}, {}, id="the usual order"),
        pytest.param({"sort": "age"}, {"sort": "age"}, id="another order"),
        pytest.param({"utm": "x", "format": "json"}, {}, id="what is no filter"),
    ],
)
def test_what_may_be_asked(parameters: Mapping[str, str], read: Mapping[str, str]) -> None:
    """Each filter is read whatever its spelling, and its address has one spelling, which is read as the
    same."""
    found = read_filter(CONFIG, parameters)
    assert {name: value for name, value in found.parameters.items() if value} == read
    assert read_filter(CONFIG, found.parameters) == found


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"q": "x" * 61}, "use at most 60 characters"),
        ({"q": "a\u202eb"}, "use printable characters"),
        ({"q": "a\0b"}, "use printable characters"),
        ({"country": "atlantis"}, "use two-letter country codes"),
        ({"continent": "XX"}, "use one of: AF, AN, AS, EU, NA, OC, SA"),
        ({"status": "good"}, "use one of: ok, degraded, not probed"),
        ({"protocol": "ftp"}, "use https, http or rsync"),
        ({"family": "5"}, "use 4 or 6"),
        ({"cloud": "example"}, "use one of: aws, azure, gcp, oci"),
        ({"sort": "best"}, "use one of: country, name, age, share"),
        ({"release": "9.9"}, "There is no release '9.9'"),
        ({"repo": "basos"}, "Did you mean baseos?"),
        ({"repo": "baseos-debug"}, "There is no repo 'baseos-debug'"),
        ({"arch": "mips"}, "Known: x86_64, aarch64, s390x"),
    ],
)
def test_what_is_refused(parameters: Mapping[str, str], says: str) -> None:
    """The error for anything else says in words what is wrong and what is allowed."""
    with pytest.raises(QuestionError, match=re.escape(says)) as refused:
        read_filter(CONFIG, parameters)
    assert str(refused.value).replace("\n", "").isprintable()


def test_addresses() -> None:
    """The address of some mirrors leads to the same with another value, or without one."""
    chosen = MirrorFilter(countries=("BR",), status="stale")
    assert chosen.url() == "/mirrors?country=BR&status=stale"
    assert chosen.url(status="") == "/mirrors?country=BR"
    assert chosen.url(status="not probed") == "/mirrors?country=BR&status=not+probed"
    assert MirrorFilter().url() == "/mirrors"
