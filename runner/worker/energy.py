"""Energy that the GPU has drawn, where the machine can tell.

It is read from the counter of NVML, through nvidia-ml-py (`pynvml`) if that is installed.
"""

import importlib
from collections.abc import Callable
from functools import cache

import torch

MILLIJOULES = 1000


def drawn_j() -> float | None:
    """Return the joules that the whole GPU has drawn since its driver was loaded.

    Whoever shares the GPU is counted, too. None: this machine cannot tell.
    """
    meter = _meter()
    return None if meter is None else meter()


@cache
def _meter() -> Callable[[], float] | None:
    if not torch.cuda.is_available():
        return None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        gpu = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        # GPUs before Volta have no such counter
        nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except nvml.NVMLError:
        return None
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / MILLIJOULES
