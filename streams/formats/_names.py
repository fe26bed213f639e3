"""Many names, such as the paths of images or shards, without a text of Python for each of them.

A list of texts takes 57 bytes more for each name than its letters; here it is 8.
"""

import hashlib
import os
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class PackedNames(Sequence[str]):
    """N names in one piece of memory."""

    def __init__(self, names: Iterable[str]) -> None:
        joined, at = bytearray(), array("q", [0])
        for name in names:
            joined += os.fsencode(name)
            at.append(len(joined))
        self.joined = bytes(joined)
        # (N + 1,) int64: where each begins, and the end
        self.at: np.ndarray = np.frombuffer(at, np.int64)

    def __len__(self) -> int:
        return len(self.at) - 1

    def __getitem__(self, item: Any) -> Any:
        return os.fsdecode(self.joined[self.at[item] : self.at[item + 1]])

    @property
    def digest(self) -> str:
        """Return 32 hex digits that change with the names or their order."""
        content = hashlib.sha256(self.joined)
        content.update(self.at.tobytes())
        return content.hexdigest()[:32]
