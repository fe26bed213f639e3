"""The weights after each task, on disk: what a merging reads. Memory does not grow with the number of tasks."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import overload

from safetensors.torch import load_file

from methods import Weights
from runner.records import DamagedFileError
from runner.run_files import Receipt
from runner.run_folder import RunFolder, done_tasks


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
    """Where the weights as trained in each task, and their running merge, are, over all attempts."""

    def __init__(self, initial: Weights, run: RunFolder, relatives: list[RunFolder]) -> None:
        self.initial, self.run, self.relatives = initial, run, relatives

    @staticmethod
    def file(run: RunFolder, task: int, kind: str = "last") -> Path:
        """Where an attempt keeps the weights as trained in a task (`last`), or their merge up to it (`running`)."""
        return run.path / f"task-{task:04d}.{kind}.safetensors"

    def until(self, task: int, last: Weights) -> Loaded:
        """`[0]` the untouched backbone, `[i]` the weights as trained in task i, up to `last`, which is not read."""
        done = done_tasks(self.relatives)
        paths = [self.file(self._holder(done, earlier), earlier) for earlier in range(1, task)]
        return Loaded(
            [lambda: self.initial, *(partial(load_file, path) for path in paths), lambda: last]
        )

    def _holder(self, done: dict[int, tuple[RunFolder, Receipt]], task: int) -> RunFolder:
        """Return the attempt whose files of a finished task are as they were written.

        Raises:
            DamagedFileError: none is any more; the next attempt does the task again.
        """
        if task not in done:
            path = self.run.path / f"task-{task:04d}.json"
            raise DamagedFileError(path, "no longer vouches for its files; the task is done again")
        return done[task][0]

    def running(self, task: int) -> Weights:
        """The running merge up to a task that some attempt has finished; of none of them, the untouched backbone."""
        return (
            load_file(self.file(self._holder(done_tasks(self.relatives), task), task, "running"))
            if task
            else self.initial
        )
