"""Work that several trials have in common, done once: the store beside the run folders.

    store/trunks/5f0c.../                everything that a group of trials may have in common (`stem` of the question `trunk`)
        9a41.../state.safetensors       a task as trained: weights, what the method's parts and the optimizer remember
        9a41.../state.json              its costs and curve, who did it, and the sums of both; the receipt
    store/untouched/77ab.../state.*     what a suite says of an untouched backbone
    store/embedded/c40d.../             a tower that does not move, as trials of one way of computing have it
        e61b.../state.*                 what it made of some items (`runner/worker/embedding_cache.py`)

Training a task is a function of what a definition says of training, the task's number and the state it begins from, on a kind of
device with certain packages and code. The sha256 of all that names what came of it, so who finds the name may take that over
instead of doing it again, and has the same to the last bit. An entry is a folder that is made aside and moved into place: it is
whole, or it is not there; what a disk has changed since is seen by its sums, and done again. Deleting any of it is always safe.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from methods import Weights, optimizers
from methods.compute import distributed
from runner import code_snapshot
from runner.run_files import Assignment
from runner.run_folder import read_json, trunks_folder
from runner.worker import checkpoint
from runner.worker.costs import Ledger
from schema.checks.parts import averages_steps
from schema.spec import Row, Spec, canonical

ASIDE = ".aside-"  # of entries that are being written
ABANDONED_S = 86_400.0  # so old, nobody writes them any more
LEARNS_BY = (
    "tuning",
    "tuning_params",
    "objective",
    "objective_params",
    "repair",
    "repair_params",
)  # of a method
SEES_BY = ("architecture", "pretrained")  # of a backbone, whose weights are known by what they are


@dataclass
class Trained:
    """What a task's training comes to, before anything is merged or deployed."""

    last: Weights
    method: dict[str, Any]  # what its parts remember
    memory: optimizers.Memory
    ledger: Ledger
    curve: list[dict[str, Any]]
    choice: dict[str, Any]  # whether it was compiled (`runner/worker/autotune.py`)

    def state_dict(self) -> checkpoint.State:
        """For the store."""
        return vars(self) | {"last": dict(self.last), "ledger": self.ledger.state_dict()}

    @classmethod
    def of(cls, state: checkpoint.State, shared: bool) -> "Trained":
        """From the store; its costs are charged in full, and marked where another trial had them."""
        ledger = Ledger()
        ledger.load_state_dict(state["ledger"])
        ledger.mark(shared)
        return cls(**(state | {"ledger": ledger}))


class Shelf:
    """A folder of the store, as one trial uses it; `folder` None: nothing is shared."""

    def __init__(self, folder: Path | None, job: Assignment) -> None:
        self.folder, self.job = folder, job

    def key(self, **about: Any) -> str | None:
        """The name of some work: equal for work that would come out the same to the bit. None where nothing is shared."""
        if self.folder is None:
            return None
        about |= {
            "code": code_snapshot.identity(code_snapshot.ROOT),
            "versions": code_snapshot.versions(),
            "threads": self.job.threads,
        }
        about |= {"device": device(), "ranks": distributed.ranks()}
        return hashlib.sha256(canonical(about).encode()).hexdigest()[:32]

    def part(self, key: str | None) -> "Shelf":
        """The shelf of that name within this one."""
        return Shelf(
            self.folder / key if self.folder is not None and key is not None else None, self.job
        )

    def names(self) -> list[str]:
        """Of all that is there."""
        found = (
            self.folder.glob("[0-9a-f]*")
            if self.folder is not None and self.folder.is_dir()
            else ()
        )
        return sorted(path.name for path in found)

    def keep(self, size_bytes: int) -> None:
        """Of its parts' entries those that were used last, so many bytes in all. Who reads one that goes does its work anew."""
        entries = (
            [(_used_at(path), path) for path in self.folder.glob("*/*")]
            if self.folder is not None
            else []
        )
        for used_at, path in sorted(entries, reverse=True):
            aside = path.name.startswith(ASIDE)
            with contextlib.suppress(OSError):  # another removes it, too
                size_bytes -= sum(file.stat().st_size for file in path.iterdir())
            if time.time() - used_at > ABANDONED_S if aside else size_bytes < 0:
                shutil.rmtree(path, ignore_errors=True)

    def get(self, key: str | None) -> tuple[checkpoint.State, bool] | None:
        """What came of some work, and whether another trial did it; None: it is not there, or not as it was written. All
        processes of a trial get the same answer."""
        found = self._read(key)
        return None if distributed.total(float(found is None)) else found

    def _read(self, key: str | None) -> tuple[checkpoint.State, bool] | None:
        if self.folder is None or key is None:
            return None
        receipt = read_json(self.folder / key / "state.json")
        if not isinstance(receipt, dict) or receipt.get("key") != key:
            return None
        state = checkpoint.read(self.folder / key / "state", receipt)
        with contextlib.suppress(OSError):  # gone, or somebody else's
            os.utime(self.folder / key)
        return None if state is None else (state, receipt.get("trial") != self.job.trial)

    def put(self, key: str | None, state: checkpoint.State) -> None:
        """Leave what came of some work for others. It is theirs to gain: that it cannot be left is said, and ends nothing."""
        if self.folder is None or key is None or distributed.rank():
            return
        aside = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(dir=self.folder, prefix=ASIDE))
            aside.chmod(0o755)
            about = {"key": key, "trial": self.job.trial, "attempt": self.job.attempt}
            checkpoint.write(aside / "state", about, state, point="leaving")
            if (self.folder / key).exists():
                if self._read(key) is not None:
                    return  # another was quicker
                shutil.rmtree(self.folder / key)
            aside.rename(self.folder / key)
        except (OSError, SafetensorError) as error:
            print(f"not left in the store for others: {error}", file=sys.stderr, flush=True)
        finally:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)


def shelves(job: Assignment, shared: bool = True) -> tuple[Shelf, Shelf, Shelf]:
    """Where a trial's tasks, the results of its untouched backbone, and embeddings are shared, as its job says; or nothing is."""
    root = Path(job.store) if job.store and shared else None
    tasks = trunks_folder(root) / job.stem if root and job.stem else None
    untouched, embedded = (
        Shelf(root / name if root else None, job) for name in ("untouched", "embedded")
    )
    return Shelf(tasks, job), untouched, embedded


def learned_from(spec: Spec, tasks: Sequence[Sequence[tuple[str, str]]]) -> Row:
    """What a definition says of training `tasks` (the stream's first ones, as concepts), without the names that rows go by.

    What is merged, deployed and measured afterwards is not in it, and what a task begins from is known by its state.
    """
    used = {dataset for task in tasks for dataset, _ in task}
    method = {name: spec.method[name] for name in LEARNS_BY}
    if averages_steps(spec.method["merging"]):  # it takes part in every step
        method |= {
            "merging": spec.method["merging"],
            "merging_params": spec.method["merging_params"],
        }
    return {
        "backbone": {name: spec.backbone[name] for name in SEES_BY},
        "tasks": [[list(concept) for concept in task] for task in tasks],
        "datasets": [dataset for dataset in spec.stream["datasets"] if dataset["name"] in used],
        "mixture": _nameless(spec.mixture),
        "method": method,
        "recipe": _nameless(spec.recipe),
        "seed": spec.seed,
    }


def measured_on(spec: Spec, tasks: Sequence[Sequence[tuple[str, str]]]) -> Row:
    """What a definition says of measuring the untouched backbone. Only a label space of a task's classes knows of the stream."""
    members = spec.stream["suite"]["members"]
    used = {member["dataset"] for member in members}
    by_task = any(member["label_space"] == "task" for member in members)
    return {
        "backbone": {name: spec.backbone[name] for name in SEES_BY},
        "suite": _nameless(spec.stream["suite"]),
        "datasets": [dataset for dataset in spec.stream["datasets"] if dataset["name"] in used],
        "tasks": [[list(concept) for concept in task] for task in tasks] if by_task else None,
    }


def _nameless(row: Mapping[str, Any]) -> Row:
    return {key: value for key, value in row.items() if key != "name"}


def _used_at(path: Path) -> float:
    """When an entry was last read or written, in seconds."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


@cache
def device() -> str:
    """The kind of device that computes: another one may differ in the last bit."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        "unknown",
    )
    return f"cpu {model} {torch.backends.cpu.get_cpu_capability()}"
