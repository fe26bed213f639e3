"""`torch.accel`: what torch and Weir ask of the module of a device, for the imaginary one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from tests.accelerator.imaginary import DEVICE


class Stream:
    """An order of work; what is asked of the imaginary device is done at once."""

    def wait_stream(self, other: "Stream") -> None:
        """Do nothing: the other's work is done."""


class Module:
    """Stands where `torch.cuda` stands for a GPU."""

    Stream = Stream

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def get_device_name() -> str:
        return "an imaginary device"

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        DEVICE.random_state = torch.Generator().manual_seed(seed).get_state()

    @staticmethod
    def get_rng_state(device: Any = None) -> Tensor:
        return DEVICE.random_state.clone()

    @staticmethod
    def set_rng_state(state: Tensor, device: Any = None) -> None:
        DEVICE.random_state = state.clone()

    @staticmethod
    def synchronize(device: Any = None) -> None:
        DEVICE.watch.wait("synchronizes")

    @staticmethod
    def current_stream(device: Any = None) -> Stream:
        return Stream()

    @staticmethod
    @contextmanager
    def stream(stream: Stream) -> Iterator[None]:
        yield

    @staticmethod
    def reset_peak_memory_stats() -> None:
        """Count no memory."""

    @staticmethod
    def max_memory_allocated() -> int:
        return 0
