"""Shows the systems that countme counted, for people."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich.console import Console
from rich.table import Table

from app.history.countme import COLUMNS, complete_weeks
from app.history.database import HistoryDatabase

AGES = {1: "1st week", 2: "1st month", 3: "6 months", 4: "older"}


def show_weeks(database: HistoryDatabase) -> None:
    """Prints the systems of each complete week by name, version and age. Raises HistoryError."""
    hits, name, version, age = map(COLUMNS.index, ("hits", "os_name", "os_version", "sys_age"))
    ages: defaultdict[tuple[str, str, str], Counter[int]] = defaultdict(Counter)
    for row in complete_weeks(database):
        ages[row[0], row[name], row[version]][row[age]] += row[hits]
    table = Table("week of", "system", *AGES.values(), "all")
    for column in table.columns[2:]:
        column.justify = "right"
    for (week, os_name, os_version), numbers in sorted(ages.items()):
        counted = [f"{numbers[bucket]:,}" for bucket in AGES]
        table.add_row(week, f"{os_name} {os_version}".strip(), *counted, f"{numbers.total():,}")
    Console().print(table)
