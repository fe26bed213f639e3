"""What one step of a method costs, known before it is taken: FLOPs and peak memory, counted on tensors without contents.

The step is the real one: `Training` with the real parts, on fake tensors (`torch._subclasses.FakeTensorMode`), which know shapes
and storages but hold nothing. So there is no formula per method, no weights and no data, and a model that fits no machine here
can be profiled. All of it happens on a fake CPU, whatever the machine, so that a budget buys the same steps everywhere.

FLOPs are those of torch's counter (matrix products, convolutions, attention); those of decompositions are a phase of their own.
Memory is that of all storages that live at once: parameters, gradients, optimizer state, what the parts remember, activations;
not the allocator's waste, not the driver's own.

A part that asks for a number that a fake tensor does not have gets 1, and True where it asks whether tensors are equal; which
pairs a selection chooses is not asked at all. What `Batch.sources` holds is real, and so is what is computed from it alone.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

import methods
from methods import FreshPairs, Task
from methods.compute.distributed import ALONE
from runner.budget import Profiled
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.costs import Ledger
from runner.worker.profiler.fake_tensors import Memory
from runner.worker.profiler.sampling import Books, SampledPairs
from runner.worker.repair import repairing
from runner.worker.selection import candidates, selection_of
from runner.worker.training import REPAIR, Options, Training
from runner.worker.weights import Loaded
from schema.checks.parts import averages_steps
from schema.spec import Spec, canonical
from streams import Batch
from streams.mixtures import shares

Rows = dict[str, tuple[float, int]]  # phase -> FLOPs, peak bytes; as rows of `profile`
PER_STEP, ONCE, FULL = (
    ("train", "score"),
    ("objective",),
    "full",
)  # FULL: a step of full fine-tuning, for comparison
MERGE, SVD = "merge", "svd"  # known, and charged by no budget
PLAIN: dict[str, Any] = {
    "tuning": "full", "tuning_params": {}, "objective": "contrastive", "objective_params": {}, "merging": "none",
    "merging_params": {}, "start": "last", "deploy": "last", "repair": None, "repair_params": {},
}  # fmt: skip
MERGED = ("merging", "merging_params", "start", "deploy")


class ProfileError(RuntimeError):
    """A part needs values, and fake tensors have none."""


class BlankBatches:
    """A source of batches without contents, of the shapes that a task's steps are given."""

    def __init__(
        self, spec: Spec, backbone: Backbone, task: Task, books: Books, sampled: bool = True
    ) -> None:
        """`sampled`: what an objective looks back at is computed for the first of what is alike."""
        self.model, self.books, self.sampled = backbone.model, books, sampled
        self.pairs = candidates(selection_of(spec), int(spec.recipe["batch_pairs"]))
        self.counts = shares(spec.mixture, self.pairs, task.number)

    def draw(self) -> Batch:
        """Return as many pairs of each source as the mixture has in a batch."""
        size = self.model.visual.image_size
        height, width = (size, size) if isinstance(size, int) else size
        return Batch(
            images=torch.zeros(self.pairs, 3, height, width),
            texts=torch.zeros(self.pairs, self.model.context_length, dtype=torch.int64),
            sources=torch.from_numpy(np.repeat(np.arange(3, dtype=np.int8), self.counts)),
        )

    def fresh(self) -> FreshPairs:
        """Return batches for an objective that looks back."""
        return SampledPairs(self.draw, self.books) if self.sampled else FreshPairs(self.draw)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: all batches are the same."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


def dry(
    spec: Spec, backbone: Backbone, task: Task, memory: Memory, sampled: bool = True
) -> tuple[BlankBatches, Options]:
    """Return the source of batches, and the options, of a task whose tensors hold no values."""
    books = Books(memory)
    batches = BlankBatches(spec, backbone, task, books, sampled)
    return batches, Options(ledger=books, has_values=False)


_known: dict[
    str, Rows
] = {}  # by what a profile depends on: many methods differ only in what they merge after a task


def essence(spec: Spec) -> str:
    """What of a definition can change its profile."""
    row, mixture, recipe = spec.method, spec.mixture, spec.recipe
    kept = (
        PLAIN if not averages_steps(row["merging"]) else PLAIN | {key: row[key] for key in MERGED}
    )
    asked = {"tuning": row["tuning"], "tuning_params": row["tuning_params"]}
    asked |= {"objective": row["objective"], "objective_params": row["objective_params"]}
    asked |= {"repair": row["repair"], "repair_params": row["repair_params"]}
    return canonical([
        spec.backbone["architecture"], kept | asked,
        [mixture[key] for key in ("update_share", "buffer_share", "pretraining_share", "selection", "selection_params")],
        [recipe[key] for key in ("optimizer", "optimizer_params", "clip_norm", "batch_pairs", "precision")],
        recipe.get("compute_params") or {},
    ])  # fmt: skip


def profile(spec: Spec, sampled: bool = True) -> Rows:
    """FLOPs and peak memory of a step of the second task, and of what runs once per task, by phase.

    The second, because then whatever the method remembers of an earlier task is there. `sampled`: see `SampledPairs`.

    Raises:
        ProfileError: a part asks for what fake tensors do not have; says which operation.
    """
    method, memory = methods.method(spec.method), Memory()
    with unreal(spec) as backbone, torch.random.fork_rng():
        return _two_tasks(spec, backbone, method, memory, sampled)


def profile_merging(spec: Spec) -> Rows:
    """What combining tasks spends after the second one, in host memory: the untouched backbone and the newest weights, the
    running merge or the history as it is read from disk, and what the technique makes of them. No row where none are combined.

    Raises:
        ProfileError: as `profile`.
    """
    row, books = spec.method, Books(Memory())
    made = methods.merger(row["merging"], row["merging_params"], row["start"], row["deploy"])
    if not made.asked or averages_steps(row["merging"]):
        return {}
    with unreal(spec) as backbone:
        initial = dict(backbone.model.state_dict())
        for tensor in initial.values():
            books.memory.hold(tensor)

        def loaded() -> dict[str, Tensor]:
            return {name: tensor.clone() for name, tensor in initial.items()}

        with books.memory:
            last, running = loaded(), None
            with books.phase(MERGE):
                if "running" in made.asked:
                    running = made.fold(initial, loaded(), last, 2)
                for over in sorted(made.asked):
                    made.merge(over, Loaded([lambda: initial, loaded, lambda: last]), running)
    entry = books.entries[MERGE]
    return {MERGE: (entry.flops, entry.peak_bytes or 0)}


@contextmanager
def unreal(spec: Spec) -> Iterator[Backbone]:
    """A backbone of fake tensors, which are in force meanwhile.

    Raises:
        ProfileError: what is done with it asks for what they do not have; says which operation.
    """
    with torch.device("meta"):
        backbone = backbones.build(spec.backbone["architecture"], 0, "meta")
    try:
        with (
            warnings.catch_warnings(),
            FakeTensorMode(allow_non_fake_inputs=True),
        ):
            warnings.filterwarnings(
                "ignore", "Accessing the data pointer of FakeTensor"
            )  # copies of models do, to no harm
            backbone.model.to_empty(device="cpu")
            yield backbone
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise ProfileError(
            f"method {spec.method['name']!r} cannot be profiled without values: it asks {error}. Write it without that, or use "
            "a budget in steps or pairs."
        ) from error


def _two_tasks(
    spec: Spec, backbone: Backbone, method: methods.Method, memory: Memory, sampled: bool
) -> Rows:
    """Learn two tasks of one and two steps; what the second spent, or the first where nothing moves in the second.

    Of what runs once per task the dearer: a reservoir takes in by chance, and all that it is offered while it is empty.
    """
    initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    for tensor in backbone.model.state_dict().values():
        memory.hold(tensor)
    spent: Rows = {}
    with memory:
        for number in (1, 2):
            memory.svd_flops = memory.svd_peak = 0
            task = Task(number, number, initial, ALONE)
            batches, options = dry(spec, backbone, task, memory, sampled)
            training = Training(spec, backbone, method, task, batches, options)
            for _ in training.steps_from(0):
                pass
            training.fold()
            costs = training.costs
            if number == 2 and spec.method["repair"]:
                costs.ledger.add(_repaired(spec, backbone, task, memory))
            method.merging.end()
            if training.parameters:
                entries = costs.ledger.entries.items()
                found = {
                    name: (costs.step_flops.get(name, entry.flops), entry.peak_bytes or 0)
                    for name, entry in entries
                }
                spent = found | {
                    name: max(found[name], spent.get(name, found[name])) for name in ONCE
                }
                spent |= {SVD: (memory.svd_flops, memory.svd_peak)} if memory.svd_flops else {}
    return spent


def _repaired(spec: Spec, backbone: Backbone, task: Task, memory: Memory) -> Ledger:
    """What one step of the repair spends, which the table has and no budget charges for: it takes its steps from training's."""
    repair: methods.Repair = methods.part(
        "repair", spec.method["repair"], spec.method["repair_params"]
    )
    changed, alone = repairing(spec, repair)
    task = replace(task, steps=1)
    batches, options = dry(changed, backbone, task, memory)
    options = replace(options, phase=REPAIR)
    training = Training(changed, backbone, alone, task, batches, options)
    for _ in training.steps_from(0):
        pass
    training.fold()
    ledger = Ledger(task.ranks)
    ledger.put(REPAIR, training.costs.ledger.entries[REPAIR])
    return ledger


def profile_with_full(spec: Spec) -> Rows:
    """The same, and as the phase `full` a step of full fine-tuning with AdamW, in the same precision and batch."""
    mixture = spec.mixture | {"selection": "none", "selection_params": {}}
    recipe = spec.recipe | {"optimizer": "adamw", "optimizer_params": {}}
    plain = replace(spec, method=spec.method | PLAIN, mixture=mixture, recipe=recipe)
    for each in (spec, plain):
        if essence(each) not in _known:
            _known[essence(each)] = profile(each)
    merging = canonical([spec.backbone["architecture"], *(spec.method[key] for key in MERGED)])
    if merging not in _known:
        _known[merging] = profile_merging(spec)
    return _known[essence(spec)] | _known[merging] | {FULL: _known[essence(plain)]["train"]}


def profiled(rows: Rows) -> Profiled:
    """What a budget charges, from the rows of `profile_with_full`: the peak is the highest of the method's phases."""
    peak = max(rows[phase][1] for phase in (*PER_STEP, *ONCE) if phase in rows)
    step, once = (
        sum(rows[phase][0] for phase in phases if phase in rows) / 1e9
        for phases in (PER_STEP, ONCE)
    )
    return Profiled(step, once, peak, rows[FULL][1])
