"""Which requests gunicorn's main loop answers itself."""

from __future__ import annotations

import pytest

from app.web.server.arrival import quick_target

END = b"\r\nHost: mirrors.example.org\r\n\r\n"
LIST = b"GET /mirrorlist/9/baseos?arch=x86_64 HTTP/1.1" + END


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/mirrorlist/9/baseos?arch=x86_64", id="AlmaLinux"),
        pytest.param("/mirrorlist?repo=baseos-9&arch=x86_64", id="MirrorManager"),
        pytest.param("/?release=9&repo=baseos&arch=x86_64", id="CentOS"),
        pytest.param("/metalink/9/baseos?arch=x86_64", id="metalink"),
        pytest.param("/isolist/9/x86_64", id="ISOs"),
        pytest.param("/download/9.8/isos/x86_64/a.iso", id="download"),
        pytest.param("/healthz", id="liveness"),
        pytest.param("/readyz?verbose", id="readiness"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_quick(method: str, target: str) -> None:
    """A request for a list, or by what watches the service."""
    assert quick_target(f"{method} {target} HTTP/1.1".encode() + END) == target


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(LIST.replace(b" HTTP", b"&explain=1 HTTP"), id="explanation"),
        pytest.param(LIST.replace(b" HTTP", b"&%65xplain=1 HTTP"), id="encoded"),
        pytest.param(b"GET /explain HTTP/1.1" + END, id="explanation by path"),
        pytest.param(b"GET //mirrors HTTP/1.1" + END, id="mirrors, two slashes"),
        pytest.param(b"GET /metrics HTTP/1.1" + END, id="metrics"),
        pytest.param(b"GET /healthzz HTTP/1.1" + END, id="nearly a health check"),
        pytest.param(LIST.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
        pytest.param(b"\r\n\r\n", id="no request"),
    ],
)
def test_for_a_thread(request_: bytes) -> None:
    """What may take longer."""
    assert quick_target(request_) is None


@pytest.mark.parametrize("target", ["/mirrorlist/9/baseos?arch=x86_64", "/explain?ip=192.0.2.1", "/%2e", "*"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GETS"])
def test_other_methods_are_refused_at_once(method: str, target: str) -> None:
    """Whatever is asked for: it is refused, which takes no time."""
    assert quick_target(f"{method} {target} HTTP/1.1".encode() + END) == target
