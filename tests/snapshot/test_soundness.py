"""Snapshots that decode, and with which some request would fail or be answered wrongly.

These are cases by name. `tests/web/test_forged.py` (slow) alters every field, and asks for everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest

from app.model import Branding, Coordinates, Image, Logo, Pass, SnapshotError
from app.model.distribution import MAX_LOGO_BYTES, MAX_TITLE
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import NetworkGroup, Overlay, Snapshot, encode
from tests.builders import (
    AWS,
    NOW,
    Network,
    a_mirror,
    a_repomd,
    an_image_directory,
    an_overlay,
    in_cloud,
    netblock,
)

replace = msgspec.structs.replace


@cache
def sound() -> Snapshot:
    """With one of everything that refers to something else."""
    return Network(
        mirrors=[
            a_mirror("a", "frankfurt"),
            a_mirror("b", "paris", countries=("FR",), asns=(64500,)),
            a_mirror("c", "tokyo", weight=2.0),
            a_mirror("corp", "munich", private=True),
            in_cloud("cloud", "frankfurt", "aws", "eu-central-1"),
        ],
        overlays=[AWS, an_overlay("net-3f2a1c", netblocks=(netblock("10.20.0.0/16", "corp"),))],
        repomd={"9.8/baseos/x86_64": (a_repomd(), a_repomd(sha512=None))},
        images={"9.8/x86_64": an_image_directory("x.iso", others=("x.iso.torrent",))},
    ).compile()


def of_first_mirror(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, mirrors=(replace(s.mirrors[0], **changes), *s.mirrors[1:]))


def of_config(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, config=replace(s.config, **changes))


def of_places(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, places=replace(s.places, **changes))


def with_images(*names: str, key: str = "9.8//x86_64", **changes: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, images={key: an_image_directory(*(names or ("x.iso",)), **changes)})


def with_mirrors_of_network(*mirrors: int) -> Callable[[Snapshot], Snapshot]:
    def change(s: Snapshot) -> Snapshot:
        name, overlay = next((name, overlay) for name, overlay in s.overlays.items() if overlay.netblocks)
        group = replace(overlay.netblocks[0], mirrors=mirrors)
        return replace(s, overlays={**s.overlays, name: replace(overlay, netblocks=(group,))})

    return change


def with_mirrors_of_region(*mirrors: int) -> Callable[[Snapshot], Snapshot]:
    group = NetworkGroup(pass_=Pass.REGION, mirrors=mirrors)
    return lambda s: replace(s, regions={name: replace(r, groups=(group,)) for name, r in s.regions.items()})


def with_private_mirror_ranked(s: Snapshot) -> Snapshot:
    """A private mirror would be served to everyone."""
    rankable = tuple(range(len(s.mirrors)))
    width, count = len(rankable), s.places.count
    places = replace(
        s.places,
        width=width,
        candidates=b"".join(number.to_bytes(2, "little") for number in rankable) * count,
        costs=bytes(4 * width * count),
    )
    return replace(s, rankable=rankable, places=places)


LARGE_LOGO = Logo(media_type="image/png", content=b"x" * (MAX_LOGO_BYTES + 1))
IMPOSSIBLE: dict[str, Callable[[Snapshot], Snapshot]] = {
    "a fate of 200": lambda s: replace(s, fates=s.fates[:-1] + b"\xc8"),
    "a fate between the runs": lambda s: replace(s, fates=b"\x07" + s.fates[1:]),
    "a fate of 0": lambda s: replace(s, fates=b"\x00" + s.fates[1:]),
    "a script as home page": of_config(site=Branding(home="javascript:alert(1)")),
    "a script as link": of_config(site=Branding(links={"Chat": "javascript:alert(1)"})),
    "a large logo": of_config(site=Branding(logo=LARGE_LOGO)),
    "a title without end": of_config(site=Branding(title="x" * (MAX_TITLE + 1))),
    "rows below zero": lambda s: replace(s, rows=(-2, *s.rows[1:])),
    "noise of 32": lambda s: replace(s, noise=b"\x20" + s.noise[1:]),
    "the same noise twice": lambda s: replace(s, noise=s.noise[1:2] + s.noise[1:]),
    "names out of order": lambda s: replace(s, mirrors=s.mirrors[::-1]),
    "a name twice": lambda s: replace(s, mirrors=(s.mirrors[1], *s.mirrors[1:])),
    "a name with a line break": of_first_mirror(name="a\r\nX-Evil: 1"),
    "an address with a line break": of_first_mirror(addresses={"https": "https://a.example.org/\n/"}),
    "an address that is none": of_first_mirror(addresses={"https": "javascript:alert()"}),
    "a country of one letter": of_first_mirror(country="D"),
    "countries in lower case": of_first_mirror(countries=("de",)),
    "a continent that is none": of_first_mirror(continent="Europe"),
    "coordinates off the Earth": of_first_mirror(coordinates=Coordinates(latitude=90.5, longitude=0)),
    "no coordinates": of_first_mirror(coordinates=Coordinates(latitude=float("nan"), longitude=0)),
    "a weight of 0": of_first_mirror(weight=0.0),
    "an endless price": of_first_mirror(load_km=float("inf")),
    "an unknown cloud": of_first_mirror(cloud_provider="nimbus"),
    "a mirror 9999 of a netblock": with_mirrors_of_network(9999),
    "a mirror -1 of a netblock": with_mirrors_of_network(-1),
    "a mirror twice in a netblock": with_mirrors_of_network(0, 0),
    "a mirror 9999 of a region": with_mirrors_of_region(0, 9999),
    "no mirrors of a region": with_mirrors_of_region(),
    "a region that is not there": lambda s: replace(
        s, overlays={name: replace(o, region="aws:eu-moon-1") for name, o in s.overlays.items()}
    ),
    "a network with a line break": lambda s: replace(s, overlays={**s.overlays, "a\nb": Overlay()}),
    "ranks mirror 9999": lambda s: replace(s, rankable=(*s.rankable[:-1], 9999)),
    "ranks a mirror twice": lambda s: replace(s, rankable=(*s.rankable[:-1], s.rankable[0])),
    "ranks a private mirror": with_private_mirror_ranked,
    "candidate 9999": lambda s: of_places(candidates=b"\x0f\x27" + s.places.candidates[2:])(s),
    "a candidate twice": lambda s: of_places(candidates=s.places.candidates[2:4] + s.places.candidates[2:])(
        s
    ),
    "costs that are none": lambda s: of_places(costs=b"\xff" * len(s.places.costs))(s),
    "places outside of the Earth": lambda s: of_places(points=b"\x7f" * len(s.places.points))(s),
    "a place twice": lambda s: of_places(names=s.places.names.replace("\nFR\n", "\nDE\n"))(s),
    "no place for the unknown": lambda s: of_places(names=s.places.names.replace("\n", "X\n", 1))(s),
    "a place's country of one letter": lambda s: of_places(
        countries=s.places.countries.replace("DE", "D ", 1)
    )(s),
    "no arches": of_config(arches={}),
    "no arches of a past release": lambda s: of_config(arches={**s.config.arches, "9.7": ()})(s),
    "no releases": of_config(releases=(), aliases={}),
    "an alias of nothing": of_config(aliases={"9": "9.9"}),
    "a repo in an unknown release": lambda s: of_config(
        repos=tuple(replace(repo, releases=("8.8",)) for repo in s.config.repos)
    )(s),
    "a path that leads out": lambda s: of_config(
        repos=tuple(replace(repo, path=f"/{repo.path}") for repo in s.config.repos)
    )(s),
    "lists of no mirrors": lambda s: of_config(selection=replace(s.config.selection, length=0))(s),
    "an origin with a line break": of_config(origin="https://a.example.org/\r\nX: 1/"),
    "an unknown question": lambda s: replace(s, questions=(*s.questions[:-1], "a")),
    "a question left out": lambda s: replace(s, questions=s.questions[1:], rows=s.rows[1:]),
    "a repomd.xml of no version": lambda s: replace(s, repomd={s.questions[0]: ()}),
    "a repomd.xml of no time zone": lambda s: replace(
        s, repomd={s.questions[0]: (a_repomd(seen_at=NOW.replace(tzinfo=None)),)}
    ),
    "a repomd.xml with a hash that is none": lambda s: replace(
        s, repomd={s.questions[0]: (a_repomd(sha256="0" * 63 + "\n"),)}
    ),
    "a repomd.xml of a size below zero": lambda s: replace(s, repomd={s.questions[0]: (a_repomd(size=-1),)}),
    "images of an unknown release": with_images(key="9.9//x86_64"),
    "a directory without images": with_images(images={}),
    "too many files": with_images(others=("y",) * 1001),
    "an image with a line break": with_images("x\r\nX-Evil: 1"),
    "an image elsewhere": with_images("../x.iso"),
    "a torrent with markup": with_images(others=("<b>.torrent",)),
    "an image without a checksum": with_images(images={"x.iso": Image(size=1)}),
    "an image with a checksum that is none": with_images(images={"x.iso": Image(sha256="0" * 63 + "\n")}),
    "an image of a size below zero": with_images(images={"x.iso": Image(size=-1, sha256="0" * 64)}),
    "images of no time zone": with_images(seen_at=NOW.replace(tzinfo=None)),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible(case: str) -> None:
    """It is refused, with words for what is wrong."""
    forged = IMPOSSIBLE[case](sound())
    assert forged != sound()
    with pytest.raises(SnapshotError, match=r"the snapshot is damaged: |not a readable snapshot"):
        LoadedSnapshot("forged", encode(forged))


def test_sound() -> None:
    """What a worker compiles is taken, also where there is hardly anything."""
    LoadedSnapshot("full", encode(sound()))
    LoadedSnapshot("without mirrors", encode(Network(mirrors=[]).compile()))
    LoadedSnapshot("without places", encode(Network(mirrors=[a_mirror("a")], cells={}).compile()))
