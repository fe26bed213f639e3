"""The joined index of a set of shards: the positions of pairs, in memory-mapped files.

    sets/3c0a.../spans.npy      (N, 4) uint32: offset and bytes of the image, then of the text
                 labels.npy     (N,) int64; only where some pair has a class
                 shares.npy     (N,) float64 in [0, 1), of each name; only where a split asks for it
                 about.json     pairs of each shard, whether some has a class, and what is no pair

A set is indexed once per machine, by the first process that needs it, while others wait. A column
with the same value for all pairs is not stored, and names are read from the index of a shard when a
message needs one. So a process holds a few bytes per shard, and the pages of the pairs that it
reads.

Offsets in a tar are multiples of its blocks, so 32 bits reach two terabytes.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from schema.files import fsync
from streams.formats._disk import DAMAGES, Arrays, locked, saved, version_of
from streams.formats._labels import without_classes
from streams.formats._splits import share_of
from streams.formats._unused import Unused

# The version of the joined index; a new version is built beside the old one.
VERSION = 1
# Every member of a tar begins at a multiple of it.
BLOCK_BYTES = 512
# Which columns of the spans are offsets.
OFFSETS = (0, 2)
# Attributes that hold memory-mapped files.
MAPPED = ("spans", "labels")
Index = Callable[[Path], Arrays]


class ShardSet:
    """The pairs of tar shards, in the order of the shards.

    Attributes:
        unused: counts of members that belong to no pair. endings: the number of samples that have
        each ending of a member.
    """

    def __init__(self, folder: Path, stems: Sequence[str], files: Sequence[Path], index: Index):
        """Open the joined index in `folder`; `index` returns the index of one shard."""
        self.folder, self.stems, self.files, self.index = folder, stems, files, index
        about = json.loads((folder / "about.json").read_text())
        # (S + 1,) int64: the first pair of each shard, and the end
        self.first: np.ndarray = np.concatenate([[0], np.cumsum(about["counts"], dtype=np.int64)])
        self.unused = Unused()
        for reason, (count, names) in about["unused"].items():
            self.unused.join(reason, count, names)
        self.endings: dict[str, int] = about["endings"]
        self.names = Names(self)

    def __len__(self) -> int:
        return int(self.first[-1])

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which maps the files itself."""
        return {key: value for key, value in vars(self).items() if key not in MAPPED}

    @cached_property
    def spans(self) -> np.ndarray:
        """Return the positions of all pairs, (N, 4) uint32, mapped, with offsets in blocks."""
        mapped: np.ndarray = np.load(self.folder / "spans.npy", mmap_mode="r")
        return mapped

    @cached_property
    def labels(self) -> np.ndarray:
        """Return each pair's class, (N,) int64; without classes one -1 that stands for all."""
        file = self.folder / "labels.npy"
        if not file.exists():
            return without_classes(len(self))
        labels: np.ndarray = np.load(file, mmap_mode="r")
        return labels

    @property
    def shares(self) -> np.ndarray:
        """Return `share_of` each name, (N,) float64 in [0, 1), hashed once per machine."""
        file = self.folder / "shares.npy"
        if not file.exists():
            with locked(self.folder.parent / f".lock-{self.folder.name}"):
                if not file.exists():
                    saved(file, np.array([share_of(name) for name in self.names], np.float64))
        shares: np.ndarray = np.load(file, mmap_mode="r")
        return shares

    def shard_of(self, item: int) -> int:
        """Return the number of the shard of a pair."""
        return int(np.searchsorted(self.first, item, side="right")) - 1

    def place(self, item: int, text: bool = False) -> tuple[Path, int, int]:
        """Return the file, the offset and the bytes of a pair's image, or of its text."""
        first = 2 * text
        block, size = self.spans[item, first : first + 2].tolist()
        return self.files[self.shard_of(item)], block * BLOCK_BYTES, size


class Names(Sequence[str]):
    """The names of the pairs of a set, `shard/key`, each read when it is needed."""

    def __init__(self, shards: ShardSet) -> None:
        self.shards = shards

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, item: Any) -> Any:
        shard = self.shards.shard_of(item)
        keys = self.shards.index(self.shards.files[shard])["keys"]
        return f"{self.shards.stems[shard]}/{keys[item - self.shards.first[shard]]}"

    def __iter__(self) -> Iterator[str]:
        for stem, file in zip(self.shards.stems, self.shards.files, strict=True):
            for key in self.shards.index(file)["keys"]:
                yield f"{stem}/{key}"


def shard_set(
    cache: Path, stems: Sequence[str], files: Sequence[Path], index: Index, more: str
) -> ShardSet:
    """Return the set of these shards, after building its joined index if needed.

    `more` names what the index of a shard depends on beside the shard.

    Raises:
        DatasetError: a shard that is not whole.
    """
    about = hashlib.sha256(f"{VERSION} {more}".encode())
    for stem, file in zip(stems, files, strict=True):
        about.update(f"{stem} {version_of(file, '')}\n".encode(errors="surrogateescape"))
    folder = cache / "sets" / about.hexdigest()[:32]
    if not _is_whole(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Reading every header of a large set takes hours, so one process does it for all
        with locked(folder.parent / f".lock-{folder.name}"):
            if not _is_whole(folder):
                # A damaged index is rebuilt; processes that have mapped the old one keep it
                _remove(folder)
                _join(folder, stems, files, index)
    return ShardSet(folder, stems, files, index)


def _remove(path: Path) -> None:
    """Remove a folder, or a file in its place, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_whole(folder: Path) -> bool:
    """Return whether a joined index is there, with files of consistent lengths."""
    try:
        about = json.loads((folder / "about.json").read_text())
        pairs = sum(about["counts"])
        if about["labels"] != (folder / "labels.npy").exists():
            return False
        shapes = [np.load(folder / "spans.npy", mmap_mode="r").shape == (pairs, 4)]
        for name in ("labels.npy", "shares.npy"):
            if (folder / name).exists():
                shapes.append(np.load(folder / name, mmap_mode="r").shape == (pairs,))
    except DAMAGES:
        return False
    return all(shapes)


def _join(folder: Path, stems: Sequence[str], files: Sequence[Path], index: Index) -> None:
    """Index the shards one after the other, and move the joined index into place."""
    spans, labels, counts = list[np.ndarray](), list[np.ndarray](), list[int]()
    unused, endings = Unused(), dict[str, int]()
    for stem, file in zip(stems, files, strict=True):
        one = index(file)
        spans.append(_in_blocks(one["spans"]))
        # Most web-scraped shards have no classes
        none = not np.any(one["labels"] != -1)
        labels.append(np.empty(0, np.int64) if none else one["labels"])
        counts.append(len(one["labels"]))
        _count(stem, one, unused, endings)
    aside = folder.parent / f".aside-{uuid4().hex}"
    aside.mkdir()
    try:
        np.save(aside / "spans.npy", np.concatenate(spans))
        if any(len(some) for some in labels):
            for place, count in enumerate(counts):
                if not len(labels[place]):
                    labels[place] = np.full(count, -1, np.int64)
            np.save(aside / "labels.npy", np.concatenate(labels))
        named = {reason: [n, unused.names[reason]] for reason, n in unused.counts.items()}
        about: dict[str, Any] = {"counts": counts, "unused": named, "endings": endings}
        about["labels"] = (aside / "labels.npy").exists()
        (aside / "about.json").write_text(json.dumps(about))
        for written in aside.iterdir():
            fsync(written)
        aside.rename(folder)
        fsync(folder.parent)
    finally:
        # Without file locks another process may have been first
        shutil.rmtree(aside, ignore_errors=True)


def _in_blocks(spans: np.ndarray) -> np.ndarray:
    """Return (n, 4) uint32 of spans in bytes, the offsets in blocks."""
    blocks = spans.copy()
    for column in OFFSETS:
        blocks[:, column] //= BLOCK_BYTES
    return blocks.astype(np.uint32)


def _count(stem: str, index: Arrays, unused: Unused, endings: dict[str, int]) -> None:
    """Add a shard's unused members, and its members' endings, to the counts of the set."""
    for reason, count in zip(index["reasons"], index["reason_counts"], strict=True):
        first = index["reason_names"][index["reason_of"] == reason]
        unused.join(str(reason), int(count), [f"{stem}/{name}" for name in first])
    for ending, count in zip(index["endings"], index["ending_counts"], strict=True):
        endings[str(ending)] = endings.get(str(ending), 0) + int(count)
