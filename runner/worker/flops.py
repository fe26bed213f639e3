"""Count the FLOPs of a piece of work, by torch's own formulas."""

from functools import cache
from typing import Any

import torch
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten
# What is asked of a tensor's shape from C++, where an answer must not be computed
_QUESTIONS = {
    _ATEN.sym_is_contiguous.default,
    _ATEN.is_contiguous.default,
    _ATEN.is_contiguous.memory_format,
    _ATEN.is_strides_like_format.default,
    _ATEN.is_non_overlapping_and_dense.default,
    _ATEN.size.default,
    _ATEN.sym_size.default,
    _ATEN.stride.default,
    _ATEN.sym_stride.default,
    _ATEN.storage_offset.default,
    _ATEN.sym_storage_offset.default,
    _ATEN.numel.default,
    _ATEN.sym_numel.default,
    _ATEN.dim.default,
    torch.ops.prim.layout.default,
}


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what torch's `FlopCounterMode` counts, without its table of modules.

    That table costs several times a small model's step: it hooks every module, and asks of every
    operation anew whether it consists of others. This runs the same operations, so the work has
    the same result to the last bit.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._flops = 0

    def get_total_flops(self) -> int:
        """Return the FLOPs counted so far."""
        return self._flops

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation; add its FLOPs, or those of the operations that it consists of.

        Raises:
            NotImplementedError: a higher-order operation, such as a branch, has no formula.
        """
        kwargs = kwargs or {}
        if func in _QUESTIONS:
            return NotImplemented
        if isinstance(func, HigherOrderOperator):
            formula = flop_registry.get(func)
            if formula is None:
                raise NotImplementedError(f"torch has no formula for the FLOPs of {func}")
        else:
            formula = flop_registry.get(func._overloadpacket)
            if formula is None:
                return self._run_parts(func, args, kwargs)
        answer = func(*args, **kwargs)
        self._flops += formula(*args, **kwargs, out_val=answer)
        return answer

    def _run_parts(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operation without a formula, as the operations that it consists of, if it does."""
        if _consists_of_others(func):
            with self:
                answer = func.decompose(*args, **kwargs)
            if answer is not NotImplemented:
                return answer
        return func(*args, **kwargs)


@cache
def _consists_of_others(func: Any) -> bool:
    """Return whether an operation is made of others, whatever the device is."""
    if func is torch.ops.prim.device.default:
        return False
    return bool(func.has_kernel_for_dispatch_key(DispatchKey.CompositeImplicitAutograd))
