"""Makes the networks that benchmarks run on: real mirrors if there are any, and a much larger one."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
QUERY = "/mirrorlist/9/baseos?arch=x86_64"

Environ = dict[str, str]


def world(folder: Path) -> tuple[str, Environ]:
    """Makes a data folder in `folder`. Returns its description, and the environment in which to serve it."""
    data = folder / "data"
    real = Path(os.environ.get("MIRRORWISE_REAL_DATA", ROOT.parent / "shared" / "data"))
    if real.is_dir():
        shutil.copytree(real / "almalinux", data)
        shutil.copytree(real / "cloud", data / "cloud")
        name = "AlmaLinux's mirrors"
    else:
        shutil.copytree(ROOT / "data", data)
        name = "the sample network"
    geoip = os.environ.get("MIRRORWISE_DBIP")
    if geoip:
        cities = ",".join(str(Path(geoip) / f"dbip-city-{family}.mmdb") for family in ("ipv4", "ipv6"))
        name += ", DB-IP City Lite"
    else:
        cities = str(ROOT / "data" / "geoip" / "city.mmdb")
        name += ", the sample GeoIP database"
    return name, {
        "PATH": os.environ["PATH"],
        "MIRRORWISE_DATA": str(data),
        "MIRRORWISE_VAR": str(folder / "var"),
        "GEOIP_CITY": cities,
    }


def enlarge(data: Path, mirrors: int, repos: int) -> None:
    """Makes the network in `data` larger, with copies of its repos, and of its mirrors a little elsewhere."""
    draw = random.Random(1)
    files = sorted((data / "mirrors.d").glob("*.yml"))
    contents = [yaml.safe_load(file.read_text(encoding="utf-8-sig")) for file in files]
    located = [content for content in contents if "cloud_type" not in content and content.get("geolocation")]
    for number in range(mirrors - len(files)):
        base = located[number % len(located)]
        name = f"m{number}.example.org"
        copy = {
            "name": name,
            "address": {"https": f"https://{name}/linux/", "http": f"http://{name}/linux/"},
            "update_frequency": "3h",
            "sponsor": "Example",
            "sponsor_url": "https://example.org/",
            "geolocation": base["geolocation"],
            "weight": round(draw.uniform(0.5, 2.0), 2),
        }
        (data / "mirrors.d" / f"{name}.yml").write_text(yaml.safe_dump(copy))
    config = yaml.safe_load((data / "config.yml").read_text())
    have = len(config["repos"])
    config["repos"] += [{"name": f"repo{n}", "path": f"Repo{n}/$basearch/os/"} for n in range(repos - have)]
    (data / "config.yml").write_text(yaml.safe_dump(config))


def clients(count: int) -> Iterator[str]:
    """Yields IPv4 addresses all over the world, the same ones every time."""
    draw = random.Random(20)
    while count:
        first = draw.randrange(1, 224)
        if first not in (10, 127):
            yield f"{first}.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"
            count -= 1
