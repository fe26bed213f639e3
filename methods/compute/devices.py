"""The device that a trial learns on: which it is, and what differs between kinds of devices.

Everything that is asked of a GPU's own module (`torch.cuda`) is asked here, by the name of the
device. So another kind is one word in KINDS, and the tests run the lines that a GPU runs on a
device of their own.
"""

import os
import time
from typing import Any

import torch
from torch import Tensor

# Kinds of accelerators that trials learn on. Apple's, which has no float64, is none of them.
KINDS = ("cuda",)


def kind() -> str:
    """Return the type of the device that this machine's trials learn on; `cpu` without a GPU."""
    for name in KINDS:
        if torch.get_device_module(name).is_available():
            return name
    return "cpu"


def accelerator() -> Any:
    """Return torch's module of this machine's accelerator (`torch.cuda`); None without one."""
    return None if kind() == "cpu" else torch.get_device_module(kind())


def module_of(device: torch.device) -> Any:
    """Return torch's module of a device; None for the CPU."""
    return None if device.type == "cpu" else torch.get_device_module(device)


def count() -> int:
    """Return how many accelerators this machine shows."""
    module = accelerator()
    return 0 if module is None else int(module.device_count())


def settle() -> None:
    """Have an accelerator compute the same bits each time, which a CPU does anyway.

    On a GPU some kernels add in whatever order their threads come. torch has others for them, and
    raises an error for the few operations that have none (`torch.use_deterministic_algorithms`).
    Must be called before the first product of matrices: cuBLAS reads its setting then.
    """
    if accelerator() is None:
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Memory is not read before it is written: to fill it would only take time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def wait() -> None:
    """Wait until the accelerator has done all that was asked of it; there may be none."""
    module = accelerator()
    if module is not None:
        module.synchronize()


def now_s() -> float:
    """Return the time in seconds when the device has done all that was asked of it so far."""
    wait()
    return time.monotonic()


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """Return rows of the host on a device, to which they are copied while the host goes on."""
    if device.type == "cpu":
        return rows
    return rows.pin_memory().to(device, non_blocking=True)
