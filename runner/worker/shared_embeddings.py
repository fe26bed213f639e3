"""Embeddings that trials leave each other in the store, of one tower with one set of weights.

An item is known by what it is: the sha256 of its pixels or tokens, and its place in the batch. What
a task has computed is left as one entry, below the name of all that its numbers depend on: the
tower's weights, how rows are made of pixels, how steps are computed, code, packages and device.
What two trials compute at once is there twice, and the same.
"""

import hashlib

import torch
from torch import Tensor

from runner.worker.embedding_items import NAME_BYTES, Item
from runner.worker.shared_store import Shelf


class SharedEmbeddings:
    """The entries of one tower in the store; of a shelf without a folder, nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        # (D,) each, by the item's name, of the entries read or written so far
        self.rows: dict[bytes, Tensor] = {}
        # Those that are to be left at the end of the task
        self.new: dict[bytes, Tensor] = {}
        self.entries: set[str] = set()

    def take_over(self, room_bytes: int) -> int:
        """Read what trials have left since this was last done, until so many bytes are full.

        Returns how many bytes were read: the last entry may go beyond the room.
        """
        read_bytes = 0
        for name in self.shelf.names():
            if name in self.entries or read_bytes >= room_bytes:
                continue
            entry = self.shelf.get(name)
            if entry is None:
                continue
            names = entry.state["items"].numpy().tobytes()
            for number, row in enumerate(entry.state["rows"]):
                start = number * NAME_BYTES
                self.rows.setdefault(names[start : start + NAME_BYTES], row)
            read_bytes += entry.state["rows"].nbytes
            self.entries.add(name)
        return read_bytes

    def add(self, item: Item, row: Tensor) -> None:
        """Put a row aside that is to be left for others."""
        if self.shelf.folder is not None:
            self.new[item.name] = row

    def leave(self) -> bool:
        """Leave what was put aside as one entry; returns whether there was anything."""
        if not self.new:
            return False
        names = b"".join(self.new)
        key = hashlib.sha256(names).hexdigest()[:32]
        items = torch.frombuffer(bytearray(names), dtype=torch.uint8).view(-1, NAME_BYTES)
        self.shelf.put(key, {"items": items, "rows": torch.stack(list(self.new.values()))})
        self.rows, self.new = self.rows | self.new, {}
        self.entries.add(key)
        return True
