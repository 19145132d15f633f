"""The site beside its cache: compression, limits, what is closed, the log, TLS."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from app.settings import read_settings
from tests.conftest import need_program, wait_until
from tests.servers import Answer, GunicornServer, NginxOptions, NginxServer, make_certificate
from tests.servers import ask as ask_on
from tests.web.asking import LIST, PROXY, STRANGER, TEXT, variables
from tests.web.deployed import CLIENT, Deployed, compared


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


@pytest.fixture(scope="module")
def direct(site: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """The same service without nginx, on a port."""
    server = GunicornServer(tmp_path_factory.mktemp("direct"), site.environ, processes=1)
    server.wait_until_serving()
    yield server
    server.stop()


def test_compressed_only_for_who_asks(site: Deployed) -> None:
    """dnf takes an unsolicited gzip body for an empty list."""
    target = "/mirrors"
    plain = site.through(target)
    assert plain.headers["Content-Encoding"] is None
    assert compared(plain)[:2] == compared(site.alone(target))[:2]
    packed = site.through(target, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_mirrors_are_sent_once(site: Deployed) -> None:
    """A client that has kept a page, or any page (`*`), gets a 304 from nginx, as from the service; a list is
    always sent whole."""
    first = site.through("/mirrors")
    tag = first.headers["ETag"]
    for encoding in ("identity", "gzip"):
        for kept in (tag, f'"other", {tag}', "*"):
            again = site.through("/mirrors", If_None_Match=kept, Accept_Encoding=encoding)
            assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    for other in ('"other"', "x" * 5000):
        assert site.through("/mirrors", "198.51.100.44", If_None_Match=other).body == first.body
    assert site.through(LIST, If_None_Match=tag).status == 200


def test_compressed_from_the_cache_as_well(site: Deployed) -> None:
    """The cache holds plain answers: one who takes gzip spoils nothing for who does not."""
    target = "/mirrorlist/9/baseos?arch=x86_64&limit=20"
    for _ in range(2):
        packed = site.through(target, Accept_Encoding="gzip")
        assert gzip.decompress(packed.body) == site.alone(target).body
        assert compared(site.through(target)) == compared(site.alone(target))


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "//metrics", "/./metrics", "/%6detrics", "/x/../metrics", "/metrics%2f"]
)
def test_metrics_are_closed(site: Deployed, path: str) -> None:
    """However the path is written, there is no such page for clients."""
    assert compared(site.through(path)) == compared(site.alone("/nothing"))


def test_explanations_are_limited_per_address(site: Deployed) -> None:
    """A burst is answered, then there is a 429, for this address alone; lists are not limited."""
    asked = [f"/explain?release=9&repo=baseos&n={n}" for n in range(10)]
    asked += [f"{LIST}&explain=1&n={n}" for n in range(10)] + [f"{LIST}&%65xplain=1", "//explain"] * 5
    answers = [site.through(target, "198.51.100.7") for target in asked]
    assert [answer.status for answer in answers[:5]] == [200] * 5
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 10
    assert refused[0].headers["Retry-After"] == "5"
    assert refused[0].headers["Content-Type"] == TEXT
    assert site.through(asked[0], "198.51.100.8").status == 200
    assert {site.through(LIST, "198.51.100.7").status for _ in range(30)} == {200}


def test_explanations_are_limited_per_network(site: Deployed) -> None:
    """An IPv6 client has a /64 full of addresses, so they count as one; and the many /64 of a /48 get more,
    but not endlessly."""
    count = 150
    near = [site.through("/whoami?explain=1", f"2001:db8:77:1::{n:x}").status for n in range(40)]
    assert near[:5] == [200] * 5 and near.count(429) >= 20
    far = [site.through("/whoami?explain=1", f"2001:db8:78:{n:x}::1").status for n in range(count)]
    assert far[:60] == [200] * 60 and 429 in far
    assert site.through("/whoami?explain=1", "2001:db8:79::1").status == 200


def test_explanations_are_limited_per_ipv4_address_in_ipv6(site: Deployed) -> None:
    """IPv4 clients that come as IPv6 ones are no network of their own."""
    statuses = {site.through("/whoami?explain=1", f"::ffff:203.0.113.{n}").status for n in range(120)}
    assert statuses == {200}


def test_pages_of_mirrors_are_limited(site: Deployed) -> None:
    """They cost as much as explanations do."""
    statuses = [site.through("/mirrors/mirror.fra1.example.net", "198.51.100.77").status for _ in range(40)]
    assert statuses[:5] == [200] * 5 and 429 in statuses


def test_log_says_what_was_served(site: Deployed) -> None:
    """One JSON object a line: question, place, region, first mirror, cache status, countme, software."""
    target, agent = (
        "/mirrorlist/9/baseos?arch=x86_64&limit=6",
        "libdnf (AlmaLinux 9.8; generic; Linux.x86_64)",
    )
    answers = [site.through(f"{target}&countme=3", "203.0.113.77", User_Agent=agent) for _ in range(2)]
    site.through(
        "/download/9/BaseOS/x86_64/os/Packages/g/gcc-c%2B%2B-11.5.0-2.el9.x86_64.rpm?countme=9",
        User_Agent="curl/8.5.0",
    )
    *lists, download = site.logged(3)
    assert [line["cache"] for line in lists] == ["MISS", "HIT"]
    for line in lists:
        assert line["countme"] == 3
        assert line["question"] == "almalinux 9.8/baseos/x86_64 baseos-9"
        assert line["mirror"] == answers[0].headers["X-Mirrorlist-Mirror"]
        assert line["reason"] == answers[0].headers["X-Mirrorlist-Reason"]
        assert line["place"] == answers[0].headers["X-Client-Place"]
        assert (line["family"], line["region"]) == (4, "")
        assert line["software"] == "libdnf|AlmaLinux|9.8|generic|x86_64"
        assert line["status"] == 200
    assert download["question"] == "download 9.8/baseos/x86_64"
    assert (download["status"], download["countme"], download["software"]) == (302, 0, "curl")


IPV4, IPV6 = "203.0.113.88", "2001:db8:88::99"


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/explain?ip={}",
            "/explain?x=1&IP={}",
            "/explain?ip={}&ip={}",
            "/explain??ip={}",
            "/explain?&&ip={}",
        ),
        *("/explain?amp;ip={}", "/explain?x=1&amp;ip={}", "/explain?x=1;ip={}", "/explain?x=1%26ip={}"),
        *("/explain?%69p={}", "/explain?i%70={}", "/explain?%2569p={}", "/explain?ip%3D{}", "/explain?ip:{}"),
        *("/explain?ip+={}", "/explain?ip[]={}", "/explain?ip={}#", "/explain?{}", "/explain?a=ip={}"),
        *(
            "/explain%3Fip={}",
            "/explain;ip={}",
            "/explain&ip={}",
            "/explain/ip={}",
            "/explain/{}",
            "/{}",
            "//{}",
        ),
        *(
            "/mirrors/{}",
            "/mirrors/ip-{}.example.net",
            "/explain%2f{}",
            "/download/9/{}/x.rpm",
            "/%ff{}?ip={}",
        ),
        *("/mirrorlist/9/baseos?arch={}", "/mirrorlist/9/baseos?arch=x86_64&x={}", "/mirrorlist/{}/baseos"),
        *("/mirrorlist?repo={}", "/mirrorlist/9/baseos?arch=x86_64&ip={}", "/?release=9&repo=baseos&cc={}"),
        *("/mirrorlist/9/baseos?countme={}", "/isolist/{}/x86_64", "/metalink/9/{}", "/mirrorlist/9/x-{}"),
        *("/mirrorlist/9/baseos?region=aws:{}", "/mirrorlist/9/baseos?arch=x86_64&countme=1&country=de,{}"),
        *("/mirrorlist/9/baseos?avoid={}", "/mirrorlist/9/baseos?avoid=a.example.org,{}"),
    ],
)
def test_log_holds_no_address(site: Deployed, target: str) -> None:
    """Neither the client's nor one that was asked about, wherever it was written."""
    for address in (IPV4, IPV6):
        site.through(target.format(address, address), "203.0.113.77")
    for line in site.logged(2):
        text = str(line).replace("\\", "")
        assert not re.search(r"203\.0|2001:|db8|\.88|:99", text), text


def test_log_is_json_in_utf_8_always(site: Deployed) -> None:
    """Whatever bytes a request has, and whether it is one."""
    sent = [
        f"GET {path}" for path in ("/\xff?\xfe", "/mirrorlist/9/\xe9", '/"', "/\\", "/\x7f", "/%zz", "/../x")
    ]
    sent += [
        *(f"GET {LIST}&{name}=\xe9" for name in ("countme", "x", "\xe9")),
        "G\xe9T /",
        "",
        "GET",
        "POST /\xe9",
    ]
    for line in sent:
        with socket.create_connection(("127.0.0.1", site.nginx.port), timeout=10) as connection:
            connection.sendall(
                f"{line} HTTP/1.1\r\nHost: \xe9\r\nConnection: close\r\n\r\n".encode("latin-1")
            )
            assert connection.recv(100)
    assert len(site.logged(len(sent))) == len(sent)


DEBIANS = Path("/etc/logrotate.d/nginx")


@pytest.mark.slow
def test_logs_are_rotated(published: Path, tmp_path: Path) -> None:
    """What Debian ships rotates the site's logs, and nginx goes on in new files."""
    program = need_program("logrotate")
    if not DEBIANS.exists():
        pytest.skip(f"{DEBIANS}, which comes with Debian's nginx, is not there")
    site = Deployed(tmp_path, published)
    try:
        folder, rules = site.nginx_folder, DEBIANS.read_text()
        site.through("/before?countme=1")
        assert [(line["status"], line["countme"]) for line in site.logged(1)] == [(404, 1)]
        owner = f"{folder.owner()} {folder.group()}"
        for debians, ours in (
            ("/var/log/nginx/", f"{folder}/"),
            ("www-data adm", owner),
            ("invoke-rc.d nginx rotate", f"kill -USR1 {site.nginx.process.pid}"),
        ):
            assert debians in rules
            rules = rules.replace(debians, ours)
        (tmp_path / "rules").write_text(rules)
        command = [program, "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")]
        subprocess.run(command, check=True)
        before, after = '"status":404,"cache":"","countme":1,', '"status":404,"cache":"","countme":2,'
        wait_until(lambda: site.log.exists() and site.through("/after?countme=2").status == 404, "a new log")
        wait_until(lambda: after in site.log.read_text(), "nginx writes to the new log")
        assert before not in site.log.read_text()
        assert before in (folder / f"{site.log.name}.1").read_text()
    finally:
        site.stop()


@pytest.mark.parametrize(
    ("source", "claim", "secure"),
    [
        pytest.param(PROXY, "https", True, id="trusted"),
        pytest.param(PROXY, "HTTPS , http", True, id="the first of two proxies"),
        pytest.param(PROXY, "http,https", True, id="the last of two proxies"),
        pytest.param(PROXY, "http", False, id="trusted, plain"),
        pytest.param(PROXY, "httpsx, xhttps", False, id="trusted, another word"),
        pytest.param(STRANGER, "https", False, id="untrusted"),
        pytest.param(STRANGER, "1,https", False, id="untrusted, as trusted ones look inside"),
        pytest.param(STRANGER, "http,1,https", False, id="untrusted, the same whole"),
    ],
)
def test_who_is_believed_to_have_come_by_https(
    site: Deployed, direct: GunicornServer, source: str, claim: str, secure: bool
) -> None:
    """nginx believes X-Forwarded-Proto of whom the service believes it of, and reads it as it does."""
    target = "/download/9/BaseOS/x86_64/os/repodata/repomd.xml?protocol=http"  # refused to https clients
    headers = {"X-Forwarded-Proto": claim}
    connection = http.client.HTTPConnection("127.0.0.1", site.nginx.port, 10, source_address=(source, 0))
    with closing(connection):
        through = ask_on(connection, target, headers=headers)
    assert through.status == (400 if secure else 302)
    assert compared(through) == compared(direct.ask(target, headers=headers, source=source))


@pytest.mark.slow
def test_tls_and_http2(published: Path, tmp_path: Path) -> None:
    """With a certificate the site speaks TLS and HTTP/2 beside plain HTTP, and downloads stay on https."""
    curl = need_program("curl")
    certificate, key = make_certificate(tmp_path)
    environ = variables(published)
    (tmp_path / "nginx").mkdir()
    settings = read_settings(environ)
    options = NginxOptions(settings=settings, certificate=certificate, certificate_key=key)
    with ExitStack() as processes:
        server = GunicornServer(tmp_path, environ, processes=1, unix=True)
        processes.callback(server.stop)
        nginx = NginxServer(tmp_path / "nginx", server.address, options)
        processes.callback(nginx.stop)
        command = [curl, "-sk", "--http2", "--noproxy", "*", "-w", "%{http_version}"]
        command += ["-H", f"X-Forwarded-For: {CLIENT}", f"https://127.0.0.1:{nginx.tls_port}{LIST}"]
        wanted = server.ask(LIST, headers={"X-Forwarded-For": CLIENT})
        assert subprocess.run(command, check=True, capture_output=True).stdout == wanted.body + b"2"
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", nginx.tls_port, context=context, timeout=10)
        with closing(connection):
            answer = ask_on(connection, "/download/9/BaseOS/x86_64/os/repodata/repomd.xml")
        assert answer.headers["Location"].startswith("https://")
        page = f"https://127.0.0.1:{nginx.tls_port}/"
        command = [curl, "-sk", "--http2", "--noproxy", "*", page]
        assert (
            f"{page}mirrorlist/".encode() in subprocess.run(command, check=True, capture_output=True).stdout
        )


# --- pages ---------------------------------------------------------------------------------------------

AS_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_the_style_sheet_is_kept_for_a_year(site: Deployed) -> None:
    """Through nginx as without it."""
    page = site.through("/mirrors", Accept=AS_BROWSER).body.decode()
    [path] = re.findall(r'href="(/style-[^"]*)"', page)
    answer = site.through(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert compared(answer) == compared(site.alone(path))


def test_what_nginx_refuses_is_a_page_for_browsers(site: Deployed) -> None:
    """What it refuses itself has the same status and words for all, as text or as a page."""
    as_text, as_page = site.through("/metrics"), site.through("/metrics", Accept=AS_BROWSER)
    assert (as_text.status, as_text.headers["Content-Type"]) == (404, TEXT)
    assert as_text.body == b"404 Not Found\n"
    assert (as_page.status, as_page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"<h1>404 Not Found</h1>" in as_page.body
    assert as_page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        pytest.param("/%00", "GET", 400, id="impossible path"),
        pytest.param(LIST, "POST", 405, id="method"),
        pytest.param("/x" * 5000, "GET", 414, id="long path"),
    ],
)
def test_what_is_refused_unread_is_text(site: Deployed, target: str, method: str, status: int) -> None:
    """No browser sends it, and the service alone answers it like nginx."""
    answer = site.through(target, method=method, Accept=AS_BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (status, TEXT)
    if status != 414:
        headers = {"X-Forwarded-For": CLIENT, "Accept": AS_BROWSER}
        assert compared(answer) == compared(site.gunicorn.ask(target, method, headers))


def test_limits_are_pages_for_browsers(site: Deployed) -> None:
    """Who asks too much is told so, and when to come back, on a page as well; the front page is limited as
    others are, and a list in the same place is not."""
    asked = [site.through("/", "198.51.100.81", Accept=AS_BROWSER) for _ in range(30)]
    assert [answer.status for answer in asked[:5]] == [200] * 5
    refused = [answer for answer in asked if answer.status == 429]
    assert refused and refused[0].headers["Content-Type"] == "text/html; charset=utf-8"
    assert refused[0].headers["Retry-After"] == "5"
    assert b"Ask again in a few seconds." in refused[0].body
    lists = [site.through("/?release=9&repo=baseos&arch=x86_64&Infra=x", "198.51.100.81") for _ in range(30)]
    assert {answer.status for answer in lists} == {200}


def test_the_front_page_is_for_one_client_alone(site: Deployed) -> None:
    """Each client gets its own through nginx, again and again, and none comes from the cache."""
    clients = ("192.0.2.1", "203.0.113.1", "192.0.2.1", "10.30.0.7", "203.0.113.1")
    for client in clients:
        headers = {"X-Forwarded-For": client, "Accept": AS_BROWSER}
        through = site.through("/", client, Accept=AS_BROWSER)
        alone = site.gunicorn.ask("/", "GET", headers)
        assert (through.status, near(through)) == (200, near(alone))
    assert {line["cache"] for line in site.logged(len(clients))} == {""}


def near(answer: Answer) -> list[str]:
    """The mirrors in the part of the front page that is about the client."""
    part = answer.body.decode().partition('aria-labelledby="here"')[2].partition("</section>")[0]
    found = re.findall(r'href="/mirrors/([^"]*)"', part)
    assert len(found) == 3
    return found
