"""The weights after each task, on disk: what a merging reads.

Memory does not grow with the number of tasks, because a history is read item by item.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import overload

from safetensors.torch import load_file

from methods import Weights
from runner.records import DamagedFileError
from runner.run_files import Receipt
from runner.run_folder import RunFolder, done_tasks
from runner.worker import checkpoint

# Weights as trained in a task; the running merge up to it; the weights that were deployed after it
LAST, RUNNING, DEPLOYED = "last", "running", "deployed"
# What a merging combines -> the kind of weights that is kept of each task for it
KEPT_FOR = {"all": LAST, "running": RUNNING}


class Loaded(Sequence[Weights]):
    """Weights that are read each time they are asked for, and not kept in memory."""

    def __init__(self, loads: Sequence[Callable[[], Weights]]) -> None:
        self.loads = loads

    def __len__(self) -> int:
        return len(self.loads)

    @overload
    def __getitem__(self, index: int) -> Weights: ...
    @overload
    def __getitem__(self, index: slice) -> "Loaded": ...
    def __getitem__(self, index: int | slice) -> "Weights | Loaded":
        if isinstance(index, slice):
            return Loaded(self.loads[index])
        return self.loads[index]()


class History:
    """The weights of each finished task, over all attempts of a trial; `run` is the newest one."""

    def __init__(self, initial: Weights, run: RunFolder, relatives: list[RunFolder]) -> None:
        self.initial, self.run, self.relatives = initial, run, relatives

    def save(
        self, task: int, kind: str, weights: Weights, metadata: dict[str, str] | None = None
    ) -> Path:
        """Keep weights of a task in this attempt's folder, whole or not at all.

        metadata: texts that are written beside the tensors.
        """
        path = weights_file(self.run, task, kind)
        checkpoint.save_weights(path, weights, metadata)
        return path

    def until(self, task: int, last: Weights) -> Loaded:
        """Return the history that a merging after `task` combines.

        `[0]` is the untouched backbone, `[i]` the weights as trained in task i, up to `last`, which
        is in memory.

        Raises:
            DamagedFileError: weights of an earlier task are no longer as they were written.
        """
        finished = done_tasks(self.relatives)
        loads: list[Callable[[], Weights]] = [lambda: self.initial]
        for earlier in range(1, task):
            folder = self._holder(finished, earlier)
            loads.append(partial(load_file, weights_file(folder, earlier, LAST)))
        loads.append(lambda: last)
        return Loaded(loads)

    def _holder(self, finished: dict[int, tuple[RunFolder, Receipt]], task: int) -> RunFolder:
        """Return the attempt whose files of a finished task are as they were written.

        Raises:
            DamagedFileError: none is any more; the next attempt does the task again.
        """
        if task not in finished:
            path = self.run.path / f"task-{task:04d}.json"
            raise DamagedFileError(path, "no longer vouches for its files; the task is done again")
        return finished[task][0]

    def running(self, task: int) -> Weights:
        """Return the running merge up to a finished task; of task 0, the untouched backbone.

        Raises:
            DamagedFileError: it is no longer as it was written.
        """
        if task == 0:
            return self.initial
        folder = self._holder(done_tasks(self.relatives), task)
        return load_file(weights_file(folder, task, RUNNING))


def weights_file(run: RunFolder, task: int, kind: str) -> Path:
    """Return where an attempt keeps the weights of a task of the kind LAST, RUNNING or DEPLOYED."""
    return run.path / f"task-{task:04d}.{kind}.safetensors"


def drop_before(run: RunFolder, task: int, keep: str = "last") -> None:
    """Remove weights of earlier tasks that nothing asks for once `task` has its receipt.

    Only what was deployed last and the newest running merge are ever asked for again by a trial.
    keep: of which earlier tasks people want what was deployed: `last` (none), `all` or `every:N`.
    """
    for kind in (DEPLOYED, RUNNING):
        for path in run.path.glob(f"task-[0-9]*.{kind}.safetensors"):
            earlier = int(path.name[5:9])
            kept = kind == DEPLOYED and _is_kept(keep, earlier)
            if earlier < task and not kept:
                path.unlink()


def _is_kept(keep: str, task: int) -> bool:
    """Return whether what an earlier task deployed stays: `keep` is `last`, `all` or `every:N`."""
    word, _, number = keep.partition(":")
    return word == "all" or (word == "every" and task % int(number) == 0)
