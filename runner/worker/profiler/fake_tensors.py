"""What a profile counts with, on tensors without contents: memory, decompositions, and work that is not done again and again.

A singular value decomposition of m x n, m >= n, costs 6 m n^2 + 20 n^3 (R-SVD with both thin sets of vectors: Golub and Van Loan,
Matrix Computations, 3rd edition, figure 5.4.1). Torch's counter counts none, so it is a phase of its own, charged by no budget.
"""

import contextlib
import dataclasses
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from methods import Objective
from methods.compute.distributed import ALONE
from methods.compute.towers import Towers
from runner.worker.costs import Entry, Ledger, counted
from streams import Batch

LOOKED_BACK = 2  # batches that an objective is given at the end of a task; the others cost what the second does
ATEN = torch.ops.aten


class Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that live, and FLOPs of decompositions; answers what fake tensors cannot."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.svd_flops = self.svd_peak = 0
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
        if func is ATEN._linalg_svd.default:
            self.svd_flops += svd_flops(*inputs[0].shape)
            self.svd_peak = max(self.svd_peak, self.now)
        return made


def svd_flops(rows: int, columns: int) -> int:
    """Of one matrix, by the formula above."""
    n, m = sorted((rows, columns))
    return 6 * m * n**2 + 20 * n**3


def _places(index: Tensor | None) -> Tensor | None:
    """Where a real mask is true: a fake one would not say how often it is."""
    if (
        isinstance(index, Tensor)
        and not isinstance(index, FakeTensor)
        and index.dtype is torch.bool
    ):
        with unset_fake_temporarily():
            return index.nonzero().squeeze(1)
    return index


class Books(Ledger):
    """Peak memory from the mode above in place of the GPU's."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(ALONE)
        self.memory = memory

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[Entry]:
        """As a trial's, but for where the memory is read."""
        self.memory.peak = self.memory.now
        with super().timed(name) as entry:
            before = entry.peak_bytes or 0
            yield entry
        entry.peak_bytes = max(before, self.memory.peak)


@dataclass
class LookBack:
    """An objective's `end`, given two batches in place of the many that it asks for, and charged for all of them.

    What it asks for is a field of pairs (`..._pairs`), and each batch after the first costs the same. Where it cuts batches into
    equal groups (`..._batch_pairs`), it is given two groups. Passes backward from many ends of one graph: see `Passes`.
    """

    term: Objective
    batch_pairs: int
    unseen_flops: float = 0.0
    right: bool = True  # whether it took as many as it was meant to

    def __post_init__(self) -> None:
        self.end, self.wanted, self.groups = self.term.end, 0, 1
        fields = dataclasses.fields(self.term)  # type: ignore[arg-type]
        names = [field.name for field in fields if field.name.endswith("_pairs")]
        for name in (name for name in names if name.endswith("_batch_pairs")):
            group = getattr(self.term, name)
            self.groups = (
                self.batch_pairs // group if group and self.batch_pairs % group == 0 else 1
            )
        group = self.batch_pairs // self.groups
        for name in (name for name in names if not name.endswith("_batch_pairs")):
            if getattr(self.term, name) > LOOKED_BACK * group:
                self.wanted = -(-getattr(self.term, name) // group)
                setattr(self.term, name, LOOKED_BACK * group)
        self.term.end = self.looked_back  # type: ignore[method-assign]

    def looked_back(self, model: nn.Module, batches: Iterator[Batch], towers: Towers) -> None:
        """In place of `end`."""
        marks: list[float] = []
        passes = Passes()
        with counted() as counter, passes.once():

            def marked() -> Iterator[Batch]:
                for batch in batches:
                    marks.append(counter.get_total_flops() + passes.unseen_flops)
                    groups = self.groups if self.wanted else 1
                    yield Batch(
                        batch.images[::groups], batch.texts[::groups], batch.sources[::groups]
                    )

            self.end(model, marked(), towers)
            marks.append(counter.get_total_flops() + passes.unseen_flops)
        self.unseen_flops = passes.unseen_flops
        if self.wanted:
            self.right = (
                len(marks) == LOOKED_BACK + 1 and marks[2] - marks[1] == marks[1] - marks[0]
            )
            self.unseen_flops += (
                (self.wanted - LOOKED_BACK) * (marks[1] - marks[0]) if self.right else 0.0
            )


class Passes:
    """Passes backward over one graph, from another of its ends each time: all cost the same, so those from the third on
    are not taken, and gradients of the right shapes come back; but the last, which lets go of the graph, is."""

    def __init__(self) -> None:
        self.graph: Any = None  # held only while the graph is, too
        self.times, self.flops, self.unseen_flops = 0, 0.0, 0.0

    @contextlib.contextmanager
    def once(self) -> Iterator[None]:
        """While this lasts, `torch.autograd.grad` is stood in for."""
        self.grad = torch.autograd.grad
        torch.autograd.grad = self._stand_in  # type: ignore[assignment]
        try:
            yield
        finally:
            torch.autograd.grad, self.graph = self.grad, None

    def _stand_in(
        self, end: Tensor, inputs: list[Tensor], *others: Any, **how: Any
    ) -> tuple[Tensor, ...]:
        self.times = self.times + 1 if self.graph is not None and self.graph is end.grad_fn else 1
        self.graph = end.grad_fn if how.get("retain_graph") else None
        if self.times > 2 and self.graph is not None:
            self.unseen_flops += self.flops
            return tuple(torch.empty_like(tensor) for tensor in inputs)
        with counted() as counter:
            found = self.grad(end, inputs, *others, **how)
        self.flops = counter.get_total_flops()
        return found


class Ones:
    """A fake tensor as an array: it may be put in order, and every number of it is 1."""

    @staticmethod
    def of(tensor: Tensor) -> "Ones":
        """Any."""
        return Ones()

    def partition(self, ranks: list[int]) -> None:
        """In place, and in no new memory."""

    def __getitem__(self, rank: int) -> float:
        return 1.0


@contextlib.contextmanager
def as_arrays() -> Iterator[None]:
    """While this lasts, fake tensors have a `numpy`."""
    FakeTensor.numpy = Ones.of  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del FakeTensor.numpy
