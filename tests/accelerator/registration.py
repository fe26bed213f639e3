"""The imaginary device made known to torch, once in a process and for good."""

from functools import partial

import torch
from torch import Tensor

from tests.accelerator import precision
from tests.accelerator.imaginary import DEVICE, NAME
from tests.accelerator.module import Module


class Guard(torch._C._acc.DeviceGuard):
    """What autograd asks of a device; there is one of its kind."""

    def type_(self) -> torch._C._autograd.DeviceType:  # type: ignore[override]
        return torch._C._autograd.DeviceType.PrivateUse1


# What `torch.tensor` makes a tensor with
MAKING = (("empty", "memory_format"), ("empty_strided", "default"))


class Hooks(torch._C._acc.PrivateUse1Hooks):
    """What autograd asks of the backend of a device."""

    def is_available(self) -> bool:
        return True

    def is_built(self) -> bool:
        return True

    def has_primary_context(self, device_index: int) -> bool:
        return True


class Registration:
    """What must live for as long as the process does."""

    def __init__(self) -> None:
        torch.utils.rename_privateuse1_backend(NAME)
        torch._register_device_module(NAME, Module)
        self.hooks, self.guard = Hooks(), Guard()
        torch._C._acc.register_python_privateuseone_hook(self.hooks)
        torch._C._acc.register_python_privateuseone_device_guard(self.guard)
        self.fallback = torch.library.Library("_", "IMPL")
        self.fallback.fallback(_made, "PrivateUse1")
        self.operations = torch.library.Library("aten", "IMPL")
        # By name, too, as where somebody counts operations torch asks no fallback
        for name in MAKING:
            operation = getattr(getattr(torch.ops.aten, name[0]), name[1])
            self.operations.impl(operation, partial(_made, operation), "PrivateUse1")
        self.operations.impl("_copy_from", _copied, "PrivateUse1")
        precision.register(self.operations, NAME, precision.KEY)
        # What is in none of autocast's lists runs as it is
        self.passed_on = torch.library.Library("_", "IMPL")
        self.passed_on.fallback(torch.library.fallthrough_kernel, precision.KEY)


def _made(func: object, *args: object, **kwargs: object) -> object:
    """Carry out what makes a tensor of the device from none of them."""
    return DEVICE.run(func, args, kwargs)


def _copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Carry out a copy to or from the device that torch makes by itself, as in `torch.tensor`."""
    copied: Tensor = DEVICE.run(torch.ops.aten.copy_.default, (target, source, non_blocking), {})
    return copied


def pinned(tensor: Tensor) -> Tensor:
    """Return a copy in memory that a copy to the device may read while the host goes on."""
    copy = tensor.clone()
    copy.pinned = True  # type: ignore[attr-defined]
    return copy


REGISTRATION = Registration()
