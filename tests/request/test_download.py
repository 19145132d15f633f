"""From the path of a download to its question, and which paths are refused."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import Protocol, Repo
from app.request.download import MAX_PATH_CHARS, Download, directory_of, parse_download
from app.request.parameters import BadValueError, ParameterReader, QuestionError, UnknownNameError
from app.request.question import Parser
from tests.builders import a_config

CONFIG = a_config()
PARSER = Parser(CONFIG, ParameterReader(CONFIG.selection))


NESTED = Parser(
    a_config(repos=(Repo(name="all", path="all/"), Repo(name="os", path="all/$basearch/os/"))),
    ParameterReader(CONFIG.selection),
)


@pytest.mark.parametrize(
    ("target", "below"),
    [
        pytest.param("/download/9/all/Packages/a.rpm", "Packages/", id="a directory of a repo"),
        pytest.param("/download/9/all/a.rpm", "", id="the repo itself"),
        pytest.param("/download/9/all/x86_64/os/a.rpm", "", id="a repo in a repo"),
        pytest.param("/download/9/all/x86_64/a.rpm", None, id="a name that may be another repo's"),
        pytest.param("/download/9/ALL/X86_64/a.rpm", None, id="the same in capitals"),
        pytest.param("/download/9/all/x86_64/os", None, id="a directory"),
        pytest.param("/download/9/all/Packages/", None, id="a directory with a slash"),
        pytest.param("/download/9/all/a%2Bb.rpm", None, id="an encoded name"),
        pytest.param("/download/9/all/a|b.rpm", None, id="a name that is encoded"),
    ],
)
def test_directory(target: str, below: str | None) -> None:
    """A directory whose files are all from the same repo gives the same download for each of them as the
    file's own path does."""
    download = parse_download(NESTED, target, {}, secure=False)
    directory = directory_of(NESTED, target, download)
    assert (directory and directory.rest) == below
    if directory is not None:
        above = target.rpartition("/")[0]
        for name in ("b.rpm", "x86_64", "os", "...", "a+b~c_d"):
            assert directory.file(name) == parse_download(NESTED, f"{above}/{name}", {}, secure=False)


def parse(target: str, secure: bool = False, **parameters: str) -> Download:
    return parse_download(PARSER, target, parameters, secure)


def shown(download: Download) -> tuple[str, str | None, str, str, str]:
    """Release, repo, arch, and the path below a base URL in two parts."""
    question = download.question
    return question.release, question.repo, question.arch, question.path, download.rest


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(
            "/download/9.8/BaseOS/x86_64/os/Packages/a-1.rpm",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "Packages/a-1.rpm"),
            id="package",
        ),
        pytest.param(
            "/download/9/BaseOS/aarch64/os/repodata/repomd.xml",
            ("9.8", "baseos", "aarch64", "9.8/BaseOS/aarch64/os/", "repodata/repomd.xml"),
            id="short release",
        ),
        pytest.param(
            "/download/9.8/baseos/X86_64/OS/Packages/A.rpm",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "Packages/A.rpm"),
            id="case of the directory, not of the file",
        ),
        pytest.param(
            "//download//9.8///BaseOS/x86_64/os//Packages/a.rpm",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "Packages/a.rpm"),
            id="doubled slashes",
        ),
        pytest.param(
            "/download/9.8/BaseOS/x86_64/os/Packages/",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "Packages/"),
            id="directory",
        ),
        pytest.param(
            "/download/9.8/BaseOS/x86_64/os",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", ""),
            id="repo",
        ),
        pytest.param(
            "/download/9.8/isos/x86_64/Example-9.8-dvd.iso",
            ("9.8", None, "x86_64", "9.8/isos/x86_64/", "Example-9.8-dvd.iso"),
            id="ISO",
        ),
        pytest.param(
            "/download/9.8/sources/tree/a.src.rpm",
            ("9.8", "sources", "", "9.8/sources/", "tree/a.src.rpm"),
            id="repo without arch",
        ),
        pytest.param(
            "/download/10-kitten/AppStream/x86_64/os/a.rpm",
            ("10-kitten", "appstream", "x86_64", "10-kitten/AppStream/x86_64/os/", "a.rpm"),
            id="module",
        ),
        pytest.param(
            "/download/9.8/BaseOS/x86_64/os/gcc-c%2B%2B.rpm?country=DE",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "gcc-c%2B%2B.rpm"),
            id="encoding stays",
        ),
        pytest.param(
            '/download/9.8/BaseOS/x86_64/os/a+b~"<>.rpm',
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "a+b~%22%3C%3E.rpm"),
            id="what belongs into no URL is encoded",
        ),
        pytest.param(
            "/download/9%2E8/Base%4FS/x86%5F64/os/a.rpm",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "a.rpm"),
            id="directory needlessly encoded",
        ),
        pytest.param(
            "http://mirrors.example.org/download/9.8/BaseOS/x86_64/os/a.rpm",
            ("9.8", "baseos", "x86_64", "9.8/BaseOS/x86_64/os/", "a.rpm"),
            id="a proxy's absolute form",
        ),
    ],
)
def test_path(target: str, expected: tuple[str, str, str, str, str]) -> None:
    """The longest directory that is a repo or holds ISOs decides; what is below it goes on as sent."""
    assert shown(parse(target)) == expected


@pytest.mark.parametrize(
    "vault", ["9.7/BaseOS/x86_64/os/a.rpm", "9.8/BaseOS/debug/x86_64/a.rpm", "9.7/isos/x86_64/a"]
)
def test_vault(vault: str) -> None:
    """Releases and repos of the vault are asked of the vault."""
    assert parse(f"/download/{vault}").question.vault


def test_nested_directories() -> None:
    """Of a repo within another one's directory it is the inner one's path."""
    repos = [repo for repo in CONFIG.repos if repo.name in ("baseos", "sources")]
    inner = [type(repos[0])(name="inner", path="sources/inner/")]
    config = a_config(repos=(*repos, *inner))
    parser = Parser(config, ParameterReader(config.selection))
    assert parse_download(parser, "/download/9/sources/inner/a.rpm", {}, False).question.repo == "inner"
    assert parse_download(parser, "/download/9/sources/inner.rpm", {}, False).question.repo == "sources"


REFUSED = {
    "dot segments": "9.8/BaseOS/x86_64/os/../../../../etc/passwd",
    "dot segments, encoded": "9.8/BaseOS/x86_64/os/%2e%2E/a",
    "dot segment at the end": "9.8/BaseOS/x86_64/os/..",
    "single dot": "9.8/./BaseOS/x86_64/os/a",
    "dot segment with parameters": "9.8/BaseOS/x86_64/os/..;x/a",
    "encoded slash": "9.8/BaseOS/x86_64/os%2Fa",
    "encoded slash, small": "9.8/BaseOS/x86_64/os/a%2fb",
    "backslash": "9.8/BaseOS/x86_64/os/..\\a",
    "backslash, encoded": "9.8/BaseOS/x86_64/os/a%5Cb",
    "line feed": "9.8/BaseOS/x86_64/os/a%0aX-Header:%20b",
    "carriage return": "9.8/BaseOS/x86_64/os/a%0D%0ASet-Cookie:a",
    "NUL": "9.8/BaseOS/x86_64/os/a%00.rpm",
    "delete": "9.8/BaseOS/x86_64/os/a%7f",
    "line separator": "9.8/BaseOS/x86_64/os/a%E2%80%A8b",
    "right-to-left override": "9.8/BaseOS/x86_64/os/a%E2%80%AEb",
    "encoded twice": "9.8/BaseOS/x86_64/os/%252e%252e/a",
    "cut escape": "9.8/BaseOS/x86_64/os/a%2",
    "no escape": "9.8/BaseOS/x86_64/os/a%zz",
    "not UTF-8": "9.8/BaseOS/x86_64/os/a%ff",
    "plain letters beyond ASCII": "9.8/BaseOS/x86_64/os/ä",
    "too long": "9.8/BaseOS/x86_64/os/" + "a" * MAX_PATH_CHARS,
    "nothing": "",
}


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in REFUSED.items()])
def test_refused(path: str) -> None:
    """What a mirror might understand in another way than we do, or could break our answer, is refused,
    and what is said of it can be printed."""
    with pytest.raises(BadValueError) as caught:
        parse(f"/download/{path}")
    text = str(caught.value)
    assert text.isprintable() and len(text) < 300


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("9.9/BaseOS/x86_64/os/a", ["release '9.9'", "9.8"]),
        ("9.8/BaseOS/sparc/os/a", ["9.8/BaseOS/$basearch/os/", "9.8/isos/$basearch/"]),
        ("9.8/isos/sparc/a", ["9.8/isos/$basearch/"]),
        ("9.8/NFV/sparc/os/a", ["9.8/BaseOS/$basearch/os/"]),
        ("10-kitten/NFV/s390x/os/a", ["10-kitten/BaseOS/$basearch/os/"]),
        ("9.8", ["9.8/BaseOS/$basearch/os/"]),
        ("9.8/BaseOS/", ["9.8/BaseOS/$basearch/os/"]),
    ],
)
def test_unknown(path: str, words: list[str]) -> None:
    """A path of no repo is told what there is."""
    with pytest.raises(UnknownNameError) as caught:
        parse(f"/download/{path}")
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("secure", "asked", "expected"),
    [
        pytest.param(False, "", ("https", "http"), id="http client: https is preferred"),
        pytest.param(False, "http", ("http",), id="http client asks for http"),
        pytest.param(False, "http,https", ("http", "https"), id="http client prefers http"),
        pytest.param(False, "rsync,http", ("http",), id="rsync is no redirect"),
        pytest.param(True, "", ("https",), id="https client"),
        pytest.param(True, "http,https", ("https",), id="https client prefers http"),
    ],
)
def test_protocols(secure: bool, asked: str, expected: tuple[Protocol, ...]) -> None:
    """Whoever came by https is sent nowhere else; and nobody to rsync."""
    download = parse("/download/9/BaseOS/x86_64/os/a", secure=secure, protocol=asked)
    assert download.question.filters.protocols == expected


@pytest.mark.parametrize(("secure", "asked"), [(True, "http"), (False, "rsync"), (False, "ftp")])
def test_no_protocol_left(secure: bool, asked: str) -> None:
    """A protocol that cannot be had is named in the refusal."""
    with pytest.raises(BadValueError, match=f"protocol='{asked}'"):
        parse("/download/9/BaseOS/x86_64/os/a", secure=secure, protocol=asked)


def test_filters_and_length() -> None:
    """The parameters of lists work here too; there are ten places unless asked otherwise."""
    download = parse("/download/9/BaseOS/x86_64/os/a", country="DE")
    assert (download.question.filters.countries, download.question.limit) == (("DE",), 10)
    assert parse("/download/9/BaseOS/x86_64/os/a", limit="2").question.limit == 2
    with pytest.raises(BadValueError, match="country"):
        parse("/download/9/BaseOS/x86_64/os/a", country="XXX")


segments = st.text(min_size=1, max_size=30).map(lambda text: quote(text, safe=""))


@given(st.lists(st.one_of(segments, st.text(max_size=10)), max_size=6).map("/".join))
@settings(max_examples=300)
def test_never_leaves_the_repo(path: str) -> None:
    """Whatever is asked for below a repo, it is refused or leads to a clean address below the repo."""
    try:
        download = parse(f"/download/9/BaseOS/x86_64/os/{path}")
    except QuestionError as refused:
        assert str(refused).isprintable()
        return
    rest = download.rest
    assert rest.isascii() and rest.isprintable() and not set(rest) & set(' "<>\\^`{|}?#')
    assert not rest.startswith("/") and "//" not in rest
    assert all(unquote(segment) not in (".", "..") for segment in rest.split("/"))
    if "?" not in path:
        assert unquote(rest).rstrip("/") == "/".join(filter(None, unquote(path).split("/")))
