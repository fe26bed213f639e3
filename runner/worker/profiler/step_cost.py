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

import dataclasses
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
from methods import Sum, Task, optimizers
from methods.compute.distributed import ALONE
from runner.budget import Profiled
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.costs import Ledger
from runner.worker.datasets import Desk
from runner.worker.profiler.fake_tensors import Books, LookBack, Memory, as_arrays
from runner.worker.training import REPAIR, Training, repairing
from runner.worker.weights import Loaded
from schema.checks.parts import averages_steps
from schema.spec import Spec, canonical
from streams import Batch
from streams.loading import Loader
from streams.mixtures import Mixture, shares

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


class NoData(Desk):
    """A desk with nothing on it."""

    def __init__(self) -> None:
        pass

    def batches(
        self, task: int, mixture: Mapping[str, Any], batch_pairs: int, steps: int | None = None
    ) -> Loader:
        """Those of a mixture that is never drawn from."""
        return Loader(Mixture({"pretraining_share": 0}, batch_pairs, 0, None))


class Dry(Training):
    """The steps of a task on batches of nothing."""

    def __init__(
        self,
        spec: Spec,
        backbone: Backbone,
        method: methods.Method,
        task: Task,
        memory: Memory,
        phase: str = "train",
    ) -> None:
        super().__init__(spec, backbone, method, NoData(), task, phase)
        self.ledger = Books(memory)

    def begin(self, state: dict[str, Any] | None, memory: optimizers.Memory | None = None) -> None:
        """As always, but that a loss scale, which asks whether gradients are finite, is left out."""
        super().begin(state, memory)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=False)
        if self.selector is not None:
            self.selector.choose = self.first

    def look(self) -> float:
        """There is no loss."""
        return 0.0

    def first(self, scores: Tensor) -> Tensor:
        """In place of a choice, which would need scores: (B,) int64."""
        return torch.arange(self.batch_pairs, device=scores.device)

    def draw(self) -> Batch:
        """As many pairs of each source as the mixture has in a batch."""
        pairs = self.candidates
        visual, counts = self.model.visual, shares(self.spec.mixture, pairs, self.task)
        height, width = (
            (visual.image_size, visual.image_size)
            if isinstance(visual.image_size, int)
            else visual.image_size
        )
        return Batch(
            images=torch.zeros(pairs, 3, height, width),
            texts=torch.zeros(pairs, self.model.context_length, dtype=torch.int64),
            sources=torch.from_numpy(np.repeat(np.arange(3, dtype=np.int8), counts)),
        )


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


def profile(spec: Spec, shorten: bool = True) -> Rows:
    """FLOPs and peak memory of a step of the second task, and of what runs once per task, by phase.

    The second, because then whatever the method remembers of an earlier task is there. `shorten`: see `LookBack`; an objective
    that does not keep to that is profiled in full.

    Raises:
        ProfileError: a part asks for what fake tensors do not have; says which operation.
    """
    method, memory = methods.method(spec.method), Memory()
    terms = (
        method.objective.terms.values() if isinstance(method.objective, Sum) else [method.objective]
    )
    looks = [
        LookBack(term, int(spec.recipe["batch_pairs"]))
        for term in terms
        if shorten and dataclasses.is_dataclass(term)
    ]
    with unreal(spec) as backbone, torch.random.fork_rng():
        spent = _two_tasks(spec, backbone, method, memory)
    if not all(look.right for look in looks):
        return profile(spec, shorten=False)
    unseen = {"objective": sum(look.unseen_flops for look in looks)}
    return {name: (flops + unseen.get(name, 0.0), peak) for name, (flops, peak) in spent.items()}


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

        with books.memory, as_arrays():
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


def _two_tasks(spec: Spec, backbone: Backbone, method: methods.Method, memory: Memory) -> Rows:
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
            dry = Dry(spec, backbone, method, Task(number, number, initial, ALONE), memory)
            dry.begin(None)
            for _ in dry.steps_from(0):
                pass
            dry.end()
            if number == 2 and spec.method["repair"]:
                dry.ledger.add(_repaired(spec, backbone, dry.about, memory))
            method.merging.end()
            if dry.parameters:
                entries = dry.ledger.entries.items()
                found = {
                    name: (dry.step_flops.get(name, entry.flops), entry.peak_bytes or 0)
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
    dry = Dry(changed, backbone, alone, replace(task, steps=1), memory, REPAIR)
    dry.begin(None)
    for _ in dry.steps_from(0):
        pass
    dry.end()
    dry.ledger.entries = {REPAIR: dry.ledger.entries[REPAIR]}
    return dry.ledger


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
