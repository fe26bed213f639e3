"""Every part on the imaginary device, through the trial itself, beside the same trial on the CPU.

A tensor on the wrong device, and a wait of the host within a step, fail with their line named.
Nothing but the device differs, so the numbers are equal to the bit.
"""

import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from schema.checks import parts
from schema.checks.compute import Compute
from schema.spec import Spec
from tests.accelerator.determinism import without_kernel
from tests.accelerator.trials import (
    KINDS,
    PARTS,
    differing,
    learn,
    learned,
    learned_on_the_cpu,
    on_device,
    spec,
    spec_with,
)
from tests.accelerator.watching import ROOT, Watch, permissions
from tests.tiny_clip import names

HALF = pytest.param("bf16", marks=pytest.mark.slow), pytest.param("fp16", marks=pytest.mark.slow)
# Every part in each half precision. What merges is given float32 weights, whatever the precision of
# the steps between: once is enough, in the one that also scales losses.
PARTS_IN_HALF = [
    (*part, precision)
    for part in PARTS
    for precision in ("bf16", "fp16")
    if part[0] != "merging" or precision == "fp16"
]
# The task and step at which they are ended: all but one of their steps are held to have no waits
BEFORE_THE_LAST = (2, 2)
# What runs in each precision on every change; the rest with the slow tests
SAMPLE = ("objectives", "contrastive"), ("tuning", "lora"), ("objectives", "ewc")
# Of `compute_params`, a value to try, and what a method must be for it
KEYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "chunk_pairs": (4, {}),
    "checkpointing": (True, {}),
    "cache_frozen": (True, {"tuning": "locked_image"}),
    "channels_last": (True, {}),
}
# Why the other keys cannot be tried on the imaginary device
NOT_HERE = {
    "ranks": "gloo and NCCL know no such device",
    "decode_on_device": "torchvision decodes for CUDA and the CPU alone",
    "compile": "inductor makes no kernels for it",
}
OPTIMIZERS = [
    *((name, {}) for name in parts.names("methods/optimizers.py")),
    ("adamw", {"fused": True}),
]
# What evaluations of a kind are measured on, and a metric that such datasets always have
DATASETS = {"classification": "toy_blobs", "retrieval": "toy_scenes"}
COUNTED = {"classification": "top1", "retrieval": "r5"}
# Evaluations that need another dataset: five classes
MEASURED = {"ranked_classes": "toy_colour"}


def same_on_both(folder: Path, definition: Spec, end_at: tuple[int, int] | None = None) -> Watch:
    """Learn a trial on the device and on the CPU; returns what was seen of the device's steps.

    `end_at`: on the device it is ended after this task and step, and goes on there. Its first step
    then may wait, for what the checkpoint holds is not on the device yet.
    """
    with on_device() as watch:
        learn(folder / "device", definition, 1, end_at)
        assert watch.refused() == []
        if end_at is not None:
            learn(folder / "device", definition, 2)
    assert without_kernel(watch.operations) == []
    assert differing(learned(folder / "device"), learned_on_the_cpu(definition)) == []
    return watch


def check_permissions(kind: str, name: str, watch: Watch) -> None:
    """Hold every comment of a part that says why there is a wait to be followed by one."""
    own = permissions(ROOT / f"methods/{kind}/{name}.py")
    unused = [str(place) for place in sorted(own - watch.used())]
    assert unused == [], "no wait follows the comments of these lines that say why there is one"


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_is_on_a_device_what_it_is_on_the_cpu(kind: str, name: str, tmp_path: Path) -> None:
    check_permissions(kind, name, same_on_both(tmp_path, spec_with(kind, name)))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "precision"), PARTS_IN_HALF)
def test_a_part_in_half_precision_is_on_a_device_what_it_is_on_the_cpu(
    kind: str, name: str, precision: str, tmp_path: Path
) -> None:
    """It is ended there before its last step and goes on from its checkpoint, to the same bits."""
    watch = same_on_both(tmp_path, spec_with(kind, name, precision), end_at=BEFORE_THE_LAST)
    check_permissions(kind, name, watch)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(("kind", "name"), SAMPLE)
def test_half_precision_is_on_a_device_what_it_is_on_the_cpu(
    kind: str, name: str, precision: str, tmp_path: Path
) -> None:
    same_on_both(tmp_path, spec_with(kind, name, precision))


@pytest.mark.parametrize("precision", ["fp32", pytest.param("fp16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "params"), OPTIMIZERS)
def test_an_optimizer_is_on_a_device_what_it_is_on_the_cpu(
    name: str, params: dict[str, Any], precision: str, tmp_path: Path
) -> None:
    recipe = {"optimizer": name, "optimizer_params": params, "precision": precision}
    watch = same_on_both(tmp_path, spec(recipe=recipe))
    if params.get("fused"):
        assert watch.used() == set(), "a fused optimizer leaves a step out on the device"


@pytest.mark.parametrize("precision", ["fp32", *HALF])
@pytest.mark.parametrize("key", KEYS)
def test_a_way_to_compute_is_on_a_device_what_it_is_on_the_cpu(
    key: str, precision: str, tmp_path: Path
) -> None:
    value, method = KEYS[key]
    same_on_both(tmp_path, spec(method, {"compute_params": {key: value}, "precision": precision}))


def test_every_way_to_compute_is_tried_or_it_is_said_why_not() -> None:
    assert set(KEYS) | set(NOT_HERE) == {field.name for field in fields(Compute)}
    assert not set(KEYS) & set(NOT_HERE)


def test_shared_code_waits_where_it_says_so_and_nowhere_else(tmp_path: Path) -> None:
    """Comments of files that several parts have in common; each is met by one of these trials."""
    cached = spec({"tuning": "locked_image"}, {"compute_params": {"cache_frozen": True}})
    trials = {
        "gere": spec_with("objectives", "gere"),
        "chosen": spec_with("selection", "learnability"),
        "fp16": spec_with("tuning", "full", "fp16"),
        "8 bits": spec(recipe={"optimizer": "adamw_8bit"}),
        "turned": spec(recipe={"optimizer": "soap"}),
        "cached": cached,
        "projected": spec_with("tuning", "galore"),
    }
    used = set()
    for name, definition in trials.items():
        used |= same_on_both(tmp_path / name, definition).used()
    allowed = set()
    for path in ROOT.glob("methods/**/*.py"):
        of_one_part = path.parent.name in KINDS and not path.stem.startswith("_")
        allowed |= set() if of_one_part else permissions(path)
    for folder in ("runner", "evals", "streams"):
        for path in (ROOT / folder).rglob("*.py"):
            allowed |= permissions(path)
    assert sorted(map(str, allowed - used)) == []


@pytest.mark.parametrize("name", names("evals"))
def test_an_evaluation_is_on_a_device_what_it_is_on_the_cpu(name: str, tmp_path: Path) -> None:
    """It may wait, as no step is being taken."""
    module = importlib.import_module(f"evals.{name}")
    kind = module.KINDS[0]
    dataset = MEASURED.get(name, DATASETS[kind])
    metric = getattr(module, "PROBES", (COUNTED[kind],))[0]
    member = {
        "dataset": dataset,
        "role": "probe",
        "metric": metric,
        "weight": 1.0,
        "label_space": "all",
    }
    same_on_both(tmp_path, spec(members=[member]))
    values = learned(tmp_path / "device").values
    assert {task for _, found, _, task in values if found == metric} == {"0", "1", "2"}
