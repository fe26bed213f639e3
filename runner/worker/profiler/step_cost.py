"""The costs of one step of a method, known before it is taken: FLOPs and peak memory.

The step is the real one: `Training` with the real parts, on tensors without contents (see
`fake_steps`). So there is no formula per method, and a budget buys the same steps everywhere.

FLOPs are those of torch's counter (matrix products, convolutions, attention); those of
decompositions are a phase of their own. Memory is that of all storages that live at once:
parameters, gradients, optimizer state, what the parts remember, activations; not the allocator's
waste, not the driver's own.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import methods
from methods import Task
from methods.compute.distributed import ALONE
from methods.foldings import flat
from runner.budget import Profiled
from runner.worker.profiler.fake_steps import DryRun, fake_backbone
from runner.worker.profiler.fake_tensors import Memory
from runner.worker.profiler.sampling import Books
from runner.worker.repair import repairing
from runner.worker.training import REPAIR, Training
from runner.worker.weights import Loaded
from schema.checks.parts import averages_steps
from schema.spec import Spec, canonical

# Phase -> FLOPs, peak bytes; as rows of `profile`
Rows = dict[str, tuple[float, int]]
PER_STEP, ONCE = ("train", "score"), ("objective",)
# A step of full fine-tuning, for comparison
FULL = "full"
# Known, and charged by no budget
MERGE, MERGE_SVD, SVD = "merge", "merge_svd", "svd"
# Bytes that a merge reads: of each earlier task; of what is kept of all of them together
MERGE_READ, MERGE_FORM = "merge_read", "merge_form"
PLAIN: dict[str, Any] = {
    "tuning": "full",
    "tuning_params": {},
    "objective": "contrastive",
    "objective_params": {},
    "merging": "none",
    "merging_params": {},
    "start": "last",
    "deploy": "last",
    "repair": None,
    "repair_params": {},
    "ensemble": None,
    "ensemble_params": {},
}
# What of a definition can change the profile of its steps, beside the backbone and `compute_params`
STEPPED = (
    "tuning",
    "tuning_params",
    "objective",
    "objective_params",
    "repair",
    "repair_params",
)
MERGED = ("merging", "merging_params", "start", "deploy", "ensemble", "ensemble_params")
MIXED = ("update_share", "buffer_share", "pretraining_share", "selection", "selection_params")
OPTIMIZED = ("optimizer", "optimizer_params", "clip_norm", "batch_pairs", "precision")


class Profiles:
    """Profiles computed so far: many methods differ only in what they merge after a task."""

    def __init__(self) -> None:
        # By what a profile depends on, as canonical JSON
        self.known: dict[str, Rows] = {}

    def with_full(self, spec: Spec) -> Rows:
        """Return the profile of a definition, that of its merging, and the phase `full`.

        That is a step of full fine-tuning with AdamW, in the same precision and batch.

        Raises:
            ProfileError: as `profile`.
        """
        mixture = spec.mixture | {"selection": "none", "selection_params": {}}
        recipe = spec.recipe | {"optimizer": "adamw", "optimizer_params": {}}
        plain = replace(spec, method=spec.method | PLAIN, mixture=mixture, recipe=recipe)
        own = self._of(essence(spec), lambda: profile(spec))
        full = self._of(essence(plain), lambda: profile(plain))
        words = [spec.backbone["architecture"], *(spec.method.get(key) for key in MERGED)]
        merging = self._of(canonical(words), lambda: profile_merging(spec))
        return own | merging | {FULL: full["train"]}

    def _of(self, key: str, compute: Callable[[], Rows]) -> Rows:
        if key not in self.known:
            self.known[key] = compute()
        return self.known[key]


def essence(spec: Spec) -> str:
    """Return what of a definition can change the profile of its steps, as canonical JSON."""
    row = spec.method
    method = PLAIN | {key: row[key] for key in STEPPED}
    if averages_steps(row["merging"]):
        method |= {key: row.get(key) for key in MERGED}
    mixture = [spec.mixture[key] for key in MIXED]
    recipe = [spec.recipe[key] for key in OPTIMIZED]
    compute = spec.recipe.get("compute_params") or {}
    return canonical([spec.backbone["architecture"], method, mixture, recipe, compute])


def profile_with_full(spec: Spec) -> Rows:
    """Return what `Profiles.with_full` does, with nothing computed before."""
    return Profiles().with_full(spec)


def profile(spec: Spec, sampled: bool = True) -> Rows:
    """Return FLOPs and peak memory of a step of the second task, and of what runs once per task.

    The second, because then whatever the method remembers of an earlier task is there. `sampled`:
    what an objective looks back at is computed for the first of what costs the same, and charged
    for all; see `SampledPairs`.

    Raises:
        ProfileError: a part asks for what fake tensors do not have; says which operation.
    """
    method, memory = methods.method(spec.method), Memory()
    with fake_backbone(spec) as backbone, torch.random.fork_rng():
        run = DryRun(spec=spec, backbone=backbone, method=method, memory=memory, sampled=sampled)
        return _two_tasks(run)


def _two_tasks(run: DryRun) -> Rows:
    """Learn two tasks of one and two steps, and return what the second spent.

    Where nothing moves in the second task, what the first spent. Of what runs once per task it is
    the dearer of both: a reservoir takes in by chance, and all that it is offered while it is
    empty.
    """
    initial = {}
    # The state dict itself is not kept: a tuning may put other tensors in the place of these
    for name, tensor in run.backbone.model.state_dict().items():
        initial[name] = tensor.clone()
        run.memory.hold(tensor)
    del tensor
    spent: Rows = {}
    with run.memory:
        for number in (1, 2):
            # What refers to itself (parametrized modules do) lives until a collection, which comes
            # at some time: what an earlier task left must not be in the memory of this one
            gc.collect()
            rows = _one_task(run, Task(number, number, initial, ALONE))
            for name in ONCE if rows else ():
                rows[name] = max(rows[name], spent.get(name, rows[name]))
            spent = rows or spent
    return spent


def _one_task(run: DryRun, task: Task) -> Rows:
    """Learn a task, and the repair of a second one; return what it spent, or nothing.

    Nothing where no parameter moves in it. All that belongs to the task is freed on return.
    """
    run.memory.forget_decompositions()
    training = run.learn(task)
    if task.number == 2 and run.spec.method["repair"]:
        training.costs.ledger.add(_repaired(run, task))
    run.method.merging.end()
    if not training.parameters:
        return {}
    rows = _rows(training)
    if run.memory.svd_flops:
        rows[SVD] = run.memory.svd_flops, run.memory.svd_peak
    return rows


def _rows(training: Training) -> Rows:
    """Return what a task spent: of its steps one, of other phases all."""
    rows = {}
    for name, entry in training.costs.ledger.entries.items():
        flops = training.costs.step_flops.get(name, entry.flops)
        rows[name] = flops, entry.peak_bytes or 0
    return rows


def _repaired(run: DryRun, task: Task) -> Books:
    """Return what one step of the repair spends.

    It is in the table `profile`, and no budget charges for it: a repair takes its steps from
    training's.
    """
    row = run.spec.method
    repair: methods.Repair = methods.part("repair", row["repair"], row["repair_params"])
    spec, method = repairing(run.spec, repair)
    training = replace(run, spec=spec, method=method).learn(replace(task, steps=1), REPAIR)
    books = Books(run.memory)
    books.put(REPAIR, training.costs.ledger.entries[REPAIR])
    return books


class Reread(Mapping[str, Tensor]):
    """Weights as a file gives them: a tensor in new memory whenever it is asked for."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights
        # What was asked for so far
        self.read_bytes = 0

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.weights[name].clone()
        self.read_bytes += tensor.nbytes
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def profile_merging(spec: Spec) -> Rows:
    """Return what combining tasks spends after the second one, in host memory, and what it reads.

    It holds the untouched backbone and the newest weights, the running merge or form, or the
    history as it is read from disk, and what the technique makes of them. Empty where no tasks are
    combined.

    Raises:
        ProfileError: as `profile`.
    """
    row, books = spec.method, Books(Memory())
    merging = methods.method(row).merging
    if not merging.asked or averages_steps(row["merging"]):
        return {}
    with fake_backbone(spec) as backbone:
        initial = dict(backbone.model.state_dict())
        for tensor in initial.values():
            books.memory.hold(tensor)

        with books.memory:
            before = Reread(initial)
            last, running, parts, form_bytes = dict(before), None, None, 0
            if "all" in merging.asked and merging.folding is not None:
                parts = merging.take_in({}, initial, before)
                form_bytes += _bytes(flat(parts))
            books.memory.forget_decompositions()
            with books.phase(MERGE):
                if parts is not None:
                    parts = merging.take_in(parts, initial, last)
                if "running" in merging.asked:
                    running = merging.fold(initial, dict(before), last, 2)
                    form_bytes += _bytes(running)
                before.read_bytes = 0
                for over in sorted(merging.asked):
                    merging.merge(over, Loaded([initial, before, last]), running, parts)
    entry = books.entries[MERGE]
    rows = {MERGE: (entry.flops, entry.peak_bytes or 0)}
    for phase, size in ((MERGE_READ, before.read_bytes), (MERGE_FORM, form_bytes)):
        if size:
            rows[phase] = 0.0, size
    if books.memory.svd_flops:
        rows[MERGE_SVD] = books.memory.svd_flops, books.memory.svd_peak
    return rows


def _bytes(weights: Mapping[str, Tensor]) -> int:
    """Return the bytes of weights in a file."""
    return sum(tensor.nbytes for tensor in weights.values())


def profiled(rows: Rows) -> Profiled:
    """Return what a budget charges, from the rows of `profile_with_full`.

    The peak is the highest of the method's phases.
    """
    peak = max(rows[phase][1] for phase in (*PER_STEP, *ONCE) if phase in rows)
    step = sum(rows[phase][0] for phase in PER_STEP if phase in rows) / 1e9
    once = sum(rows[phase][0] for phase in ONCE if phase in rows) / 1e9
    return Profiled(step, once, peak, rows[FULL][1])
