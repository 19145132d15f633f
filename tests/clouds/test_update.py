"""Updating the cloud ranges, against servers that behave and servers that do not."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from app.clouds.read import PROVIDERS, read_cloud_folder
from app.clouds.update import FETCHED, URLS, Limits, RangeSource, RangeUpdate, update_ranges
from app.files import mark
from tests.clouds import samples as cloud_samples
from tests.conftest import free_port

Respond = Callable[[BaseHTTPRequestHandler], None]

LIMITS = Limits(max_bytes=200_000, http_on_loopback=True)
IMPATIENT = msgspec.structs.replace(LIMITS, read_timeout_s=0.3, total_timeout_s=0.6)


class Server(ThreadingHTTPServer):
    """Answers each path as told; remembers what was asked. `stopped` lets stuck answers go."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.answers: dict[str, Respond] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        try:
            self.server.answers[self.path](self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.stopped.set()
    running.shutdown()
    thread.join()
    running.server_close()


def send(content: bytes, status: int = 200, **headers: str) -> Respond:
    """`headers` with underscores for hyphens."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(content)), **given}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    return respond


def conditional(content: bytes, header: str, tag: str) -> Respond:
    """304 to whoever has it already."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        condition = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[header]
        if request.headers.get(condition) == tag:
            send(b"", 304)(request)
        else:
            send(content, 200, **{header.replace("-", "_"): tag})(request)

    return respond


def aws_file(count: int, version: int = 1000) -> bytes:
    rows = [(f"192.0.2.{i}/32", "eu-west-1", "eu-west-1") for i in range(count)]
    return cloud_samples.aws(rows, version)


def aws_source(server: Server) -> RangeSource:
    return RangeSource(provider="aws", url=server.url("/aws"), file="aws-ip-ranges.json")


def update(folder: Path, server: Server, limits: Limits = LIMITS) -> RangeUpdate:
    [result] = update_ranges(folder, [aws_source(server)], limits=limits)
    return result


def hidden_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def test_first_update(tmp_path: Path, server: Server) -> None:
    """All providers' files are fetched into a folder that need not be there, and read back."""
    server.answers = {
        "/aws": send(aws_file(3)),
        "/page": send(b'<a href="' + server.url("/ServiceTags_Public_20260105.json").encode() + b'">'),
        "/ServiceTags_Public_20260105.json": send(cloud_samples.azure({"eastus": ["192.0.2.0/24"]})),
        "/gcp": send(cloud_samples.gcp([("192.0.2.0/24", "us-east1")])),
        "/oci": send(cloud_samples.oci({"eu-zurich-1": ["192.0.2.0/24"]})),
    }
    paths = {"aws": "/aws", "azure": "/page", "gcp": "/gcp", "oci": "/oci"}
    sources = [msgspec.structs.replace(s, url=server.url(paths[s.provider])) for s in URLS]
    folder = tmp_path / "data" / "cloud"
    results = update_ranges(folder, sources, limits=LIMITS)
    assert [(r.provider, r.outcome) for r in results] == [(name, "updated") for name in PROVIDERS]
    ranges, findings = read_cloud_folder(folder)
    assert set(ranges) == set(PROVIDERS)
    assert findings == []
    assert "3 prefixes" in results[0].message
    assert hidden_files(folder) == {FETCHED}


def test_urls_are_complete() -> None:
    """Every provider that we can read has its address in the one table, all of them https."""
    assert [source.provider for source in URLS] == list(PROVIDERS)
    assert all(source.url.startswith("https://") for source in URLS)
    assert len({source.file for source in URLS}) == len(URLS)


def stuck_after(content: bytes) -> Respond:
    """Sends something, promises more, and never ends."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        request.wfile.write(content)
        request.wfile.flush()
        assert isinstance(request.server, Server)
        request.server.stopped.wait(10)

    return respond


def dripping(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for ever: each read in time, the whole never."""
    request.send_response(200)
    request.end_headers()
    assert isinstance(request.server, Server)
    while not request.server.stopped.wait(0.05):
        request.wfile.write(b" ")
        request.wfile.flush()


def silent(request: BaseHTTPRequestHandler) -> None:
    assert isinstance(request.server, Server)
    request.server.stopped.wait(10)


def endless(request: BaseHTTPRequestHandler) -> None:
    """More than allowed, without saying how much."""
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" " * 10_000)


BOMB = gzip.compress(b" " * 5_000_000)

MISBEHAVIOUR = [
    pytest.param(send(b"gone", 404), "answered 404", id="404"),
    pytest.param(send(b"oops", 500), "answered 500", id="500"),
    pytest.param(send(b"", 304), "answered 304", id="304 unasked"),
    pytest.param(send(aws_file(10)[:-40]), "not a JSON object", id="half a file, well sent"),
    pytest.param(send(aws_file(10), Content_Length="99999"), "could not be fetched", id="cut short"),
    pytest.param(stuck_after(b"{"), "within the time allowed", id="stuck"),
    pytest.param(dripping, "within the time allowed", id="never ending"),
    pytest.param(silent, "within the time allowed", id="no answer"),
    pytest.param(endless, "larger than the 200,000 bytes", id="huge"),
    pytest.param(send(BOMB, Content_Encoding="gzip"), "larger than the 200,000 bytes", id="huge inside gzip"),
    pytest.param(send(b"not gzip", Content_Encoding="gzip"), "could not be fetched", id="broken gzip"),
    pytest.param(send(b"<html>sign in</html>", Content_Type="text/html"), "text/html", id="a web page"),
    pytest.param(send(b""), "not a JSON object", id="empty"),
    pytest.param(send(aws_file(0)), "there are none in it", id="no ranges"),
    pytest.param(send(aws_file(4, 2000)), "less than half of the present 10", id="shrunk"),
    pytest.param(
        send(cloud_samples.gcp([("192.0.2.0/24", "us-east1")])), "the ranges of gcp", id="wrong provider"
    ),
    pytest.param(send(b"", 302, Location="/aws"), "redirects more than 5 times", id="redirect loop"),
    pytest.param(send(b"", 302, Location="http://example.org/"), "not https", id="redirect to http"),
    pytest.param(send(b"", 302, Location="file:///etc/passwd"), "not https", id="redirect to a file"),
    pytest.param(send(b"", 302, Location="http://[x/"), "could not be fetched", id="redirect to no URL"),
    pytest.param(send(b"", 302), "answered 302", id="redirect to nowhere"),
]


@pytest.mark.parametrize(("respond", "said"), MISBEHAVIOUR)
def test_misbehaving_server(tmp_path: Path, server: Server, respond: Respond, said: str) -> None:
    """Whatever a server does, the present file stays as it is, nothing else is left behind, and a
    sentence says what was wrong."""
    present = tmp_path / "aws-ip-ranges.json"
    present.write_bytes(aws_file(10))
    server.answers["/aws"] = respond
    result = update(tmp_path, server, IMPATIENT if "time allowed" in said else LIMITS)
    assert result.outcome == "failed"
    assert result.message.startswith("aws: ")
    assert said in result.message
    assert "the present file is kept" in result.message
    assert present.read_bytes() == aws_file(10)
    assert {path.name for path in tmp_path.iterdir()} == {present.name, FETCHED}


def test_nobody_there(tmp_path: Path, server: Server) -> None:
    """A refused connection is a failure of that provider; without an earlier file, it says so."""
    source = RangeSource(provider="aws", url=f"http://127.0.0.1:{free_port()}/", file="aws.json")
    [result] = update_ranges(tmp_path, [source], limits=LIMITS)
    assert result.outcome == "failed"
    assert "there is no earlier file" in result.message


def test_plain_http_is_refused(tmp_path: Path, server: Server) -> None:
    """Ranges come over https only, from the first request on."""
    server.answers["/aws"] = send(aws_file(3))
    limits = msgspec.structs.replace(LIMITS, http_on_loopback=False)
    [result] = update_ranges(tmp_path, [aws_source(server)], limits=limits)
    assert "not https" in result.message
    assert server.asked == []


def test_one_failure_is_alone(tmp_path: Path, server: Server) -> None:
    """A provider that fails does not hold up the others."""
    server.answers = {"/aws": silent, "/gcp": send(cloud_samples.gcp([("192.0.2.0/24", "us-east1")]))}
    gcp = RangeSource(provider="gcp", url=server.url("/gcp"), file="gcp-cloud.json")
    limits = msgspec.structs.replace(LIMITS, read_timeout_s=1.0)
    results = update_ranges(tmp_path, [aws_source(server), gcp], limits=limits)
    assert [(r.provider, r.outcome) for r in results] == [("aws", "failed"), ("gcp", "updated")]
    assert set(read_cloud_folder(tmp_path)[0]) == {"gcp"}


def test_replaces(tmp_path: Path, server: Server) -> None:
    """A newer file with at least half of the prefixes replaces the present one."""
    (tmp_path / "aws-ip-ranges.json").write_bytes(aws_file(10, 1000))
    server.answers["/aws"] = send(aws_file(5, 1001))
    result = update(tmp_path, server)
    assert result.outcome == "updated"
    assert "5 prefixes, 10 before" in result.message
    assert (tmp_path / "aws-ip-ranges.json").read_bytes() == aws_file(5, 1001)


def test_older_version(tmp_path: Path, server: Server) -> None:
    """An answer older than what is there (a stale cache on the way) changes nothing, whatever the
    name of the present file."""
    (tmp_path / "downloaded by hand.json").write_bytes(aws_file(10, 1000))
    server.answers["/aws"] = send(aws_file(10, 999))
    result = update(tmp_path, server)
    assert result.outcome == "unchanged"
    assert "older" in result.message
    assert not (tmp_path / "aws-ip-ranges.json").exists()


def test_shrinking_counts_against_any_name(tmp_path: Path, server: Server) -> None:
    """A file that shrank by half is refused even when the present one has another name."""
    (tmp_path / "downloaded by hand.json").write_bytes(aws_file(10, 1000))
    server.answers["/aws"] = send(aws_file(4, 1001))
    assert "less than half" in update(tmp_path, server).message


def test_same_again(tmp_path: Path, server: Server) -> None:
    """The same content is no change, and the file is not touched."""
    server.answers["/aws"] = send(aws_file(3))
    assert update(tmp_path, server).outcome == "updated"
    before = mark(tmp_path / "aws-ip-ranges.json")
    assert update(tmp_path, server).outcome == "unchanged"
    assert mark(tmp_path / "aws-ip-ranges.json") == before


@pytest.mark.parametrize(
    ("header", "tag"), [("ETag", '"abc"'), ("Last-Modified", "Mon, 05 Jan 2026 00:00:00 GMT")]
)
def test_conditional(tmp_path: Path, server: Server, header: str, tag: str) -> None:
    """What has not changed is not sent again."""
    server.answers["/aws"] = conditional(aws_file(3), header, tag)
    assert update(tmp_path, server).outcome == "updated"
    assert "not modified" in update(tmp_path, server).message
    server.answers["/aws"] = conditional(aws_file(4, 1001), header, tag + "2")
    assert update(tmp_path, server).outcome == "updated"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(lambda path: path.write_bytes(b"{"), id="broken"),
        pytest.param(lambda path: path.write_bytes(aws_file(3, 900)), id="replaced by hand"),
    ],
)
def test_condition_needs_the_file(tmp_path: Path, server: Server, damage: Callable[[Path], None]) -> None:
    """When the file is no longer the one that was fetched, it is fetched again without condition."""
    server.answers["/aws"] = conditional(aws_file(3), "ETag", '"abc"')
    update(tmp_path, server)
    damage(tmp_path / "aws-ip-ranges.json")
    assert update(tmp_path, server).outcome == "updated"
    assert (tmp_path / "aws-ip-ranges.json").read_bytes() == aws_file(3)


def test_record_of_fetches_is_broken(tmp_path: Path, server: Server) -> None:
    """A broken record costs a download, no more."""
    (tmp_path / FETCHED).write_bytes(b"{{{")
    server.answers["/aws"] = conditional(aws_file(3), "ETag", '"abc"')
    assert update(tmp_path, server).outcome == "updated"
    assert "not modified" in update(tmp_path, server).message


def test_redirects_are_followed(tmp_path: Path, server: Server) -> None:
    """A few redirects, relative or not, are the providers' right."""
    server.answers = {
        "/aws": send(b"", 301, Location="/second"),
        "/second": send(b"", 307, Location=server.url("/third")),
        "/third": send(aws_file(3)),
    }
    assert update(tmp_path, server).outcome == "updated"


AZURE_PAGE = """<html><a href="{old}">old</a> <script>x = {{"url": "{escaped}"}}</script>
<a href="{base}/ServiceTags_AzureGovernment_20260301.json">other</a></html>"""


@pytest.mark.parametrize(
    ("escape", "expected"),
    [
        pytest.param(lambda url: url, "/d/ServiceTags_Public_20260112.json", id="plain"),
        pytest.param(
            lambda url: url.replace("/", "\\u002F"), "/d/ServiceTags_Public_20260112.json", id="script"
        ),
        pytest.param(lambda url: url.replace("/", "\\/"), "/d/ServiceTags_Public_20260112.json", id="JSON"),
        pytest.param(lambda url: url.replace("/", "&#47;"), "/d/ServiceTags_Public_20260112.json", id="HTML"),
    ],
)
def test_moving_link(tmp_path: Path, server: Server, escape: Callable[[str], str], expected: str) -> None:
    """Azure's file is found by the newest link in its download page, however that is written."""
    base = server.url("/d")
    page = AZURE_PAGE.format(
        old=f"{base}/ServiceTags_Public_20260105.json", escaped=escape(server.url(expected)), base=base
    )
    server.answers = {
        "/page": send(page.encode()),
        expected: conditional(cloud_samples.azure({"eastus": ["192.0.2.0/24"]}), "ETag", '"1"'),
    }
    azure = next(source for source in URLS if source.provider == "azure")
    source = msgspec.structs.replace(azure, url=server.url("/page"))
    assert [r.outcome for r in update_ranges(tmp_path, [source], limits=LIMITS)] == ["updated"]
    assert [r.outcome for r in update_ranges(tmp_path, [source], limits=LIMITS)] == ["unchanged"]
    assert [path for path, _ in server.asked] == ["/page", expected] * 2


def test_no_link(tmp_path: Path, server: Server) -> None:
    """A download page without the link is a failure that says what was looked for."""
    server.answers["/page"] = send(b"<html>We are back soon</html>")
    azure = next(source for source in URLS if source.provider == "azure")
    [result] = update_ranges(
        tmp_path, [msgspec.structs.replace(azure, url=server.url("/page"))], limits=LIMITS
    )
    assert result.outcome == "failed"
    assert "ServiceTags_Public" in result.message


def test_progress(tmp_path: Path, server: Server) -> None:
    """Progress tells the provider, what has come so far, and what is expected."""
    content = aws_file(250)
    server.answers["/aws"] = send(content)
    told: list[tuple[str, int, int | None]] = []
    update_ranges(tmp_path, [aws_source(server)], lambda *step: told.append(step), LIMITS)
    assert told[-1] == ("aws", len(content), len(content))
    assert [received for _, received, _ in told] == sorted(received for _, received, _ in told)


def test_folder_cannot_be_written(tmp_path: Path, server: Server) -> None:
    """Where the folder should be is a file: a sentence, not a crash."""
    (tmp_path / "cloud").write_bytes(b"")
    server.answers["/aws"] = send(aws_file(3))
    result = update(tmp_path / "cloud", server)
    assert result.outcome == "failed"
    assert "could not be written" in result.message
