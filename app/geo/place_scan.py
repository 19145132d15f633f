"""Scans a city database for its places in a child process beside the worker.

A scan takes seconds of one core, in which the worker must go on publishing. So a child process
(`python -m app.geo.place_scan CACHE_FOLDER COPIES_FOLDER DATABASE…`) scans, writes its progress as lines of
text, and leaves the table in the cache folder and the places database among the copies.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from app.files import own_module
from app.geo import places
from app.geo.copies import VerifiedCopies
from app.geo.places import PlaceTable
from app.model import GeoError, MirrorwiseError

_FAULT = "fault: "
_M_MMAP_THRESHOLD = -3  # of glibc's mallopt


class PlaceScan:
    """A place scan that is running; `start_scan` starts it. Call `result` or `cancel` in the end."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        paths: Sequence[Path],
        cache_folder: Path,
        copies: VerifiedCopies,
    ) -> None:
        self._process = process
        self._output = cast("IO[bytes]", process.stdout)  # start_scan made it a pipe
        os.set_blocking(self._output.fileno(), False)
        self._paths = paths
        self._cache_folder = cache_folder
        self._copies = copies
        self._text = ""

    def done(self) -> bool:
        return self._process.poll() is not None

    def progress(self) -> float:
        """Returns the share of the scan that is done, 0 to 1."""
        shares = [line for line in self._lines() if line[0].isdigit()]
        return float(shares[-1]) if shares else 0.0

    def result(self) -> PlaceTable:
        """Waits for the end of the scan and returns the table. Raises GeoError if the scan failed."""
        os.set_blocking(self._output.fileno(), True)
        faults = [line.removeprefix(_FAULT) for line in self._lines() if line.startswith(_FAULT)]
        status = self._process.wait()
        self._output.close()
        table = places.load(self._paths, self._cache_folder, self._copies)
        if status < 0:
            raise GeoError(f"the place scan was killed by signal {-status}: is a database damaged?")
        if status != 0 or table is None:
            raise GeoError(faults[-1] if faults else f"the place scan ended with status {status}")
        return table

    def cancel(self) -> None:
        """Ends the scan at once. Nothing happens if it has ended already."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    def _lines(self) -> list[str]:
        """Returns the complete lines of output so far. If the pipe is blocking, it waits for the end of the
        output first."""
        while chunk := self._output.read(1 << 16):
            self._text += chunk.decode(errors="replace")
        return [line for line in self._text.split("\n")[:-1] if line]


def start_scan(paths: Sequence[Path], cache_folder: Path, copies: VerifiedCopies) -> PlaceScan:
    """Starts a scan of these copies in a child process, which ends if no process reads its progress."""
    paths, cache_folder = [path.absolute() for path in paths], cache_folder.absolute()
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module, no shell
        [*own_module("app.geo.place_scan"), cache_folder, copies.folder.absolute(), *paths],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    return PlaceScan(process, paths, cache_folder, copies)


def main(arguments: Sequence[str]) -> int:
    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    cache_folder, copies_folder, *paths = map(Path, arguments)
    try:
        copies = VerifiedCopies(copies_folder)
        places.load_or_scan(paths, cache_folder, copies, lambda share: say(f"{share:.4f}"))
    except (MirrorwiseError, OSError) as error:
        say(_FAULT + " ".join(str(error).split("\n")))
        return 1
    except KeyboardInterrupt:
        return 130  # the worker was interrupted too, and says so
    return 0


def _return_memory() -> None:
    """Has glibc give memory back as soon as an array is freed. A scan makes arrays of many sizes, and a sixth
    of its memory would be kept in case of others."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 16)


if __name__ == "__main__":
    _return_memory()
    sys.exit(main(sys.argv[1:]))
