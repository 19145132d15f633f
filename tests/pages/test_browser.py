"""All pages in a real browser, in a wide and a narrow window, light and dark; and the ways that people go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import pytest

from tests.pages.browser import Chromium
from tests.pages.table import TARGETS, address
from tests.pages.world import World
from tests.servers import GunicornServer

pytestmark = pytest.mark.slow

WIDE, NARROW = 1280, 390
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
STATUS_OF_PAGE = "Failed to load resource: the server responded with a status of 4"
"""What the browser says of a page that is an error."""
VISITOR = "192.0.2.1"
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("svg, pre")
).map(e => e.outerHTML.slice(0, 200)).slice(0, 5)"""
SCROLLING = """[...document.querySelectorAll("body *")].filter(e =>
    e.scrollWidth > e.clientWidth + 1 && e.tagName != "PRE"
    && ["auto", "scroll"].includes(getComputedStyle(e).overflowX)
).map(e => e.outerHTML.slice(0, 200))"""

ALIKE = """(seen => {
    for (const row of document.querySelectorAll("tr, li, dt, dd, svg a, svg g, option")) {
        const parts = [row, ...row.querySelectorAll("*")].map(e => `${e.tagName} ${e.getAttribute("class")}`);
        const kind = [...new Set(parts)].sort().join();
        seen[kind] = (seen[kind] || 0) + 1;
        if (seen[kind] > 2) row.remove();
    }
})({})"""
"""Removes rows, entries and dots that are made of the same parts as two before them. With 500 rows, axe would
take a minute."""


@pytest.fixture(scope="module")
def axe() -> str:
    """The program that judges by the Web Content Accessibility Guidelines."""
    return (files("axe_core_python") / "axe.min.js").read_text()


def violations(chromium: Chromium, rules: Mapping[str, object]) -> list[str]:
    """What axe finds on the page as it looks now."""
    options = json.dumps({"runOnly": rules, "resultTypes": ["violations"], "elementRef": False})
    found = chromium.value(
        f"axe.run(document, {options}).then(r => r.violations.map(v => v.id + ': ' + v.help + ': ' + "
        "v.nodes.slice(0, 3).map(n => n.html.slice(0, 300) + ' ' + n.failureSummary).join('; ')))"
    )
    return [str(each) for each in found]


@pytest.mark.parametrize("target", TARGETS)
def test_looked_at(chromium: Chromium, server: GunicornServer, world: World, axe: str, target: str) -> None:
    """A page breaks no rule of WCAG 2.1 AA, fits into a telephone's width, fetches nothing from elsewhere,
    runs nothing, and has no fault that the browser complains of."""
    own = f"http://127.0.0.1:{server.port}"
    chromium.come_from(VISITOR)
    chromium.look(WIDE, "light")
    chromium.open(own + address(target, world))
    for width in (WIDE, NARROW):
        chromium.look(width, "light")
        assert chromium.value("document.scrollingElement.scrollWidth") <= width, chromium.value(TOO_WIDE)
        assert chromium.value(SCROLLING) == []
    chromium.value(f"{ALIKE}; {axe}; 0")
    for width in (WIDE, NARROW):
        chromium.look(width, "light")
        assert violations(chromium, RULES) == []
        chromium.look(width, "dark")  # which changes the colours, and nothing else
        assert violations(chromium, CONTRAST) == []
    assert [url for url in chromium.requested() if not url.startswith(f"{own}/")] == []
    assert [said for said in chromium.complaints() if not said.startswith(STATUS_OF_PAGE)] == []


def test_faults_are_found(chromium: Chromium, server: GunicornServer, axe: str) -> None:
    """A field without a label, words that are hardly seen, and something wide are found."""
    chromium.look(NARROW, "dark")
    chromium.open(f"http://127.0.0.1:{server.port}/nothing")
    chromium.value(
        "document.querySelector('main').innerHTML += '<input><p>words</p><pre>wide</pre>';"
        "document.querySelector('main p:last-of-type').style.color = '#303a44';"
        "document.querySelector('pre').style.width = '500px';" + axe + "; 0"
    )
    assert {found.partition(":")[0] for found in violations(chromium, RULES)} >= {"label", "color-contrast"}
    assert chromium.value("document.scrollingElement.scrollWidth") > NARROW


# --- ways that people go ---------------------------------------------------------------------------


@pytest.fixture
def home(chromium: Chromium, server: GunicornServer) -> Chromium:
    """The browser of a visitor on the front page."""
    chromium.come_from(VISITOR)
    chromium.look(WIDE, "light")
    chromium.open(f"http://127.0.0.1:{server.port}/")
    return chromium


def named(words: str, tag: str = "a") -> str:
    """The first visible element of a tag with these words, as a JavaScript expression."""
    return (
        f"[...document.querySelectorAll({json.dumps(tag)})].find(e => e.checkVisibility() && "
        f"e.textContent.replace(/\\s+/g, ' ').trim().startsWith({json.dumps(words)}))"
    )


def main_text(chromium: Chromium) -> str:
    return " ".join(str(chromium.value("document.querySelector('main').innerText")).split())


def choose(chromium: Chromium, name: str, value: str) -> None:
    """Chooses an option of a form, which has to be there."""
    field = f"document.querySelector('main [name={name}]').value"
    assert chromium.value(f"{field} = {json.dumps(value)}; {field}") == value


def test_to_the_newest_image_in_two_clicks(home: Chromium, world: World) -> None:
    """From the front page, two clicks start the download of an image of the newest release, from a mirror."""
    home.follow(named("x86_64"))
    assert home.url.endswith("/isos/10.2/x86_64")
    home.follow(named("Download"))
    came_to = [url for url in home.requested() if url.startswith("http")][-1]
    assert came_to.endswith(".iso") and "10.2" in came_to
    assert came_to.startswith(tuple(world.base_urls()))


def test_mirrors_of_a_country_that_carry_something(home: Chromium, world: World) -> None:
    """The mirrors in Brazil that are served for aarch64 are found with the form, and the address of what was
    found can be passed on: it shows the same."""
    home.follow(named("Mirrors"))
    choose(home, "country", "BR")
    choose(home, "arch", "aarch64")
    home.follow(named("Find", "button"))
    rows = "[...document.querySelectorAll('main tbody th[scope=row]')].map(e => e.innerText.trim())"
    found, address_of_it = home.value(rows), home.url
    assert found and {world.mirrors[name].country for name in found} == {"BR"}
    assert len(found) < sum(mirror.country == "BR" for mirror in world.mirrors.values())
    assert "country=BR" in address_of_it and "arch=aarch64" in address_of_it
    home.open(address_of_it)
    assert home.value(rows) == found
    assert home.value("document.querySelector('main tbody td a').href") in set(world.base_urls(*found))


def test_from_a_name_to_why_it_is_not_served(home: Chromium, world: World) -> None:
    """Who knows a mirror's name types it, and the page of that mirror begins with why it is not served and
    what to do about that."""
    name = world.of_status["stale"]
    home.follow(named("Mirrors"))
    home.value("document.querySelector('main [name=q]').focus()")
    home.call("Input.insertText", text=name)
    home.follow(named("Find", "button"))
    home.follow(named(name))
    said = main_text(home)
    assert said.startswith(name)
    assert 0 < said.index("Not served") < said.index("31.2 h behind the origin") < said.index("Addresses")


def test_with_the_keyboard_alone(home: Chromium) -> None:
    """The first key leads past the navigation, and wherever the focus is, it is seen."""
    home.press("Tab")
    assert home.value("document.activeElement.textContent") == "Skip to the content"
    assert home.value("document.activeElement.getBoundingClientRect().left") >= 0
    seen = "(e => [e.tagName, getComputedStyle(e).outlineStyle])(document.activeElement)"
    for _ in range(20):
        assert home.value(seen)[1] == "solid", home.value("document.activeElement.outerHTML")
        home.press("Tab")
