"""Runs `mirrorwise check`, which checks the data folder and the GeoIP databases that the settings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from app.files import is_gone
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.following import FollowedDatabase, follow_asns, follow_cities
from app.model import Finding, GeoError
from app.model.errors import fault, warning
from app.settings import read_settings
from app.sources.check import check


def check_all(directory: Path | None, environ: Mapping[str, str]) -> list[Finding]:
    """Checks the data folder and the GeoIP databases, and returns all findings. `directory`, if given, takes
    the place of the data folder that the environment names. The city database may be missing unless
    `GEOIP_CITY` names it. Raises SettingsError."""
    variables = {**environ, "MIRRORWISE_DATA": str(directory)} if directory is not None else environ
    settings = read_settings(variables)
    named = bool(variables.get("GEOIP_CITY", "").strip())
    with TemporaryDirectory(prefix="mirrorwise-check-") as folder:
        copies = VerifiedCopies(Path(folder))
        cities = follow_cities([path for path in settings.geoip_city if named or not is_gone(path)], copies)
        asns = follow_asns(settings.geoip_asn, copies)
        cities.look()
        asns.look()
        if asns.database is None:
            found = check(settings.data_dir)
        else:
            try:
                found = check(settings.data_dir, asns.database.prefixes_of)
            except GeoError as error:  # the damage showed only when all of it was read
                found = [*check(settings.data_dir), fault(str(settings.geoip_asn[0]), str(error))]
        return [*found, *_of(cities), *_of(asns)]


def _of(followed: FollowedDatabase[CityDatabase] | FollowedDatabase[AsnDatabase]) -> Iterator[Finding]:
    """Yields a fault for each file of a database that cannot be used, and a warning for each that is usable
    but odd."""
    for finding, texts in ((fault, followed.faults), (warning, followed.remarks)):
        yield from (finding(str(path), text.removeprefix(f"{path}: ")) for path, text in texts.items())
