"""The store beside the run folders, in which trials leave work that others have in common.

    store/trunks/5f0c.../               what a group of trials may have in common
                                        (`stem` of the question `trunk`)
        9a41.../state.safetensors       a task as trained: weights, and what the method's parts
                                        and the optimizer remember
        9a41.../state.json              its costs and curve, who did it, and the sums of both;
                                        the receipt
    store/untouched/77ab.../state.*     what a suite says of an untouched backbone
    store/embedded/c40d.../             a tower that does not move, as trials of one way of
                                        computing have it
        e61b.../state.*                 its embeddings of some items (`embedding_cache.py`)

Training a task is a function of what a definition says of training, the task's number and the state
it begins from, on a kind of device with certain packages and code. The sha256 of all that names
what came of it (`shared_work.py`), so whoever finds the name may take that over instead of doing
the work again, and has the same to the last bit.

An entry is a folder that is made aside and moved into place: it is whole, or it is not there. What
a disk has changed since is seen by its sums, and done again. Deleting any of it is always safe.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from methods.compute import devices, distributed
from runner import code_snapshot
from runner.run_files import Assignment
from runner.run_folder import read_json, trunks_folder
from runner.worker import checkpoint
from schema.spec import canonical

# How the folder of an entry that is being written begins
ASIDE = ".aside-"
# So old, such a folder is written by nobody any more
ABANDONED_S = 86_400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An entry of the store."""

    state: checkpoint.State
    # Whether another trial left it
    shared: bool


class Shelf:
    """A folder of the store, as one trial uses it; `folder` None: nothing is shared."""

    def __init__(self, folder: Path | None, assignment: Assignment) -> None:
        self.folder, self.assignment = folder, assignment

    def key(self, **about: Any) -> str | None:
        """Return the name of some work: equal where it would come out the same to the last bit.

        `about` says what the work depends on beside code, packages and device. None: nothing is
        shared.
        """
        if self.folder is None:
            return None
        about |= {
            "code": code_snapshot.identity(code_snapshot.ROOT),
            "versions": code_snapshot.versions(),
            "threads": self.assignment.threads,
            "device": device(),
            "ranks": distributed.ranks(),
        }
        return hashlib.sha256(canonical(about).encode()).hexdigest()[:32]

    def part(self, key: str | None) -> "Shelf":
        """Return the shelf of that name within this one."""
        if self.folder is None or key is None:
            return Shelf(None, self.assignment)
        return Shelf(self.folder / key, self.assignment)

    def names(self) -> list[str]:
        """Return the names of all entries."""
        if self.folder is None or not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.glob("[0-9a-f]*"))

    def keep(self, size_bytes: int) -> None:
        """Keep of the entries of its parts those that were used last, so many bytes in all.

        A trial that was about to read one of the others does its work anew.
        """
        if self.folder is None:
            return
        entries = [(_used_at(path), path) for path in self.folder.glob("*/*")]
        for used_at, path in sorted(entries, reverse=True):
            # Another trial may remove it at the same time
            with contextlib.suppress(OSError):
                size_bytes -= sum(file.stat().st_size for file in path.iterdir())
            if path.name.startswith(ASIDE):
                superfluous = time.time() - used_at > ABANDONED_S
            else:
                superfluous = size_bytes < 0
            if superfluous:
                shutil.rmtree(path, ignore_errors=True)

    def get(self, key: str | None) -> Stored | None:
        """Return what came of some work; None where it is not there, or not as it was written.

        All processes of a trial get the same answer: one that alone cannot read it is not left
        behind.
        """
        entry = self._read(key)
        missing = distributed.total(float(entry is None))
        return None if missing else entry

    def _read(self, key: str | None) -> Stored | None:
        if self.folder is None or key is None:
            return None
        receipt = read_json(self.folder / key / "state.json")
        if not isinstance(receipt, dict) or receipt.get("key") != key:
            return None
        state = checkpoint.read(self.folder / key / "state", receipt)
        # Its time says when it was used last; the folder may be gone, or another user's
        with contextlib.suppress(OSError):
            os.utime(self.folder / key)
        if state is None:
            return None
        return Stored(state=state, shared=receipt.get("trial") != self.assignment.trial)

    def put(self, key: str | None, state: checkpoint.State) -> None:
        """Leave what came of some work for others.

        Only they gain by it: that it cannot be left is logged, and ends nothing.
        """
        if self.folder is None or key is None or distributed.rank():
            return
        aside = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(dir=self.folder, prefix=ASIDE))
            aside.chmod(0o755)
            about = {
                "key": key,
                "trial": self.assignment.trial,
                "attempt": self.assignment.attempt,
            }
            checkpoint.write(aside / "state", about, state, point="leaving")
            self._move_into_place(aside, key)
        except (OSError, SafetensorError) as error:
            log.warning("not left in the store for others: %s", error)
        finally:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)

    def _move_into_place(self, aside: Path, key: str) -> None:
        """Publish an entry that is written; the one of a trial that was quicker stays."""
        assert self.folder is not None
        place = self.folder / key
        if place.exists():
            if self._read(key) is not None:
                return
            # What is there is torn, and of use to nobody
            shutil.rmtree(place)
        aside.rename(place)


@dataclass(frozen=True, kw_only=True)
class Store:
    """The shelves that a trial uses."""

    # Tasks as trained
    tasks: Shelf
    # Results of untouched backbones
    untouched: Shelf
    # Embeddings of towers that do not move
    embeddings: Shelf


def open_store(assignment: Assignment, shared: bool = True) -> Store:
    """Return the store that an attempt was assigned; `shared` false: nothing is taken or left."""
    root = Path(assignment.store) if assignment.store and shared else None
    if root is None:
        nowhere = Shelf(None, assignment)
        return Store(tasks=nowhere, untouched=nowhere, embeddings=nowhere)
    tasks = trunks_folder(root) / assignment.stem if assignment.stem else None
    return Store(
        tasks=Shelf(tasks, assignment),
        untouched=Shelf(root / "untouched", assignment),
        embeddings=Shelf(root / "embedded", assignment),
    )


def _used_at(path: Path) -> float:
    """Return when an entry was last used, in seconds since the epoch; 0 if it is gone."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


@cache
def device() -> str:
    """Return the kind of device that computes: another kind may differ in the last bit."""
    gpu = devices.accelerator()
    if gpu is not None:
        return str(gpu.get_device_name())
    model = "unknown"
    description = Path("/proc/cpuinfo")
    lines = description.read_text().splitlines() if description.exists() else []
    for line in lines:
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"cpu {model} {torch.backends.cpu.get_cpu_capability()}"
