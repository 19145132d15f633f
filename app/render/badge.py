"""Draws the badge of a mirror, which its admin may show on a page of their own."""

from __future__ import annotations

from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

from app.explain.mirror_report import MirrorSummary
from app.model.words import printable, shortened
from app.render import facts, mirror_history
from app.snapshot.mirror_history import BADGE_DAYS

CONTENT_TYPE = "image/svg+xml"
_COLOURS = {"ok": "#17663a", "warn": "#7a4b00", "bad": "#a3231a", "off": "#4b5764"}
"""By kind of status: all of them are dark enough for white letters."""
_LETTER_PX = 6.6
_MOST_LETTERS = 40


def badge(service: str, mirror: MirrorSummary, availability: float | None) -> bytes:
    """Draws the badge that says what a mirror's status is, and in which share of the last days it answered
    (None if that is not known)."""
    label = printable(shortened(service, _MOST_LETTERS))
    state = (
        mirror.status if availability is None else f"{mirror.status} {mirror_history.percent(availability)}"
    )
    title = f"{label}: {mirror.mirror} is {mirror.status}"
    if availability is not None:
        title += f", and answered in {mirror_history.percent(availability)} of the last {BADGE_DAYS} days"
    left, right = _width(label), _width(state)
    colour = _COLOURS[facts.STATUS_KINDS[mirror.status]]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f"aria-label={quoteattr(title)}>"
        f"<title>{escape(title)}</title>"
        f'<rect width="{left}" height="20" fill="#333"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_words(label, 0)}{_words(state, left)}</g></svg>\n"
    ).encode()


def _width(text: str) -> int:
    """Returns how many pixels wide the part of a badge with this text is."""
    letters = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    return round(letters * _LETTER_PX) + 12


def _words(text: str, x: int) -> str:
    """Draws a text into its part, however wide the letters of the font at hand are."""
    return f'<text x="{x + 6}" y="14" textLength="{_width(text) - 12}">{escape(text)}</text>'
