"""The weights after each task, on disk: what a merging reads. Memory does not grow with the number of tasks."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import overload

from safetensors.torch import load_file

from methods import Weights
from runner.folder import RunFolder, done_tasks


class Loaded(Sequence[Weights]):
    """Weights that are read when asked for, and not kept."""

    def __init__(self, loads: Sequence[Callable[[], Weights]]) -> None:
        self.loads = loads

    def __len__(self) -> int:
        return len(self.loads)

    @overload
    def __getitem__(self, index: int) -> Weights: ...
    @overload
    def __getitem__(self, index: slice) -> "Loaded": ...
    def __getitem__(self, index: int | slice) -> "Weights | Loaded":
        return Loaded(self.loads[index]) if isinstance(index, slice) else self.loads[index]()


class History:
    """Where the weights as trained in each task are, over all attempts."""

    def __init__(self, initial: Weights, run: RunFolder, relatives: list[RunFolder]) -> None:
        self.initial, self.run, self.relatives = initial, run, relatives

    @staticmethod
    def file(run: RunFolder, task: int) -> Path:
        """Where an attempt keeps the weights as trained in a task."""
        return run.path / f"task-{task:04d}.last.safetensors"

    def until(self, task: int) -> Loaded:
        """`[0]` the untouched backbone, `[i]` the weights as trained in task i, up to `task` (which this attempt trained)."""
        done = done_tasks(self.relatives)
        paths = [self.file(done[earlier][0], earlier) for earlier in range(1, task)] + [self.file(self.run, task)]
        return Loaded([lambda: self.initial, *(partial(load_file, path) for path in paths)])
