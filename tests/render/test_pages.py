"""What stands around every page: whose service it is, where one can go, and what the page was made from."""

from __future__ import annotations

import pytest

from app.model import Branding, Logo
from app.render import assets, html
from app.render.html import NAVIGATION, Frame
from app.render.repo_files import file_name, repo_file
from tests.builders import a_config

MADE_AT_S = 1_795_000_000.0
SITE = Branding(
    title="Example <Linux>",
    home="https://www.example.org/",
    logo=Logo(media_type="image/png", content=b"png"),
    links={"A & B": "https://docs.example.org/?a=1&b=2"},
    imprint="http://www.example.org/imprint",
)


def page(frame: Frame, later_s: float = 0.0, here: str = "") -> str:
    return (
        html.page(frame, "error.html", here, status="404 Not Found", sentence="x", more="")
        .at(MADE_AT_S + later_s)
        .decode()
    )


@pytest.mark.parametrize(
    ("later_s", "words"),
    [
        (0, "0 min ago"),
        (119, "1 min ago"),
        (120, "2 min ago"),
        (-5, "0 min ago"),
        (60 * 119, "119 min ago"),
        (3 * 3600 + 59, "3 h ago"),
        (50 * 3600, "2 days ago"),
    ],
)
def test_a_page_says_what_it_was_made_from(later_s: float, words: str) -> None:
    """The generation, when it was published, and how old that is when the page is sent."""
    text = page(Frame(SITE, "3f2a", MADE_AT_S), later_s)
    assert "Generation <code>3f2a</code>" in text
    assert '<time datetime="2026-11-18T11:06:40Z">2026-11-18 11:06 UTC</time>' in text
    assert f", {words}</p>" in text


def test_a_page_before_anything_is_published() -> None:
    """It says so."""
    assert "Nothing is published yet." in page(Frame())


def test_the_age_is_the_last_of_a_page() -> None:
    """Text from outside cannot take its place."""
    made = html.page(Frame(), "error.html", "", status="404", sentence=html._MADE_FROM, more="")
    assert b"Nothing is published yet." in made.at(MADE_AT_S).partition(b"<footer")[2]


def test_whose_service_it_is() -> None:
    """Title, logo, home page, links and imprint stand on the page, and all text in them is text."""
    frame = Frame(SITE, "3f2a", MADE_AT_S)
    text = page(frame)
    assert "Example &lt;Linux&gt;" in text and "<Linux>" not in text
    assert '<a href="https://docs.example.org/?a=1&amp;b=2">A &amp; B</a>' in text
    assert '<a href="http://www.example.org/imprint">Imprint</a>' in text
    assert frame.logo and f'src="{frame.logo.path}"' in text
    assert f'href="{assets.style().path}"' in text


def test_a_page_of_no_one_in_particular() -> None:
    """Without `site:` there is neither a logo nor a link to elsewhere."""
    text = page(Frame())
    assert "<img" not in text and "http" not in text


@pytest.mark.parametrize("here", [path for path, _ in NAVIGATION])
def test_the_navigation_says_where_one_is(here: str) -> None:
    """Each entry is marked on its own page alone."""
    assert page(Frame(), here=here).count(f'<a href="{here}" aria-current="page">') == 1
    assert page(Frame(), here=here).count("aria-current") == 1


def test_assets_are_named_by_their_content() -> None:
    """Another content has another path, so that browsers may keep what they have."""
    one, other = (assets.logo(Logo(media_type="image/svg+xml", content=text)) for text in (b"a", b"b"))
    assert one.path != other.path
    assert one.path.startswith("/logo-") and one.path.endswith(".svg")


# --- files for dnf, yum and zypper -------------------------------------------------------------------


def test_a_repo_file_has_what_mirrors_have() -> None:
    """Each repo that is expected in the release has its section, under the name that `$releasever` has; the
    first is switched on."""
    config = a_config(site=SITE)
    text = repo_file(config, "9.8", "https://mirrors.example.org")
    assert "mirrorlist=https://mirrors.example.org/mirrorlist/9/baseos?arch=$basearch\nenabled=1\n" in text
    assert text.count("enabled=1") == 1
    assert text.count("gpgcheck=1") == text.count("[")
    vaulted = [repo.name for repo in config.repos if repo.vault]
    assert not [name for name in vaulted if f"[{name}]" in text]
    assert file_name(config, "9.8") == "example-linux-9.repo"
    assert file_name(a_config(site=Branding(title="例")), "9.8") == "mirrors-9.repo"
