"""The keys of one YAML mapping, read one by one as what they should be.

What does not fit is a finding with the key's line, and the value counts as not given. A text that
is not one is a warning, for texts only describe; anything else that is not what it should be is a
fault, for it decides who is sent where.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

import msgspec

from app.sources.report import Report, nearest, shown
from app.sources.yaml_file import Mapping, Scalar, Sequence

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(
    r"(\d{1,9})\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?|(w)(?:eeks?)?)",
    re.IGNORECASE,
)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#\"<>\\^`{|}]+([/?#][^\s\"<>\\^`{|}]*)?", re.IGNORECASE)
_LOSES_A_ZERO = re.compile(r"\d+\.\d*0")


class Bounds(msgspec.Struct, frozen=True):
    """Of a number, both ends allowed; `above`: the lower end itself is not."""

    low: float
    high: float
    above: bool = False

    def hold(self, number: float) -> bool:
        return self.low <= number <= self.high and not (self.above and number == self.low)

    def __str__(self) -> str:
        start = f"more than {self.low:g} and" if self.above else f"at least {self.low:g} and"
        return f"{start} at most {self.high:g}"


def duration_s(text: str) -> int | None:
    """Seconds of "90s", "30m", "12h", "1d", "2 weeks"; None where it is not a duration above zero."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    unit = next(letter for letter in match.groups()[1:] if letter)
    return int(match[1]) * _UNITS_S[unit.lower()] or None


class Fields:
    """`prefix` is how the way to this mapping reads in messages, such as "geolocation."."""

    def __init__(self, mapping: Mapping, report: Report, prefix: str = "") -> None:
        self.mapping = mapping
        self.report = report
        self.prefix = prefix

    def __contains__(self, key: str) -> bool:
        node = self.mapping.entries.get(key)
        return node is not None and not (isinstance(node, Scalar) and node.is_null)

    def line(self, key: str) -> int:
        """That of the key, or of the mapping where there is no such key."""
        node = self.mapping.entries.get(key)
        return self.mapping.line if node is None else node.line

    def fault(self, key: str, message: str) -> None:
        self.report.fault(self.line(key), f"{self.prefix}{key}: {message}")

    def warning(self, key: str, message: str) -> None:
        self.report.warning(self.line(key), f"{self.prefix}{key}: {message}")

    def warn_unknown(self, known: Collection[str]) -> None:
        for key in self.mapping.entries:
            if key not in known:
                self.warning(key, f"this key is not known here, and is ignored{nearest(key, known)}")

    def text(self, key: str) -> str | None:
        """Stripped; None where it is not given or empty."""
        if key not in self:
            return None
        node = self.mapping.entries[key]
        if not isinstance(node, Scalar):
            self.warning(key, "should be a text, not a list or a mapping; ignored")
            return None
        return node.text.strip() or None

    def flag(self, key: str, default: bool) -> bool:
        if key not in self:
            return default
        node = self.mapping.entries[key]
        word = node.text.strip().lower() if isinstance(node, Scalar) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        found = shown(node.text) if isinstance(node, Scalar) else "a list or a mapping"
        self.fault(key, f"must be true or false, and is {found}")
        return default

    def number(self, key: str, bounds: Bounds) -> float | None:
        if key not in self:
            return None
        node = self.mapping.entries[key]
        try:
            number = float(node.text) if isinstance(node, Scalar) else math.nan
        except ValueError:
            number = math.nan
        if bounds.hold(number):
            return number
        found = shown(node.text) if isinstance(node, Scalar) else "a list or a mapping"
        self.fault(key, f"must be a number of {bounds}, and is {found}")
        return None

    def whole(self, key: str, bounds: Bounds) -> int | None:
        number = self.number(key, bounds)
        if number is not None and number != int(number):
            self.fault(key, f"must be a whole number, and is {number:g}")
        return None if number is None else int(number)

    def seconds(self, key: str) -> int | None:
        text = self.text(key)
        if text is None:
            return None
        duration = duration_s(text)
        if duration is None:
            self.fault(key, f"must be a duration such as 90s, 30m, 12h or 1d, and is {shown(text)}")
        return duration

    def web_address(self, key: str) -> str | None:
        """An http or https URL that may stand in a page; anything else is a warning."""
        text = self.text(key)
        if text is None or _WEB_ADDRESS.fullmatch(text):
            return text
        self.warning(key, f"{shown(text)} is not an http:// or https:// URL; ignored")
        return None

    def scalars(self, key: str) -> list[Scalar]:
        """The entries of a list; a single value counts as a list of one."""
        if key not in self:
            return []
        node = self.mapping.entries[key]
        nodes = node.items if isinstance(node, Sequence) else [node]
        scalars = []
        for item in nodes:
            if isinstance(item, Scalar) and not item.is_null and item.text.strip():
                self.warn_of_lost_zero(item)
                scalars.append(Scalar(item.line, item.text.strip(), item.plain))
            else:
                self.report.fault(item.line, f"{self.prefix}{key}: must be a list of plain values")
        return scalars

    def warn_of_lost_zero(self, scalar: Scalar) -> None:
        if scalar.plain and _LOSES_A_ZERO.fullmatch(scalar.text):
            misread = f"{float(scalar.text):g}"
            self.report.warning(
                scalar.line,
                f'write "{scalar.text}" with its quotes; without, other programs read the number {misread}',
            )

    def mapping_of(self, key: str) -> Fields:
        """The keys below this one: none where it is not given, or no mapping (a fault)."""
        node = self.mapping.entries.get(key)
        if not isinstance(node, Mapping):
            if key in self:
                self.fault(key, "must be a mapping: lines of the form `key: value`, indented below it")
            node = Mapping(self.line(key), {})
        return Fields(node, self.report, f"{self.prefix}{key}.")

    def mappings(self, key: str) -> Iterator[Fields]:
        """The entries of a list of mappings."""
        node = self.mapping.entries.get(key)
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.fault(key, "must be a list")
            return
        for item in node.items:
            if isinstance(item, Mapping):
                yield Fields(item, self.report, f"{self.prefix}{key}: ")
            else:
                self.report.fault(item.line, f"{self.prefix}{key}: every entry must be a mapping")
