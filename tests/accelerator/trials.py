"""Trials of a few steps in this process, on the imaginary device or on the CPU."""

import json
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from methods.compute import devices
from runner.run_folder import STOPS, RunFolder, done_tasks
from runner.trial import learn_tasks
from runner.worker.between_steps import BetweenSteps
from runner.worker.outcome import StopFlag, StoppedError
from runner.worker.training import Training
from runner.worker.trial_parts import set_up
from schema.spec import Spec
from tests.accelerator.imaginary import DEVICE, NAME
from tests.accelerator.precision import on_the_cpu_too
from tests.accelerator.registration import REGISTRATION, pinned
from tests.accelerator.watching import Watch
from tests.once import once
from tests.processes import attempt
from tests.runner.test_trial import spec_of
from tests.tiny_clip import PARAMS, names, whole
from tests.toy import DATA, mixed

# Three in each of two tasks: the first is counted, and two are steps as all others are
STEPS = 6
# Minutes between two checkpoints: longer than any of these trials
NEVER = 1e6
KINDS = ("tuning", "objectives", "merging", "repair", "selection", "mixing", "ensembles")
PARTS = [(kind, name) for kind in KINDS for name in names(f"methods/{kind}")]


@cache
def _plain() -> dict[str, Any]:
    """Return the definition that the others differ from: full fine-tuning, nothing merged."""
    definition: dict[str, Any] = json.loads(spec_of("toy_ema").to_json())
    definition["method"] |= {
        "merging": "none",
        "merging_params": {},
        "start": "last",
        "deploy": "last",
    }
    definition["budget"] |= {"total": float(STEPS)}
    members = definition["stream"]["suite"]["members"]
    # One dataset is enough where what is measured is not the point
    members[:] = [member for member in members if member["dataset"] == "toy_scenes"]
    return definition


def spec(
    method: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    mixture: Mapping[str, Any] | None = None,
    members: list[Mapping[str, Any]] | None = None,
) -> Spec:
    """Return a definition that differs from the plain one in some keys; `members` are a suite's."""
    definition = json.loads(json.dumps(_plain()))
    definition["method"] |= method or {}
    definition["recipe"] |= recipe or {}
    definition["mixture"] |= mixture or {}
    if members is not None:
        definition["stream"]["suite"]["members"] = members
    return Spec.from_row(definition)


def spec_with(kind: str, name: str, precision: str = "fp32") -> Spec:
    """Return the definition of a trial that has a part, and is plain otherwise."""
    recipe = {"precision": precision}
    if kind == "tuning":
        return spec({"tuning": name, "tuning_params": PARAMS.get(name, {})}, recipe)
    if kind == "objectives":
        terms = whole(name).split("+")
        params = {term: PARAMS.get(term, {}) for term in terms}
        return spec(
            {
                "objective": whole(name),
                "objective_params": params if len(terms) > 1 else params[name],
            },
            recipe,
        )
    if kind == "merging":
        return spec(
            {"merging": name, "start": "merged" if name != "none" else "last", "deploy": "merged"},
            recipe,
        )
    if kind == "repair":
        return spec({"repair": name, "repair_params": {"share": 0.5}}, recipe)
    if kind == "ensembles":
        params = {"pairs": 8} if name in ("ddas", "nearest", "rls") else {}
        ensemble = {"deploy": "ensemble", "ensemble": name, "ensemble_params": params}
        return spec(ensemble, recipe)
    if kind == "mixing":
        return spec({}, recipe, mixed(name))
    assert kind == "selection"
    return spec({}, recipe, {"selection": name, "selection_params": {"filter_ratio": 0.5}})


@contextmanager
def on_device() -> Iterator[Watch]:
    """Run trials on the imaginary device meanwhile, and watch their steps."""
    assert REGISTRATION
    watch = Watch()
    DEVICE.begin(watch)
    take = Training._take

    def watched(training: Training, step: int) -> None:
        with watch.step():
            take(training, step)

    with pytest.MonkeyPatch.context() as patch, as_before():
        patch.setattr(devices, "KINDS", (NAME,))
        patch.setattr(Tensor, "pin_memory", pinned)
        patch.setattr(Training, "_take", watched)
        yield watch


@contextmanager
def as_before() -> Iterator[None]:
    """Put back what a trial on an accelerator sets for the whole process."""
    before = torch.are_deterministic_algorithms_enabled()
    setting = os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    filled = torch.utils.deterministic.fill_uninitialized_memory
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
        if setting is not None:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = setting


@contextmanager
def as_on_device() -> Iterator[None]:
    """Compute on either device by the same formulas, and leave torch as it was.

    Attention as it is written, and autocast with the lists of CUDA: what is left to differ is that
    tensors lie elsewhere.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    with sdpa_kernel(SDPBackend.MATH), on_the_cpu_too():
        yield
    torch.backends.mha.set_fastpath_enabled(fast)


def learn(
    runs: Path, definition: Spec, number: int = 1, end_at: tuple[int, int] | None = None
) -> None:
    """Learn an attempt of a trial, or as much of it as comes before the end of (task, step).

    Errors are raised as they are, so that their lines are seen.
    """
    # A checkpoint is written where the trial is ended, and nowhere else
    folder = attempt(runs, definition, number, DATA, checkpoint_minutes=NEVER)
    run, word = RunFolder(folder), mmap.mmap(-1, 1)
    assert run.claim()
    after = BetweenSteps.after

    def told(between_steps: BetweenSteps, step: int, training: Training, work: Any) -> None:
        if (training.task, step) == end_at:
            word[0] = STOPS.index("preempted")
        after(between_steps, step, training, work)

    with pytest.MonkeyPatch.context() as patch, as_on_device():
        patch.setattr(BetweenSteps, "after", told)
        try:
            learn_tasks(set_up(run, StopFlag(word)))
        except StoppedError:
            assert end_at is not None


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a trial came to, over its attempts."""

    # Of all steps, task after task
    losses: list[float]
    # By dataset, metric, label space and task
    values: dict[tuple[str, ...], float]
    # What the last task deployed; of an ensemble all that it kept, each with its role
    weights: dict[str, Tensor]


def learned(runs: Path) -> Learned:
    """Read what a trial came to."""
    (of_trial,) = runs.glob("[0-9]*")
    folders = sorted(of_trial.iterdir(), reverse=True)
    losses: list[float] = []
    values: dict[tuple[str, ...], float] = {}
    finished = sorted(done_tasks([RunFolder(path) for path in folders]).items())
    for task, (run, receipt) in finished:
        curve = pl.read_parquet(run.path / receipt.files["progress"].file)
        losses += curve["loss"].to_list() if len(curve) else []
        for row in pl.read_parquet(run.path / receipt.files["result"].file).iter_rows(named=True):
            values[row["dataset"], row["metric"], row["label_space"], str(task)] = row["value"]
    run, receipt = finished[-1][1]
    files = receipt.weights
    if "deployed" in files:
        files = {"deployed": files["deployed"]}
    weights = {}
    for role, entry in files.items():
        for name, tensor in load_file(run.path / entry.file).items():
            weights[f"{role} {name}"] = tensor
    return Learned(losses=losses, values=values, weights=weights)


def learned_on_the_cpu(definition: Spec) -> Learned:
    """Return what a trial comes to that is learned on the CPU alone, once for all tests."""
    return once(f"on the CPU {definition.to_json()}", partial(_learned_on_the_cpu, definition))


def _learned_on_the_cpu(definition: Spec) -> Learned:
    with tempfile.TemporaryDirectory() as folder:
        learn(Path(folder), definition)
        return learned(Path(folder))


def differing(one: Learned, other: Learned) -> list[str]:
    """Return in words where two trials came to something else, by a bit."""
    found = []
    if one.losses != other.losses:
        found.append(f"losses {one.losses} and {other.losses}")
    for key, value in other.values.items():
        if one.values[key] != value:
            found.append(f"{key}: {one.values[key]} and {value}")
    for name, tensor in other.weights.items():
        if not torch.equal(one.weights[name], tensor):
            found.append(f"{name}: {(one.weights[name] - tensor).abs().max()} apart")
    return found
