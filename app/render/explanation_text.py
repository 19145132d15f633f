"""Renders an explanation for a terminal of 80 columns, in colour if the caller gives a `Paint`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable

from app.explain.client_facts import ClientFacts
from app.explain.evidence import hours
from app.explain.explanation import ExcludedEntry, Explanation, ServedEntry
from app.render import facts
from app.render.facts import Row

WIDTH = 80
LABEL = 12
NAME = 30
KM = 8

Paint = Callable[[str, str], str]
"""A function that gets a text and its role (heading, good, bad, dim), and returns the text in colour."""


def plain(text: str, role: str) -> str:
    """Returns the text as it is: a `Paint` without colours."""
    return text


def client_text(client: ClientFacts) -> str:
    """Renders what is known of a client, as `/whoami` shows it."""
    return "\n".join(_rows(facts.client_rows(client), "")) + "\n"


def explanation_text(explanation: Explanation, paint: Paint = plain) -> str:
    """Renders an explanation. The text ends with a line feed."""
    lines = [paint(f"{facts.title(explanation.question)} for {explanation.client.address}", "heading"), ""]
    lines += [paint("CLIENT", "heading"), *_rows(facts.client_rows(explanation.client)), ""]
    lines += [paint("QUESTION", "heading"), *_rows(facts.question_rows(explanation.question)), ""]
    lines += [paint("ANSWER", "heading"), *_wrapped(facts.answer_line(explanation), "  ")]
    for note in explanation.notes:
        lines += [paint(line, "bad") for line in _wrapped(note, "  ")]
    lines.append("")
    if explanation.served:
        lines += _served(explanation, paint)
    if explanation.excluded:
        lines += _excluded(explanation, paint)
    if explanation.mirror:
        heading = paint(f"MIRROR {explanation.mirror.mirror}", "heading")
        lines += [heading, *_rows(facts.mirror_rows(explanation.mirror)), ""]
    lines += [paint("DATA", "heading"), *_rows(facts.generation_rows(explanation))]
    return "\n".join(lines) + "\n"


def _rows(rows: Iterable[Row], indent: str = "  ") -> list[str]:
    lines: list[str] = []
    for label, text in rows:
        lines += _wrapped(text, f"{indent}{label:<{LABEL}} ", len(indent) + LABEL + 1)
    return lines


def _wrapped(text: str, start: str, indent: int | None = None) -> list[str]:
    """Returns a text as lines of at most 80 columns; only a long name or URL, which is never broken, may be
    longer. The first line begins with `start`. The others are indented by `indent` columns, by default as
    many as `start` has."""
    if len(start) + len(text) <= WIDTH and text == text.strip() and text.isprintable() and text:
        return [start + text]  # what most are, in a tenth of the time
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (len(start) if indent is None else indent),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _served(explanation: Explanation, paint: Paint) -> list[str]:
    lines = [paint("SERVED", "heading") + ", best first; rank in km, the lowest first within a pass"]
    for entry in explanation.served:
        lines += _served_mirror(entry, paint)
    return [*lines, ""]


def _served_mirror(entry: ServedEntry, paint: Paint) -> list[str]:
    number, name = f"{entry.position:>4}", entry.mirror or f"(the {entry.pass_})"
    where = ", ".join(filter(None, (entry.city, entry.country)))
    lines = [f"{number} {paint(name, 'good')}" + (f"  {where}" if where else ""), f"     {entry.url}"]
    if entry.mirror is None:
        return lines
    age = f", {hours(entry.age_s)} behind the origin" if entry.age_s is not None else ""
    lines.append(f"     pass {entry.pass_}; content {entry.content}{age}")
    lines += [paint(line, "dim") for line in _wrapped(facts.rank(entry), "     ")]
    return lines


def _excluded(explanation: Explanation, paint: Paint) -> list[str]:
    detailed = explanation.mirror is not None
    lines = [paint("EXCLUDED", "heading") + f", nearest first, in km from {facts.ranked_from(explanation)}"]
    for entry in explanation.excluded:
        lines += _excluded_mirror(entry, paint)
        if detailed:
            lines += [paint(line, "dim") for line in _wrapped(facts.rank(entry), " " * (KM + 1))]
    return [*lines, ""]


def _excluded_mirror(entry: ExcludedEntry, paint: Paint) -> list[str]:
    """Renders an excluded mirror in two columns. A long name has a line to itself."""
    column = KM + 1 + NAME + 1
    start = f"{entry.distance_km or 0:>{KM},.0f} {entry.mirror:<{NAME}} "
    alone = [] if len(start) <= column else [start.rstrip()]
    reason = f"{entry.reason.value}: {entry.evidence}"
    first, *others = _wrapped(reason, " " * column if alone else start, column)
    role = "bad" if facts.is_bad(entry.reason) else "dim"
    return [*alone, first[:column] + paint(first[column:], role), *(paint(line, role) for line in others)]
