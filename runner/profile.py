"""What one step of a method costs, known before it is taken: FLOPs and peak memory, counted on tensors without contents.

The step is the real one: `Training` with the real parts, on fake tensors (`torch._subclasses.FakeTensorMode`), which know shapes
and storages but hold nothing. So there is no formula per method, no weights and no data, and a model that fits no machine here
can be profiled. All of it happens on a fake CPU, whatever the machine, so that a budget buys the same steps everywhere.

FLOPs are those of torch's counter (matrix products, convolutions, attention). Memory is that of all storages that live at once:
parameters, gradients, optimizer state, what the parts remember, activations; not the allocator's waste, not the driver's own.

A part that asks for a number that a fake tensor does not have gets 1, and True where it asks whether tensors are equal; which
pairs a selection chooses is not asked at all. What `Batch.sources` holds is real, and so is what is computed from it alone.
"""

import contextlib
import dataclasses
import warnings
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import methods
from methods import Objective, Sum, Task, optimizers, parallel
from runner import backbone as backbones
from runner.backbone import Backbone
from runner.budget import Profiled
from runner.desk import Desk
from runner.ledger import Entry, Ledger, counted
from runner.training import REPAIR, Training, repairing
from schema.parts import averages_steps
from schema.spec import Spec, canonical
from streams import Batch
from streams.loading import Loader
from streams.mixtures import Mixture, shares

Rows = dict[str, tuple[float, int]]  # phase -> FLOPs, peak bytes; as rows of `profile`
PER_STEP, ONCE, FULL = ("train", "score"), ("objective",), "full"  # FULL: a step of full fine-tuning, for comparison
PLAIN: dict[str, Any] = {
    "tuning": "full", "tuning_params": {}, "objective": "contrastive", "objective_params": {}, "merging": "none",
    "merging_params": {}, "start": "last", "deploy": "last", "repair": None, "repair_params": {},
}  # fmt: skip
MERGED = ("merging", "merging_params", "start", "deploy")
LOOKED_BACK = 2  # batches that an objective is given at the end of a task; the others cost what the second does
ATEN = torch.ops.aten


class ProfileError(RuntimeError):
    """A part needs values, and fake tensors have none."""


class Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that live; answers what fake tensors cannot."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.held: dict[int, Any] = {}

    def hold(self, tensor: Tensor) -> None:
        """Count a storage until it is freed."""
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key not in self.held:
            self.held[key] = weakref.ref(storage, partial(self._free, key, size))
            self.now += size
            self.peak = max(self.peak, self.now)

    def _free(self, key: int, size: int, _: object) -> None:
        del self.held[key]
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        fakes = [isinstance(tensor, FakeTensor) for tensor in inputs]
        if inputs and not any(fakes):
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        if func is ATEN._local_scalar_dense.default:
            kind = inputs[0].dtype
            return True if kind is torch.bool else 1.0 if kind.is_floating_point else 1
        if func is ATEN.equal.default:
            return True
        if func in (ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default):
            args = (args[0], [_places(index) for index in args[1]], *args[2:])
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.hold(tensor)
        return made


def _places(index: Tensor | None) -> Tensor | None:
    """Where a real mask is true: a fake one would not say how often it is."""
    if isinstance(index, Tensor) and not isinstance(index, FakeTensor) and index.dtype is torch.bool:
        with unset_fake_temporarily():
            return index.nonzero().squeeze(1)
    return index


class Books(Ledger):
    """Peak memory from the mode above in place of the GPU's."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[Entry]:
        """As a trial's, but for where the memory is read."""
        self.memory.peak = self.memory.now
        with super().timed(name) as entry:
            before = entry.peak_bytes or 0
            yield entry
        entry.peak_bytes = max(before, self.memory.peak)


class NoData(Desk):
    """A desk with nothing on it."""

    def __init__(self) -> None:
        pass

    def batches(self, task: int, mixture: Mapping[str, Any], batch_pairs: int) -> Loader:
        """Those of a mixture that is never drawn from."""
        return Loader(Mixture({"pretraining_share": 0}, batch_pairs, 0, None))


class Dry(Training):
    """The steps of a task on batches of nothing."""

    def __init__(
        self, spec: Spec, backbone: Backbone, method: methods.Method, task: Task, memory: Memory, phase: str = "train"
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
        height, width = (visual.image_size, visual.image_size) if isinstance(visual.image_size, int) else visual.image_size
        return Batch(
            images=torch.zeros(pairs, 3, height, width),
            texts=torch.zeros(pairs, self.model.context_length, dtype=torch.int64),
            sources=torch.from_numpy(np.repeat(np.arange(3, dtype=np.int8), counts)),
        )


@dataclass
class LookBack:
    """An objective's `end`, given two batches in place of the many that it asks for, and charged for all of them.

    What it asks for is a field of pairs (`..._pairs`), and each batch after the first costs the same.
    """

    term: Objective
    batch_pairs: int
    unseen_flops: float = 0.0
    right: bool = True  # whether it took as many as it was meant to

    def __post_init__(self) -> None:
        self.end, self.wanted = self.term.end, 0
        most = LOOKED_BACK * self.batch_pairs
        for name in (field.name for field in dataclasses.fields(self.term) if field.name.endswith("_pairs")):  # type: ignore[arg-type]
            if getattr(self.term, name) > most:
                self.wanted = -(-getattr(self.term, name) // self.batch_pairs)
                setattr(self.term, name, most)
        if self.wanted:
            self.term.end = self.looked_back  # type: ignore[method-assign]

    def looked_back(self, model: nn.Module, batches: Iterator[Batch]) -> None:
        """In place of `end`."""
        marks: list[float] = []
        with counted() as counter:

            def marked() -> Iterator[Batch]:
                for batch in batches:
                    marks.append(counter.get_total_flops())
                    yield batch

            self.end(model, marked())
            marks.append(counter.get_total_flops())
        self.right = len(marks) == LOOKED_BACK + 1 and marks[2] - marks[1] == marks[1] - marks[0]
        if self.right:
            self.unseen_flops = (self.wanted - LOOKED_BACK) * (marks[1] - marks[0])


_known: dict[str, Rows] = {}  # by what a profile depends on: many methods differ only in what they merge after a task


def essence(spec: Spec) -> str:
    """What of a definition can change its profile."""
    row, mixture, recipe = spec.method, spec.mixture, spec.recipe
    kept = PLAIN if not averages_steps(row["merging"]) else PLAIN | {key: row[key] for key in MERGED}
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
    terms = method.objective.terms.values() if isinstance(method.objective, Sum) else [method.objective]
    looks = [LookBack(term, int(spec.recipe["batch_pairs"])) for term in terms if shorten and dataclasses.is_dataclass(term)]
    with torch.device("meta"):
        backbone = backbones.build(spec.backbone["architecture"], 0, "meta")
    try:
        with parallel.alone(), warnings.catch_warnings(), torch.random.fork_rng(), FakeTensorMode(allow_non_fake_inputs=True):
            warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # copies of models do, to no harm
            backbone.model.to_empty(device="cpu")
            books = _two_tasks(spec, backbone, method, memory)
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise ProfileError(
            f"method {spec.method['name']!r} cannot be profiled without values: it asks {error}. Write it without that, or use "
            "a budget in steps or pairs."
        ) from error
    if not all(look.right for look in looks):
        return profile(spec, shorten=False)
    unseen = {"objective": sum(look.unseen_flops for look in looks)}
    return {name: (flops + unseen.get(name, 0.0), peak) for name, (flops, peak) in books.items()}


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
            dry = Dry(spec, backbone, method, Task(number, number, initial), memory)
            dry.begin(None)
            for _ in dry.steps_from(0):
                pass
            dry.end()
            if number == 2 and spec.method["repair"]:
                dry.ledger.add(_repaired(spec, backbone, dry.about, memory))
            method.merging.end()
            if dry.parameters:
                entries = dry.ledger.entries.items()
                found = {name: (dry.step_flops.get(name, entry.flops), entry.peak_bytes or 0) for name, entry in entries}
                spent = found | {name: max(found[name], spent.get(name, found[name])) for name in ONCE}
    return spent


def _repaired(spec: Spec, backbone: Backbone, task: Task, memory: Memory) -> Ledger:
    """What one step of the repair spends, which the table has and no budget charges for: it takes its steps from training's."""
    repair: methods.Repair = methods.part("repair", spec.method["repair"], spec.method["repair_params"])
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
    return _known[essence(spec)] | {FULL: _known[essence(plain)]["train"]}


def profiled(rows: Rows) -> Profiled:
    """What a budget charges, from the rows of `profile_with_full`: the peak is the highest of the method's phases."""
    peak = max(rows[phase][1] for phase in (*PER_STEP, *ONCE) if phase in rows)
    step, once = (sum(rows[phase][0] for phase in phases if phase in rows) / 1e9 for phases in (PER_STEP, ONCE))
    return Profiled(step, once, peak, rows[FULL][1])
