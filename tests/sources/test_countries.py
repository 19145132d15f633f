"""Country names and codes as people write them."""

from __future__ import annotations

import pytest

from app.sources.countries import continent_of, country_code, country_codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        (" De ", "DE"),
        ("Germany", "DE"),
        ("GERMANY", "DE"),
        ("DEU", "DE"),
        ("UK", "GB"),
        ("uk", "GB"),
        ("Great Britain", "GB"),
        ("England", "GB"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("Australia", "AU"),
        ("NO", "NO"),
        ("The Netherlands", "NL"),
        ("Netherlands", "NL"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Czech Republic", "CZ"),
        ("Czechia", "CZ"),
        ("Côte d'Ivoire", "CI"),
        ("Viet Nam", "VN"),
        ("Russian Federation", "RU"),
        ("Korea", "KR"),
        ("Republic of Korea", "KR"),
        ("XK", "XK"),
        ("Bosnia & Herzegovina", "BA"),
        ("Georgia", "GE"),
        ("XX", None),
        ("EU", None),
        ("Bavaria", None),
        ("", None),
        ("AN", None),
        ("D", None),
    ],
)
def test_country_code(text: str, code: str | None) -> None:
    """Codes in any case, English names, common variants; what is no country today is none."""
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("code", "continent"),
    [
        ("DE", "EU"),
        ("US", "NA"),
        ("CR", "NA"),
        ("BR", "SA"),
        ("JP", "AS"),
        ("TR", "AS"),
        ("ZA", "AF"),
        ("NZ", "OC"),
        ("AQ", "AN"),
        ("XX", None),
        ("de", None),
    ],
)
def test_continent_of(code: str, continent: str | None) -> None:
    """The seven continents' codes, of codes as country_code gives them."""
    assert continent_of(code) == continent


def test_every_code_is_its_own_and_has_a_continent() -> None:
    """The list is complete and consistent: 249 of ISO 3166-1, and Kosovo."""
    codes = country_codes()
    assert len(codes) == 250
    assert list(codes) == sorted(codes)
    assert all(country_code(code) == code for code in codes)
    assert {continent_of(code) for code in codes} == {"AF", "AN", "AS", "EU", "NA", "OC", "SA"}
