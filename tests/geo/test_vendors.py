"""What records of every vendor mean: layouts, precise locations, names of places, AS numbers."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.geo.vendors import (
    DBIP_FLAT,
    DBIP_NESTED,
    IPINFO,
    MAXMIND,
    Details,
    GeoipLocation,
    Layout,
    asn_of,
    city_layout,
)
from app.model import GeoError
from tests.geo.databases import dbip, ipinfo, maxmind


def without(record: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in keys}


LUXEMBOURG = GeoipLocation("LU", "EU", 49.61, 6.13, "Exampletown", "District", precise=True)


@pytest.mark.parametrize(
    ("layout", "record", "location"),
    [
        pytest.param(MAXMIND, maxmind("LU", 49.61, 6.13), LUXEMBOURG, id="MaxMind"),
        pytest.param(
            DBIP_NESTED,
            maxmind("LU", 49.61, 6.13, location={"latitude": 49.61, "longitude": 6.13}),
            LUXEMBOURG,
            id="DB-IP nested, no radius",
        ),
        pytest.param(
            DBIP_FLAT,
            dbip("LU", 49.61, 6.13),
            LUXEMBOURG._replace(continent=None, subdivision="Shire"),
            id="DB-IP flat, no continent",
        ),
        pytest.param(
            IPINFO,
            ipinfo("LU", "49.61", "6.13"),
            LUXEMBOURG._replace(continent=None, subdivision="Shire"),
            id="IPinfo, coordinates as text",
        ),
        pytest.param(
            IPINFO,
            {"country": "Luxembourg", "country_code": "LU", "continent": "Europe", "continent_code": "EU"},
            GeoipLocation("LU", "EU", None, None, None, None, precise=False),
            id="IPinfo, country by name and code",
        ),
        pytest.param(
            MAXMIND,
            {"continent": {"code": "EU"}},
            GeoipLocation(None, "EU", None, None, None, None, precise=False),
            id="continent only",
        ),
        pytest.param(
            MAXMIND, maxmind("UK", 49.61, 6.13), LUXEMBOURG._replace(country="GB"), id="a code of two"
        ),
        pytest.param(
            DBIP_FLAT,
            dbip("EU", 49.61, 6.13),
            LUXEMBOURG._replace(country=None, subdivision="Shire"),
            id="a continent in the country's place",
        ),
    ],
)
def test_locate(layout: Layout, record: dict[str, Any], location: GeoipLocation) -> None:
    """The same facts come out of every vendor's record."""
    assert layout.locate(record) == location


NO_COUNTRIES = [
    pytest.param(layout, record, place, id=f"{layout.vendor}: {code} in {record.get('continent')}")
    for code, alone, in_asia in [
        ("UK", "GB/49/6", "GB/49/6"),
        ("uk", "GB/49/6", "GB/49/6"),
        ("FX", "FR/49/6", "FR/49/6"),
        ("EU", "~EU", "~EU"),
        ("eu", "~EU", "~EU"),
        ("AP", "~AS", "~AS"),
        ("AN", "~NA", "~NA"),
        ("ZZ", "", "~AS"),
        ("XX", "", "~AS"),
        ("A1", "", "~AS"),
        ("A2", "", "~AS"),
        ("O1", "", "~AS"),
        ("QQ", "", "~AS"),
        ("--", "", "~AS"),
        ("\u0131t", "", "~AS"),
    ]
    for layout, record, place in [
        (DBIP_FLAT, dbip(code, 49.6, 6.1), alone),
        (IPINFO, ipinfo(code, "49.6", "6.1"), alone),
        (IPINFO, ipinfo(code, "49.6", "6.1", continent="AS"), in_asia),
        (MAXMIND, without(maxmind(code, 49.6, 6.1), "continent"), alone),
        (DBIP_NESTED, without(maxmind(code, 49.6, 6.1), "continent"), alone),
        (DBIP_NESTED, maxmind(code, 49.6, 6.1, continent={"code": "AS"}), in_asia),
        (MAXMIND, maxmind(code, 49.6, 6.1, continent={"code": "AS"}), in_asia),
    ]
]
"""Codes that are no country's, though a vendor writes them where a country should be."""

RADIUS = {"latitude": 49.61, "longitude": 6.13}
NAMELESS = without(maxmind("LU", 49.61, 6.13), "city", "subdivisions")


@pytest.mark.parametrize(
    ("layout", "record", "place"),
    [
        pytest.param(MAXMIND, maxmind("DE", 50.11, 8.68), "DE/50/8", id="cell by floor"),
        pytest.param(MAXMIND, maxmind("GB", 51.5, -0.09122), "GB/51/-1", id="west of Greenwich"),
        pytest.param(DBIP_FLAT, dbip("BR", -23.55, -46.63), "BR/-24/-47", id="southern and western"),
        pytest.param(MAXMIND, maxmind("FJ", -16.5, 180.0), "FJ/-17/180", id="on the date line"),
        pytest.param(DBIP_FLAT, dbip("GA", 0.0, 9.4), "GA/0/9", id="on the equator"),
        pytest.param(
            MAXMIND,
            maxmind("LU", 0, 0, location={**RADIUS, "accuracy_radius": 499}),
            "LU/49/6",
            id="radius 499 km",
        ),
        pytest.param(
            MAXMIND,
            maxmind("LU", 0, 0, location={**RADIUS, "accuracy_radius": 500}),
            "LU",
            id="radius 500 km",
        ),
        pytest.param(MAXMIND, NAMELESS, "LU", id="neither city nor subdivision"),
        pytest.param(
            MAXMIND, without(maxmind("LU", 49.61, 6.13), "city"), "LU/49/6", id="subdivision without city"
        ),
        pytest.param(DBIP_FLAT, dbip("LU", 49.61, 6.13, city="", state1=""), "LU", id="empty names"),
        pytest.param(DBIP_FLAT, dbip("LU", 49.61, 6.13, city=" ", state1=" "), "LU", id="blank names"),
        pytest.param(DBIP_FLAT, dbip("LU", 0.0, 0.0), "LU", id="null island"),
        pytest.param(DBIP_FLAT, dbip("LU", nan, 6.1), "LU", id="NaN"),
        pytest.param(DBIP_FLAT, dbip("LU", 49.6, inf), "LU", id="infinite"),
        pytest.param(DBIP_FLAT, dbip("LU", 90.1, 6.1), "LU", id="beyond the pole"),
        pytest.param(DBIP_FLAT, dbip("LU", 49.6, -180.1), "LU", id="beyond the date line"),
        pytest.param(IPINFO, ipinfo("LU", "north", "6.1"), "LU", id="text that is no number"),
        pytest.param(DBIP_FLAT, dbip("lu", 49.6, 6.1), "LU/49/6", id="country in lower case"),
        pytest.param(DBIP_FLAT, dbip("ZZ", 49.6, 6.1), "", id="country unknown, as ZZ"),
        *NO_COUNTRIES,
        pytest.param(DBIP_FLAT, dbip("LUX", 49.6, 6.1), "", id="no country code"),
        pytest.param(
            MAXMIND, without(maxmind("", 49.6, 6.1), "country"), "~EU", id="continent without country"
        ),
        pytest.param(MAXMIND, {"continent": {"code": "XX"}}, "", id="no continent code"),
        pytest.param(MAXMIND, "::/64", "", id="a record that is no map"),
    ],
)
def test_place(layout: Layout, record: Any, place: str) -> None:
    """A cell needs a precise location and a country; otherwise country, continent, or nothing."""
    assert layout.place(record) == place
    assert layout.locate(record).place == place


FIELDS = [
    *("country", "country_code", "country_name", "continent", "continent_code", "city", "state1", "region"),
    *("subdivisions", "location", "names", "en", "iso_code", "code", "latitude", "longitude", "lat", "lng"),
    *("accuracy_radius", "radius", "traits", "asn", "autonomous_system_number"),
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**128)
    | st.floats()
    | st.sampled_from(["", " ", "LU", "de", "EU", "UK", "AP", "49.6", "1e999", "nan", "Exampletown", "ß"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "layout", [MAXMIND, DBIP_NESTED, DBIP_FLAT, IPINFO], ids=lambda layout: layout.vendor
)
@settings(max_examples=100, deadline=None)
@given(record=anything)
def test_malformed_records_never_raise(layout: Layout, record: Any) -> None:
    """Whatever stands in a record, it has a location, a place and a description, and they agree."""
    assert layout.place(record) == layout.locate(record).place
    assert isinstance(layout.describe(record), Details)
    assert 0 <= (asn_of(record) or 0) < 2**32


@pytest.mark.parametrize(
    ("database_type", "records", "layout"),
    [
        pytest.param("GeoLite2-City", [maxmind("LU", 49.6, 6.1)], MAXMIND, id="MaxMind"),
        pytest.param(
            "GeoLite2-City", [{"city": {}}, {"continent": {"code": "EU"}}], MAXMIND, id="poor records"
        ),
        pytest.param("DBIP-City-Lite", [maxmind("LU", 49.6, 6.1)], DBIP_NESTED, id="DB-IP nested"),
        pytest.param("city ipv4", [dbip("LU", 49.6, 6.1)], DBIP_FLAT, id="DB-IP flat"),
        pytest.param("country", [{"country_code": "LU"}], DBIP_FLAT, id="DB-IP flat, countries"),
        pytest.param("ipinfo standard_location.mmdb", [ipinfo("LU", "49.6", "6.1")], IPINFO, id="IPinfo"),
        pytest.param("renamed", [ipinfo("LU", "49.6", "6.1")], IPINFO, id="IPinfo by its keys"),
        pytest.param(
            "ipinfo bundle_location_lite.mmdb",
            [{"country": "Luxembourg", "country_code": "LU", "continent_code": "EU", "asn": "AS64500"}],
            IPINFO,
            id="IPinfo Lite",
        ),
    ],
)
def test_layout_is_told_by_type_and_records(
    database_type: str, records: list[dict[str, Any]], layout: Layout
) -> None:
    """Nobody has to say which vendor a database is from."""
    assert city_layout("x.mmdb", database_type, records) is layout


@pytest.mark.parametrize(
    "records", [[], ["text"], [{"autonomous_system_number": 64500}]], ids=["empty", "no maps", "ASN database"]
)
def test_a_database_without_countries_is_refused(records: list[Any]) -> None:
    """The message says which file, what it is, and what would be understood."""
    with pytest.raises(GeoError, match=r"x\.mmdb: is not a city or country database.*'Something'.*MaxMind"):
        city_layout("x.mmdb", "Something", records)


@pytest.mark.parametrize(
    ("layout", "record", "details"),
    [
        pytest.param(
            MAXMIND,
            maxmind("LU", 49.6, 6.1),
            Details(
                country_name="Exampleland", city="Exampletown", subdivision="District", accuracy_radius_km=20
            ),
            id="MaxMind, in English",
        ),
        pytest.param(
            MAXMIND,
            maxmind("LU", 49.6, 6.1) | {"city": "Exampletown", "country": {"iso_code": "LU", "names": 7}},
            Details(subdivision="District", accuracy_radius_km=20),
            id="MaxMind, malformed",
        ),
        pytest.param(
            DBIP_FLAT,
            dbip("LU", 49.6, 6.1),
            Details(city="Exampletown", subdivision="Shire"),
            id="DB-IP flat",
        ),
        pytest.param(
            IPINFO,
            ipinfo("LU", "49.6", "6.1", country_name="Exampleland", radius="50"),
            Details(
                country_name="Exampleland", city="Exampletown", subdivision="Shire", accuracy_radius_km=50
            ),
            id="IPinfo",
        ),
        pytest.param(
            IPINFO,
            {"country": "Exampleland", "country_code": "LU"},
            Details(country_name="Exampleland"),
            id="IPinfo Lite",
        ),
    ],
)
def test_describe(layout: Layout, record: dict[str, Any], details: Details) -> None:
    """What people read about an address is the same for all vendors, as far as they say it."""
    assert layout.describe(record) == details


@pytest.mark.parametrize(
    ("record", "asn"),
    [
        pytest.param({"autonomous_system_number": 64500}, 64500, id="MaxMind and DB-IP"),
        pytest.param({"traits": {"autonomous_system_number": 64500}}, 64500, id="DB-IP nested"),
        pytest.param({"asn": "AS64500"}, 64500, id="IPinfo"),
        pytest.param({"asn": "64500"}, 64500, id="digits as text"),
        pytest.param({"asn": "AS"}, None, id="no digits"),
        pytest.param({"asn": 0}, None, id="AS 0 is nobody's"),
        pytest.param({"asn": 2**32}, None, id="too large"),
        pytest.param({}, None, id="nothing"),
        pytest.param(None, None, id="no record"),
    ],
)
def test_asn_of(record: object, asn: int | None) -> None:
    """The AS number is found in every vendor's record."""
    assert asn_of(record) == asn
