"""A trial that began on a device goes on from its checkpoint, there and on the CPU."""

import shutil
from pathlib import Path

import pytest

from schema.spec import Spec
from tests.accelerator.trials import (
    PARTS,
    differing,
    learn,
    learned,
    learned_on_the_cpu,
    on_device,
    spec,
    spec_with,
)

# In the middle of the second task: state of the first, and a step's own
THERE = (2, 1)
# One whose state grows over tasks, and one that remembers pairs
SAMPLE = ("tuning", "coso"), ("objectives", "derpp")
DEVICE_HALF, CPU_HALF = "device", "cpu"


def check_resumed(folder: Path, definition: Spec, *places: str) -> None:
    """Go on with a trial that was ended on the device, and compare it with one that never was.

    From the same checkpoint it goes on in each of the places.
    """
    with on_device():
        learn(folder / DEVICE_HALF, definition, 1, end_at=THERE)
        shutil.copytree(folder / DEVICE_HALF, folder / CPU_HALF)
        if DEVICE_HALF in places:
            learn(folder / DEVICE_HALF, definition, 2)
    if CPU_HALF in places:
        learn(folder / CPU_HALF, definition, 2)
    whole = learned_on_the_cpu(definition)
    for place in places:
        assert len(list((folder / place / "000001").iterdir())) == 2
        assert differing(learned(folder / place), whole) == [], place


@pytest.mark.parametrize(("kind", "name"), SAMPLE)
def test_what_began_on_a_device_goes_on_on_the_cpu(kind: str, name: str, tmp_path: Path) -> None:
    check_resumed(tmp_path, spec_with(kind, name), CPU_HALF)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_that_began_on_a_device_goes_on_there_and_on_the_cpu(
    kind: str, name: str, tmp_path: Path
) -> None:
    """In half precision it does in `test_parts.py`, where both are seen in one trial."""
    check_resumed(tmp_path, spec_with(kind, name), DEVICE_HALF, CPU_HALF)


def test_what_the_optimizer_remembers_goes_on_in_fp16(tmp_path: Path) -> None:
    recipe = {"precision": "fp16", "optimizer_params": {"carry": True, "decay": "matrices"}}
    check_resumed(tmp_path, spec(recipe=recipe), CPU_HALF)
