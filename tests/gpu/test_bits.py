"""On a GPU: trials that are killed and resumed come to the same bits, a sample of every kind of part.

These need a GPU, and are skipped where there is none. With WEIR_REHEARSE=1 they run on the CPU, to
see that they work.
"""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder
from schema.spec import Spec
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought, spec_of
from tests.toy import DATA

REHEARSED = os.environ.get("WEIR_REHEARSE") == "1"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (torch.cuda.is_available() or REHEARSED), reason="there is no GPU on this machine"
    ),
]
# Wide enough for the kernels that real towers run: attention with heads of 64
WIDE = {
    "vision_cfg": {"width": 256, "layers": 4, "head_width": 64, "patch_size": 4, "image_size": 16}
}
# A method of tests.runner.test_trial, and what its recipe is computed by
SAMPLE: dict[str, tuple[str, dict[str, Any]]] = {
    "rehearsed plain bf16": ("tuning full", {"precision": "bf16"}),
    "tuning in fp16": ("tuning coso", {"precision": "fp16"}),
    "low rank, compiled": (
        "tuning lora",
        {"precision": "bf16", "compute_params": {"compile": "on"}},
    ),
    "objective, chunks": (
        "objective ewc",
        {"precision": "bf16", "compute_params": {"chunk_pairs": 4}},
    ),
    "replay": ("objective derpp", {"precision": "bf16", "compute_params": {"checkpointing": True}}),
    "teacher in fp16": ("objective zscl", {"precision": "fp16"}),
    "average of steps": ("merging ema_step", {"precision": "bf16"}),
    "merging": ("merging ties", {"precision": "bf16"}),
    "repair": ("repair fpf", {"precision": "bf16"}),
    "selection": ("selection learnability", {"precision": "bf16"}),
    "fused": ("tuning full", {"precision": "fp16", "optimizer_params": {"fused": True}}),
    "muon": ("tuning full", {"precision": "bf16", "optimizer": "muon"}),
    "8 bits": ("tuning full", {"precision": "bf16", "optimizer": "adamw_8bit"}),
}


def wide(method: str, recipe: dict[str, Any]) -> Spec:
    """Return the definition of a toy trial with a wider backbone."""
    definition = json.loads(spec_of(method).to_json())
    architecture = json.loads(definition["backbone"]["architecture"])
    if not REHEARSED:
        architecture["vision_cfg"] |= WIDE["vision_cfg"]
    definition["backbone"]["architecture"] = json.dumps(architecture)
    definition["recipe"] |= recipe
    return Spec.from_row(definition)


@pytest.mark.parametrize("name", SAMPLE)
def test_resumed_it_comes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    spec = wide(*SAMPLE[name])
    assert run_trial(attempt(tmp_path / "whole", spec, 1, DATA)) == 0
    assert run_trial(attempt(tmp_path / "killed", spec, 1, DATA), crash_at="step:6") == -9
    assert run_trial(attempt(tmp_path / "killed", spec, 2, DATA)) == 0
    assert brought(tmp_path / "killed") == brought(tmp_path / "whole")


def test_twice_it_comes_to_the_same_bits(tmp_path: Path) -> None:
    """Nothing is resumed here: two trials of one definition."""
    spec = wide("tuning full", {"precision": "bf16"})
    for which in ("one", "other"):
        assert run_trial(attempt(tmp_path / which, spec, 1, DATA)) == 0
    assert brought(tmp_path / "one") == brought(tmp_path / "other")


def test_a_task_that_another_trial_has_trained_is_taken_over(tmp_path: Path) -> None:
    spec = wide("tuning full", {"precision": "bf16"})
    for trial in (1, 2):
        about = {"store": str(tmp_path / "store"), "stem": "toy", "checkpoint_minutes": 0.0}
        folder = attempt_folder(tmp_path / str(trial), trial, 1)
        RunFolder(folder).create(
            spec,
            Assignment(trial=trial, attempt=1, batch="batch", position=0, data=str(DATA), **about),  # type: ignore[arg-type]
        )
        assert run_trial(folder) == 0
    assert brought(tmp_path / "1") == brought(tmp_path / "2")
    costs = pl.read_parquet(attempt_folder(tmp_path / "2", 2, 1) / "task-0001.cost.parquet")
    assert costs.filter(pl.col("phase") == "train")["shared"].to_list() == [True]


@pytest.mark.skipif(importlib.util.find_spec("pynvml") is None, reason="pynvml is not installed")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CPU has no meter that is read")
def test_energy_is_counted(tmp_path: Path) -> None:
    folder = attempt(tmp_path, wide("tuning full", {"precision": "bf16"}), 1, DATA)
    assert run_trial(folder) == 0
    costs = pl.read_parquet(folder / "task-0001.cost.parquet")
    assert float(costs["energy_j"].sum()) > 0


def test_memory_is_counted(tmp_path: Path) -> None:
    folder = attempt(tmp_path, wide("tuning full", {"precision": "bf16"}), 1, DATA)
    assert run_trial(folder) == 0
    peaks = pl.read_parquet(folder / "task-0001.cost.parquet")["peak_bytes"].to_list()
    assert all(peak is None for peak in peaks) if REHEARSED else all(peak > 0 for peak in peaks)
