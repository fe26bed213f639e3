"""The weights after each task, on disk: what a merging reads.

Memory does not grow with the number of tasks, because a history is read item by item.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import overload

from torch import Tensor

from methods import Method, Weights
from methods.foldings import Parts, flat, unflat
from runner.records import DamagedFileError
from runner.run_files import Receipt, is_kept
from runner.run_folder import RunFolder, done_tasks
from runner.worker import tensor_files
from runner.worker.tensor_files import OnDisk

# Weights as trained in a task; the running merge up to it; the running form of a merge over all
# tasks; the weights that were deployed after it
LAST, RUNNING, FOLDED, DEPLOYED = "last", "running", "folded", "deployed"
# Members of an ensemble: what was merged; the weights of the newest task, where LAST is not kept
MERGED, NEWEST = "merged", "newest"
# What an ensemble has learned of the tasks' images
ROUTED = "routed"
# How many files are read at once
READERS = 8


def kept_for(method: Method) -> list[str]:
    """Return the kinds of weights that are kept of a task for the mergings and ensembles of later
    ones.
    """
    merging, kinds = method.merging, []
    if "all" in merging.asked and merging.folding is not None:
        kinds.append(FOLDED)
    of_all = method.ensemble is not None and method.ensemble.members == "all"
    if of_all or ("all" in merging.asked and merging.folding is None):
        kinds.append(LAST)
    if method.ensemble is not None and method.ensemble.members == "merged":
        kinds.append(MERGED)
    if method.ensemble is not None and method.ensemble.rule.routes:
        kinds.append(ROUTED)
    if "running" in merging.asked:
        kinds.append(RUNNING)
    return kinds


class Loaded(Sequence[Weights]):
    """A history of weights, some of them on disk, of which several can be read at once."""

    def __init__(self, items: Sequence[Weights]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Weights: ...
    @overload
    def __getitem__(self, index: slice) -> "Loaded": ...
    def __getitem__(self, index: int | slice) -> "Weights | Loaded":
        if isinstance(index, slice):
            return Loaded(self.items[index])
        return self.items[index]

    def read(self, name: str) -> Iterator[Tensor]:
        """Yield a tensor of each item after the first, in order, reading READERS files at once."""
        stored = [item for item in self.items[1:] if isinstance(item, OnDisk)]
        if not stored:
            yield from (item[name] for item in self.items[1:])
            return
        with ThreadPoolExecutor(READERS) as pool:
            # A copy, as a tensor of a file in memory is not read before it is looked at
            tensors = pool.map(lambda item: item[name].clone(), stored)
            for item in self.items[1:]:
                yield next(tensors) if isinstance(item, OnDisk) else item[name]


class History:
    """The weights of each finished task, over all attempts of a trial; `run` is the newest one."""

    def __init__(
        self,
        initial: Weights,
        run: RunFolder,
        relatives: list[RunFolder],
        has_siblings: bool = False,
    ) -> None:
        """has_siblings: other trials come to the same weights after some tasks."""
        self.initial, self.run, self.relatives = initial, run, relatives
        self.has_siblings = has_siblings

    def save(
        self,
        task: int,
        kind: str,
        weights: Weights,
        metadata: dict[str, str] | None = None,
        stays: bool = False,
    ) -> Path:
        """Keep weights of a task in this attempt's folder, whole or not at all.

        Large tensors that other trials have too go to the lab's store: those that did not move
        and, where the trial has siblings, all of a file that `stays`.
        metadata: texts that are written beside the tensors.
        """
        path = weights_file(self.run, task, kind)
        tensor_files.save(path, weights, metadata, self._shared(kind, weights, stays))
        return path

    def _shared(self, kind: str, weights: Weights, stays: bool) -> set[str]:
        """Return the names of the tensors that go to the lab's store."""
        # The store is found from a file's place; a copy of a run folder has a place of its own
        if not self.run.whose or kind in (FOLDED, ROUTED):
            return set()
        # What is removed after the next task would be removed from the store late
        if self.has_siblings and stays:
            return tensor_files.large(weights)
        return tensor_files.unmoved(weights, self.initial)

    def until(self, task: int, last: Weights) -> Loaded:
        """Return the history that a merging after `task` combines.

        `[0]` is the untouched backbone, `[i]` the weights as trained in task i, up to `last`, which
        is in memory.

        Raises:
            DamagedFileError: weights of an earlier task are no longer as they were written.
        """
        finished = done_tasks(self.relatives)
        items: list[Weights] = [self.initial]
        for earlier in range(1, task):
            folder = self._holder(finished, earlier)
            items.append(OnDisk(weights_file(folder, earlier, LAST)))
        return Loaded([*items, last])

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
        return tensor_files.load(self._file(task, RUNNING))

    def deployed(self, task: int) -> Weights:
        """Return what the newest finished task deployed; of task 0, the untouched backbone.

        Raises:
            DamagedFileError: it is no longer as it was written.
        """
        return tensor_files.load(self._file(task, DEPLOYED)) if task else self.initial

    def folded(self, task: int) -> Parts:
        """Return the running form of a merge over all tasks up to a finished one; of task 0, {}.

        Raises:
            DamagedFileError: it is no longer as it was written.
        """
        return unflat(tensor_files.load(self._file(task, FOLDED))) if task else {}

    def routed(self, task: int) -> Weights:
        """Return what an ensemble has learned of the images of all tasks up to a finished one.

        Of task 0 it is nothing.

        Raises:
            DamagedFileError: it is no longer as it was written.
        """
        return tensor_files.load(self._file(task, ROUTED)) if task else {}

    def save_folded(self, task: int, parts: Parts) -> None:
        """Keep the running form of a merge over all tasks, as `save` keeps weights."""
        self.save(task, FOLDED, flat(parts))

    def _file(self, task: int, kind: str) -> Path:
        """Return the file of weights of a finished task, in the attempt that vouches for it."""
        return weights_file(self._holder(done_tasks(self.relatives), task), task, kind)


def weights_file(run: RunFolder, task: int, kind: str) -> Path:
    """Return where an attempt keeps the weights of a task, by their kind."""
    return run.path / f"task-{task:04d}.{kind}.safetensors"


def drop_before(run: RunFolder, task: int, keep: str = "last") -> None:
    """Remove weights of earlier tasks that nothing asks for once `task` has its receipt.

    Only what was deployed last, and the newest running merge and form, are ever asked for again.
    keep: of which earlier tasks people want what was deployed: `last` (none), `all` or `every:N`.
    """
    for kind in (DEPLOYED, RUNNING, FOLDED, MERGED, NEWEST, ROUTED):
        for path in run.path.glob(f"task-[0-9]*.{kind}.safetensors"):
            earlier = int(path.name[5:9])
            kept = kind == DEPLOYED and is_kept(keep, earlier)
            if earlier < task and not kept:
                path.unlink()
