"""A trial that began on a device goes on from its checkpoint, there and on the CPU."""

from pathlib import Path

import pytest

from schema.spec import Spec
from tests.accelerator.trials import KINDS, differing, learn, learned, on_device, spec, spec_with
from tests.tiny_clip import names

# In the middle of the second task: state of the first, and a step's own
THERE = (2, 1)
PARTS = [(kind, name) for kind in KINDS for name in names(f"methods/{kind}")]
# One whose state grows over tasks, and one that remembers pairs
SAMPLE = ("tuning", "coso"), ("objectives", "derpp")


def check_resumed(folder: Path, definition: Spec, there_again: bool) -> None:
    """Compare a trial that was ended on the device and gone on with, with one that never was."""
    with on_device():
        learn(folder / "resumed", definition, 1, end_at=THERE)
        if there_again:
            learn(folder / "resumed", definition, 2)
    if not there_again:
        learn(folder / "resumed", definition, 2)
    learn(folder / "whole", definition)
    assert len(list((folder / "resumed/000001").iterdir())) == 2
    assert differing(learned(folder / "resumed"), learned(folder / "whole")) == []


@pytest.mark.parametrize(("kind", "name"), SAMPLE)
def test_what_began_on_a_device_goes_on_on_the_cpu(kind: str, name: str, tmp_path: Path) -> None:
    check_resumed(tmp_path, spec_with(kind, name), there_again=False)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_that_began_on_a_device_goes_on_on_the_cpu(
    kind: str, name: str, tmp_path: Path
) -> None:
    check_resumed(tmp_path, spec_with(kind, name), there_again=False)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_goes_on_where_it_began(
    kind: str, name: str, precision: str, tmp_path: Path
) -> None:
    check_resumed(tmp_path, spec_with(kind, name, precision), there_again=True)


def test_what_the_optimizer_remembers_goes_on_in_fp16(tmp_path: Path) -> None:
    recipe = {"precision": "fp16", "optimizer_params": {"carry": True, "decay": "matrices"}}
    check_resumed(tmp_path, spec(recipe=recipe), there_again=False)
