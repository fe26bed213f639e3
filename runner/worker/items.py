"""What became of each test item: collected while a suite is measured, and written as a file.

    task-0003.items.parquet     beside the results of task 3, where the suite keeps items

A row is an item of a dataset in one way of asking: an image that is given a class, or an image or a
text that looks for its match. docs/items.md describes the columns. The file is part of the task's
receipt and of no table: questions read it where it lies. It says nothing of the attempt that wrote
it, so that an attempt that was killed and another that went on write the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from evals import Judged, TestSet
from runner.run_files import ITEMS, TableEntry
from runner.run_folder import RunFolder, sha256, whole

# The largest rank that is written: the bytes above two would be those of rare ranks
MOST_RANK = 2**16 - 1
# Rows that a reader skips or reads together
GROUP_ROWS = 122_880
# Columns of few values, which take a few bytes in all; the others are packed byte by byte
WORDS = ("dataset", "label_space", "way", "fraction", "task", "candidates")
PACKED = {
    "item": "DELTA_BINARY_PACKED",
    "label": "BYTE_STREAM_SPLIT",
    "rank": "BYTE_STREAM_SPLIT",
    "answer": "BYTE_STREAM_SPLIT",
    # DuckDB reads halves in no other encoding
    "margin": "PLAIN",
}


@dataclass(frozen=True, kw_only=True)
class ItemBlock:
    """The items of one dataset, label space, way of asking and part of the test set: N of them."""

    dataset: str
    label_space: str
    way: str
    # The share of the test set
    fraction: float
    # (N,) each: int32, but `margin`, which is float16; `label` is -1 where there is none
    columns: Mapping[str, torch.Tensor]


class ItemRecord:
    """What became of the items of a suite, in the order in which it was measured."""

    def __init__(self, blocks: Sequence[ItemBlock] = ()) -> None:
        self.blocks = list(blocks)

    @classmethod
    def of(cls, suite: Mapping[str, Any]) -> "ItemRecord | None":
        """Return an empty record where a suite keeps its items; None where it does not."""
        return cls() if suite.get("items", False) else None

    def add(self, judged: Judged, label_space: str, test: TestSet, places: np.ndarray) -> None:
        """Take what became of the items of a test set or a part of it.

        `test` is the whole test set, and `places` (n,) says which of its images were measured.
        """
        images = test.images
        queries, answers = _places(judged.way, test, places)
        answer = judged.answer if answers is None else answers[judged.answer]
        labels = judged.labels
        if labels is None:
            labels = np.full(len(queries), -1)
        block = ItemBlock(
            dataset=test.name,
            label_space=label_space,
            way=judged.way,
            fraction=len(places) / len(images),
            columns={
                "item": _int32(queries),
                "label": _int32(labels),
                "candidates": _int32(judged.candidates),
                "rank": _int32(np.minimum(judged.rank, MOST_RANK)),
                "margin": torch.from_numpy(judged.margin.astype(np.float16)),
                "answer": _int32(answer),
            },
        )
        self.blocks.append(block)

    def state(self) -> list[dict[str, Any]]:
        """Return the record as nested lists, dicts and tensors, as the store keeps them."""
        return [vars(block) | {"columns": dict(block.columns)} for block in self.blocks]

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, Any]]) -> "ItemRecord":
        """Return the record of a state that was stored."""
        return cls([ItemBlock(**block) for block in state])

    def write(self, run: RunFolder, task: int) -> TableEntry:
        """Write the file of a task, whole or not at all; return the receipt's entry for it."""
        # pyarrow starts threads, which a process that forks workers must not have
        from pyarrow import parquet

        table = self._table(task)
        path = run.path / f"task-{task:04d}.{ITEMS}.parquet"
        with whole(path) as aside:
            parquet.write_table(
                table,
                aside,
                compression="zstd",
                row_group_size=GROUP_ROWS,
                use_dictionary=list(WORDS),
                column_encoding=PACKED,
            )
        return TableEntry(file=path.name, sha256=sha256(path), rows=len(table))

    def _table(self, task: int) -> Any:
        """Return the rows of the file as a pyarrow table."""
        import pyarrow as pa

        halves, numbers = pa.float16(), pa.int32()
        words = {"dataset": pa.string(), "label_space": pa.string(), "way": pa.string()}
        types = words | {"fraction": pa.float64(), "task": numbers, "candidates": numbers}
        types |= {name: halves if name == "margin" else numbers for name in PACKED}
        parts = [pa.schema(types).empty_table()]
        for block in self.blocks:
            count, arrays = len(block.columns["item"]), {}
            for name in (*words, "fraction"):
                arrays[name] = pa.repeat(pa.scalar(getattr(block, name), types[name]), count)
            arrays["task"] = pa.repeat(pa.scalar(task, numbers), count)
            for name, column in block.columns.items():
                values = column.numpy()
                # What has no class has no label, and what is told from nothing no margin
                missing = ~np.isfinite(values) if name == "margin" else values < 0
                arrays[name] = pa.array(values, types[name], mask=missing)
            parts.append(pa.table({name: arrays[name] for name in types}))
        return pa.concat_tables(parts).combine_chunks()


def _int32(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int32))


def _places(way: str, test: TestSet, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return which items of the whole test set were asked about, and which could be answered.

    (n,) and (m,), by their place among those of a part. None: the answers are classes, which are
    the same of every part.
    """
    if way == "class":
        return places, None
    texts = places
    if way.startswith("all_") and test.every_caption is not None:
        counts = np.array([len(captions) for captions in test.every_caption])
        first = np.cumsum(counts) - counts
        ranges = [np.arange(first[place], first[place] + counts[place]) for place in places]
        texts = np.concatenate(ranges)
    if way.endswith("image_to_text"):
        return places, texts
    return texts, places
