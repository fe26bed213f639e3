"""Computes the cost of one step of a method in advance: FLOPs and peak memory.

It runs the real step, `Training` with the real parts, on tensors without contents (see
`fake_steps`). So no formula per method is needed, and a budget gives the same number of steps
everywhere.

FLOPs are those of torch's counter (matrix products, convolutions, attention); those of
decompositions are a separate phase. Memory is that of all storages alive at once: parameters,
gradients, optimizer state, state of the parts, activations. It excludes the allocator's overhead
and the driver's memory.
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

# FLOPs and peak bytes of each phase, as in rows of `profile`
Rows = dict[str, tuple[float, int]]
PER_STEP, ONCE = ("train", "score"), ("objective", "mix")
# The phase of a step of full fine-tuning, for comparison
FULL = "full"
# Phases that are recorded but not charged to a budget
MERGE, MERGE_SVD, SVD = "merge", "merge_svd", "svd"
# Bytes that a merge reads: per earlier task; of the running form of all of them
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
# The keys of a definition that affect its profile, beside the backbone and `compute_params`
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
# Those of a mixture that older definitions lack
MIXING = ("mixing", "mixing_params")
OPTIMIZED = ("optimizer", "optimizer_params", "clip_norm", "batch_pairs", "precision")


class Profiles:
    """A cache of profiles, as many methods differ only in their merging."""

    def __init__(self) -> None:
        # Keyed by all that a profile depends on, as canonical JSON
        self.known: dict[str, Rows] = {}

    def with_full(self, spec: Spec) -> Rows:
        """Return the profile of a definition and of its merging, and the phase `full`.

        The phase `full` is a step of full fine-tuning with AdamW, with the same precision and
        batch.

        Raises:
            ProfileError: as `profile`.
        """
        mixture = spec.mixture | {"selection": "none", "selection_params": {}}
        mixture |= dict.fromkeys(MIXING)
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
    """Return all of a definition that affects its profile, as canonical JSON."""
    row = spec.method
    method = PLAIN | {key: row[key] for key in STEPPED}
    if averages_steps(row["merging"]):
        method |= {key: row.get(key) for key in MERGED}
    mixture = [spec.mixture[key] for key in MIXED] + [spec.mixture.get(key) for key in MIXING]
    recipe = [spec.recipe[key] for key in OPTIMIZED]
    compute = spec.recipe.get("compute_params") or {}
    return canonical([spec.backbone["architecture"], method, mixture, recipe, compute])


def profile_with_full(spec: Spec) -> Rows:
    """Return the result of `Profiles.with_full` with an empty cache."""
    return Profiles().with_full(spec)


def profile(spec: Spec, sampled: bool = True) -> Rows:
    """Return FLOPs and peak memory of a step of the second task, and of the work once per task.

    It is the second task, as then the method has its state of an earlier task. With `sampled`, an
    objective's look-back is computed in part and charged in full; see `SampledPairs`.

    Raises:
        ProfileError: a part needs values of fake tensors; names the operation.
    """
    method, memory = methods.method(spec.method), Memory()
    with fake_backbone(spec) as backbone, torch.random.fork_rng():
        run = DryRun(spec=spec, backbone=backbone, method=method, memory=memory, sampled=sampled)
        return _two_tasks(run)


def _two_tasks(run: DryRun) -> Rows:
    """Train two tasks, of one and two steps, and return the cost of the second.

    Where nothing is trained in the second task, it is the cost of the first. For work once per task
    it is the larger of both: a reservoir keeps all pairs while it is empty, and later a random
    part.
    """
    initial = {}
    # Copied, as a tuning may replace the tensors in the state dict
    for name, tensor in run.backbone.model.state_dict().items():
        initial[name] = tensor.clone()
        run.memory.hold(tensor)
    del tensor
    spent: Rows = {}
    with run.memory:
        for number in (1, 2):
            # Objects in reference cycles (parametrized modules) live until a garbage collection, so
            # memory of an earlier task could be counted in this one
            gc.collect()
            rows = _one_task(run, Task(number, number, initial, ALONE))
            for name in ONCE:
                if name in rows:
                    rows[name] = max(rows[name], spent.get(name, rows[name]))
            spent = rows or spent
    return spent


def _one_task(run: DryRun, task: Task) -> Rows:
    """Train a task, and the repair of a second one; return its cost.

    The result is empty where no parameter is trained. All memory of the task is freed on return.
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
    """Return the cost of a task: that of one of its steps, and of all its other phases."""
    rows = {}
    for name, entry in training.costs.ledger.entries.items():
        flops = training.costs.step_flops.get(name, entry.flops)
        rows[name] = flops, entry.peak_bytes or 0
    return rows


def _repaired(run: DryRun, task: Task) -> Books:
    """Return the cost of one step of the repair.

    It is stored in the table `profile` but not charged to a budget, as a repair takes its steps
    from those of training.
    """
    row = run.spec.method
    repair: methods.Repair = methods.part("repair", row["repair"], row["repair_params"])
    spec, method = repairing(run.spec, repair)
    training = replace(run, spec=spec, method=method).learn(replace(task, steps=1), REPAIR)
    books = Books(run.memory)
    books.put(REPAIR, training.costs.ledger.entries[REPAIR])
    return books


class Reread(Mapping[str, Tensor]):
    """Weights that behave like a file: each access returns a tensor in new memory."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights
        # Names of the tensors read so far
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
    """Return the cost of merging after the second task, in host memory, and the bytes it reads.

    Memory covers the untouched backbone, the newest weights, the running merge or form or the
    history read from disk, and the technique's own tensors. It is empty where no tasks are
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
    """Return the size of weights in a file, in bytes."""
    return sum(tensor.nbytes for tensor in weights.values())


def profiled(rows: Rows) -> Profiled:
    """Return the costs that a budget charges, from the rows of `profile_with_full`.

    The peak memory is the highest of the method's phases.
    """
    peak = max(rows[phase][1] for phase in (*PER_STEP, *ONCE) if phase in rows)
    step = sum(rows[phase][0] for phase in PER_STEP if phase in rows) / 1e9
    once = sum(rows[phase][0] for phase in ONCE if phase in rows) / 1e9
    return Profiled(step, once, peak, rows[FULL][1])
