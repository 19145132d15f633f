"""Counts a million lines of a log that is being written, with all the trouble that a log may have.

    python -m tests.benchmarks.counting [LINES]

The log is rotated three times and truncated once, and the collector is killed five times. The run fails if
any total is wrong. It prints how long all that took, and the most memory that a collector had.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.history.test_follow import run_through_trouble


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        took_s, memory_mb = run_through_trouble(Path(folder), count, count // 11)
    print(f"{count:,} lines: {took_s:.1f} s, {memory_mb:.0f} MB, every total exact")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
