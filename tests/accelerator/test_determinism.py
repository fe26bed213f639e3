"""Bits on a GPU: torch is told to keep them, and no part asks for what torch cannot keep.

Which operations each part runs is seen in `test_parts.py`, where every trial is held to this.
"""

import os
from pathlib import Path

import pytest
import torch

from methods.compute import devices
from runner.worker.training import Training
from tests.accelerator.determinism import (
    ASKED_FOR,
    HAS_NONE,
    LEFT_OUT,
    OPERATIONS,
    entries,
    without_kernel,
)
from tests.accelerator.trials import learn, on_device, spec_with


def test_every_operation_that_torch_lists_is_known_here() -> None:
    """A torch with a longer list fails this, and so does an entry that is gone."""
    assert set(entries(HAS_NONE)) == set(OPERATIONS) | set(LEFT_OUT)
    assert "torch.nn.Embedding" in entries(ASKED_FOR), "every CLIP has one"


def test_the_operations_are_torchs() -> None:
    for operations in OPERATIONS.values():
        for operation in operations:
            packet = getattr(torch.ops.aten, operation.partition(".")[0])
            assert operation.partition(".")[2] in ["", *packet.overloads()]


def test_an_operation_without_a_deterministic_kernel_is_found() -> None:
    operations = {"aten.mul.Tensor", "aten.median.dim", "aten.median.default", "aten.put_.default"}
    assert without_kernel(operations) == ["aten.median.dim", "aten.put_.default"]


def test_a_trial_on_a_device_tells_torch_to_keep_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    begin = Training.__init__

    def noted(training: Training, *args: object) -> None:
        warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
        seen.append((torch.are_deterministic_algorithms_enabled(), warns_only))
        begin(training, *args)

    monkeypatch.setattr(Training, "__init__", noted)
    with on_device() as watch:
        learn(tmp_path / "device", spec_with("tuning", "full"))
        assert seen == [(True, False)] * 2
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert any("embedding_dense_backward" in operation for operation in watch.operations)


def test_on_a_cpu_nothing_is_told() -> None:
    """Its kernels add in one order, and golden losses are those of its own."""
    devices.settle()
    assert not torch.are_deterministic_algorithms_enabled()
