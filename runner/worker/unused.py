"""Files at the places of a trial's datasets that are not used, as rows of `statistic`."""

from typing import Any

from runner.worker.datasets import Datasets
from schema.checks.stream_rows import mixed_in
from streams.formats._files import Files

Row = dict[str, Any]


def unused_rows(datasets: Datasets, task: int) -> list[Row]:
    """Return how many files a task leaves out, as `not_used`, by dataset, split and reason.

    They are counted for the datasets that the task opens; task 0 opens what is measured on. It is a
    count of the place, not of what was read so far: a resumed trial writes the same.
    """
    rows = []
    split, opened = _opened(datasets, task)
    for name, dataset in sorted(opened.items()):
        pairs = datasets.open(dataset, split)
        counts = pairs.unused.counts if isinstance(pairs, Files) else {}
        for reason, count in sorted(counts.items()):
            part = f"{name}, {split}: {reason}"
            rows.append({"task": task, "name": "not_used", "part": part, "value": float(count)})
    return rows


def _opened(datasets: Datasets, task: int) -> tuple[str, dict[str, Row]]:
    """Return the split and, by name, the datasets that a task opens and none before it did."""
    spec, by_name = datasets.spec, datasets.rows
    if task == 0:
        names = {member["dataset"] for member in spec.stream["suite"]["members"]}
        return "test", {name: by_name[name] for name in names}
    opened = {name: by_name[name] for name, _ in datasets.tasks[task - 1]}
    # What a mixture draws from beside the stream is the same in every task; in the first one the
    # buffer is empty
    if task == 1:
        opened |= {row["name"]: dict(row) for row in mixed_in(spec.mixture)}
    return "train", opened
