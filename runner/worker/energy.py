"""What the GPU has drawn, where the machine can tell: the counter of NVML, through nvidia-ml-py (`pynvml`) if installed."""

import importlib
from collections.abc import Callable
from functools import cache

import torch


def drawn_j() -> float | None:
    """Joules since the driver was loaded, of the whole GPU that a trial uses, whoever shares it; None: nobody can tell."""
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
        nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)  # GPUs before Volta have no such counter
    except nvml.NVMLError:
        return None
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / 1000
