"""Writes the parts of MMDB files: the nodes of a search tree, the records, the metadata.

Only the encoder of values is taken from the library mmdb_writer. The format is in
https://maxmind.github.io/MaxMind-DB/ .
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdb_writer import METADATA_MAGIC, Encoder
from numpy.typing import NDArray

from app.geo.mmdb import DATA_SEPARATOR

_SEPARATOR = b"\0" * DATA_SEPARATOR


class MmdbEncoding:
    """The encoding of a database with so many nodes and these records. `metadata` has what does not follow
    from the tree: database_type, description, build_epoch. The numbers of nodes have `smallest_record` bits,
    or more if the tree needs it."""

    def __init__(
        self,
        node_count: int,
        records: Sequence[str | dict[str, str]],
        metadata: Mapping[str, object],
        smallest_record: int = 24,
    ) -> None:
        encoder = Encoder(cache=False)
        pieces = [encoder.encode(record) for record in records]
        starts = np.cumsum([node_count + len(_SEPARATOR), *map(len, pieces)])
        self.record_size = next(s for s in (24, 28, 32) if s >= smallest_record and starts[-1] < 1 << s)
        facts = {
            "binary_format_major_version": 2,
            "binary_format_minor_version": 0,
            "ip_version": 6,
            "languages": [],
            "node_count": node_count,
            "record_size": self.record_size,
            **metadata,
        }
        #: The numbers by which nodes refer to records: of no record at all, and then of each record.
        self.references = np.concatenate([[node_count], starts[:-1]]).astype(np.uint32)
        #: All that follows the tree in the file.
        self.tail = b"".join([_SEPARATOR, *pieces, METADATA_MAGIC, encoder.encode_meta(facts)])

    def nodes(self, numbers: NDArray[Any]) -> bytes:
        """Returns nodes as they are in the file. `numbers` has a row of two numbers for each of them. With 28
        bits, a node has seven bytes, and the middle one holds the highest four bits of both numbers."""
        both = np.ascontiguousarray(numbers, dtype=">u4").view(np.uint8).reshape(-1, 8)
        if self.record_size == 32:
            return both.tobytes()
        if self.record_size == 24:
            return both[:, [1, 2, 3, 5, 6, 7]].tobytes()
        packed = both[:, [1, 2, 3, 0, 5, 6, 7]]
        packed[:, 3] = both[:, 0] << 4 | both[:, 4]
        return packed.tobytes()
