"""`site:` in config.yml and the logo: whose service this is, as all pages say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Branding, Logo, Severity, SourceError
from app.model.distribution import MAX_LINKS, MAX_LOGO_BYTES, MAX_TITLE
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles
from app.sources.site import read_logo
from tests.sources.samples import CONFIG, read_config

SVG = b'<?xml version="1.0"?>\n<!-- ours -->\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>\n'
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
WITH_LOGO = CONFIG + "site: {title: Example Linux, logo: logo.svg}\n"


def test_all_of_it(tmp_path: Path) -> None:
    """What the file says is what pages say."""
    text = """site:
  title: Example Linux
  home: https://www.example.org/
  logo: logo.svg
  links: {"Documentation": "https://docs.example.org/", "Chat": "http://chat.example.org"}
  imprint: https://www.example.org/imprint
"""
    config, findings = read_config(tmp_path, CONFIG + text)
    assert not findings
    assert config.site == Branding(
        title="Example Linux",
        home="https://www.example.org/",
        logo_file="logo.svg",
        links={"Documentation": "https://docs.example.org/", "Chat": "http://chat.example.org"},
        imprint="https://www.example.org/imprint",
    )


def test_nothing_of_it(tmp_path: Path) -> None:
    """A config without it is sound."""
    config, findings = read_config(tmp_path, CONFIG)
    assert (config.site, findings) == (Branding(), [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("site: Example", "mapping", id="no mapping"),
        pytest.param(f"site: {{title: {'x' * (MAX_TITLE + 1)}}}", str(MAX_TITLE), id="long title"),
        pytest.param("site: {title: [a, b]}", "not a list", id="two titles"),
        pytest.param("site: {home: www.example.org}", "https://", id="home page without scheme"),
        pytest.param("site: {imprint: 'javascript:alert(1)'}", "https://", id="script as imprint"),
        pytest.param("site: {links: {Chat: 'ftp://example.org/'}}", "https://", id="FTP link"),
        pytest.param("site: {links: [https://example.org/]}", "mapping", id="links without words"),
        pytest.param("site: {logo: ../logo.svg}", "beside", id="logo elsewhere"),
        pytest.param("site: {logo: logo.jpg}", ".png", id="logo of another kind"),
        pytest.param("site: {tittle: x}", "title", id="misspelt key"),
        pytest.param(
            "site: {links: {" + ", ".join(f"a{n}: https://example.org/" for n in range(MAX_LINKS + 1)) + "}}",
            str(MAX_LINKS),
            id="too many links",
        ),
    ],
)
def test_what_does_not_fit_is_a_warning(tmp_path: Path, text: str, words: str) -> None:
    """It decides no list, so the config counts, and what does not fit is left out."""
    config, findings = read_config(tmp_path, f"{CONFIG}{text}\n")
    assert [finding.severity for finding in findings] == [Severity.WARNING]
    assert words in findings[0].message
    assert (config.site.title, config.site.home, config.site.imprint) == ("Mirrorwise", None, None)
    assert config.site.logo_file is None
    assert len(config.site.links) <= MAX_LINKS


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.svg", SVG, "image/svg+xml"),
        ("a.svg", b"\xef\xbb\xbf<svg>", "image/svg+xml"),
        ("a.png", PNG, "image/png"),
    ],
)
def test_logos(tmp_path: Path, name: str, content: bytes, media_type: str) -> None:
    """SVG and PNG are logos."""
    (tmp_path / name).write_bytes(content)
    assert read_logo(tmp_path / name) == Logo(media_type=media_type, content=content)  # type: ignore[arg-type]  # one of two


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.svg", PNG, id="PNG called SVG"),
        pytest.param("a.png", SVG, id="SVG called PNG"),
        pytest.param("a.svg", b"<html><svg></html>", id="a page"),
        pytest.param("a.svg", b"<!-- <svg> -->", id="SVG in a comment"),
        pytest.param("a.svg", b"", id="nothing"),
        pytest.param("a.svg", SVG + b" " * MAX_LOGO_BYTES, id="too large"),
    ],
)
def test_no_logos(tmp_path: Path, name: str, content: bytes) -> None:
    """Anything else is an error that names the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name}.*(?:holds no|is larger)"):
        read_logo(tmp_path / name)


def test_the_last_good_logo_stays(tmp_path: Path) -> None:
    """A new logo is noticed; one that cannot be used is a warning and leaves the last one, until the config
    names none."""
    (tmp_path / "mirrors.d").mkdir()
    config, logo = tmp_path / "config.yml", tmp_path / "logo.svg"
    config.write_text(WITH_LOGO)
    logo.write_bytes(SVG)
    files = PeopleFiles(DataFolder(tmp_path))
    assert files.read().site.logo == Logo(media_type="image/svg+xml", content=SVG)
    assert not files.findings

    before = files.marks()
    logo.write_bytes(b"nonsense")
    assert files.marks() != before
    assert files.read().site.logo == Logo(media_type="image/svg+xml", content=SVG)
    assert [str(finding) for finding in files.findings] == [
        "logo.svg: warning: the file holds no SVG picture"
    ]

    logo.write_bytes(SVG + SVG)
    assert files.read().site.logo == Logo(media_type="image/svg+xml", content=SVG + SVG)
    config.write_text(CONFIG)
    assert files.read().site == Branding()
