"""Counts memory and the FLOPs of decompositions, on tensors without contents.

A singular value decomposition of m x n, m >= n, costs 6 m n^2 + 20 n^3 (R-SVD with both thin sets
of vectors: Golub and Van Loan, Matrix Computations, 3rd edition, figure 5.4.1). Torch's FLOP
counter ignores it, so it is a separate phase, which budgets do not charge.
"""

import weakref
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN = torch.ops.aten
INDEXING = (ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default)


class Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that counts bytes of live storages, and FLOPs of decompositions.

    While it is active it also supplies values that fake tensors lack: a number is 1, tensors are
    equal, and a real mask gives its own indices.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.svd_flops = self.svd_peak = 0
        # Weak references to the live storages, by identity
        self.held: dict[int, Any] = {}

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it is freed."""
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key not in self.held:
            self.held[key] = weakref.ref(storage, partial(self._free, key, size))
            self.now += size
            self.peak = max(self.peak, self.now)

    def forget_decompositions(self) -> None:
        """Reset the count of decompositions to 0."""
        self.svd_flops = self.svd_peak = 0

    def _free(self, key: int, size: int, _: object) -> None:
        del self.held[key]
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if inputs and not any(isinstance(tensor, FakeTensor) for tensor in inputs):
            # Operations on real tensors (sources of pairs) are run unchanged
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        if func is ATEN._local_scalar_dense.default:
            return _one(inputs[0].dtype)
        if func is ATEN.equal.default:
            return True
        if func in INDEXING:
            args = (args[0], [_places(index) for index in args[1]], *args[2:])
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self.hold(tensor)
        if func is ATEN._linalg_svd.default:
            self.svd_flops += svd_flops(*inputs[0].shape)
            self.svd_peak = max(self.svd_peak, self.now)
        return output


def svd_flops(rows: int, columns: int) -> int:
    """Return the FLOPs of decomposing one matrix, by the formula above."""
    n, m = sorted((rows, columns))
    return 6 * m * n**2 + 20 * n**3


def _one(dtype: torch.dtype) -> bool | float | int:
    """Return 1 as a number of a dtype."""
    if dtype is torch.bool:
        return True
    return 1.0 if dtype.is_floating_point else 1


def _places(index: Tensor | None) -> Tensor | None:
    """Return the indices where a real mask is true; None for a fake one."""
    if not isinstance(index, Tensor) or isinstance(index, FakeTensor):
        return index
    if index.dtype is not torch.bool:
        return index
    with unset_fake_temporarily():
        return index.nonzero().squeeze(1)
