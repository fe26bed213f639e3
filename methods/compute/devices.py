"""The device that a trial learns on: which it is, and what differs between kinds of devices.

All calls of a GPU's own module (`torch.cuda`) are made here, by the device's type. So another kind
of device is one word in KINDS, and the tests run a GPU's lines on a device of their own.
"""

import os
import time
from typing import Any

import torch
from torch import Tensor

# Kinds of accelerators that trials run on; Apple's is left out, as it has no float64
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
    """Set torch to compute the same bits each time on an accelerator; a CPU does so anyway.

    On a GPU some kernels add in whatever order their threads come. torch has others for them, and
    raises an error for the few operations that have none (`torch.use_deterministic_algorithms`).
    Must be called before the first matrix product, when cuBLAS reads its setting.
    """
    if accelerator() is None:
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # No memory is read before it is written, so filling it would only cost time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def wait() -> None:
    """Wait until the accelerator has finished all queued work; without one, return at once."""
    module = accelerator()
    if module is not None:
        module.synchronize()


def now_s() -> float:
    """Wait until the device has finished all queued work, and return the time then, in seconds."""
    wait()
    return time.monotonic()


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """Copy rows from the host to a device without waiting for the copy, and return them."""
    if device.type == "cpu":
        return rows
    return rows.pin_memory().to(device, non_blocking=True)
