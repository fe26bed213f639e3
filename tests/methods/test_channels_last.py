"""Channels last: another way to lie in memory while a tower runs, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from methods.compute.towers import Towers
from schema.checks.compute import Compute
from tests.methods.test_compiled import computed, learn_all
from tests.tiny_clip import TEXT, VISION

LAST = Compute(channels_last=True)
TOWERS: dict[str, dict[str, Any]] = {
    "transformer": VISION,
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
}


def passed(vision: dict[str, Any], how: Compute) -> tuple[nn.Module, list[bool], list[Tensor]]:
    """A model, how the outputs of its convolutions lay, and its embeddings and gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=TEXT | {"layers": 1}).double()
        images = torch.randn(4, 3, vision["image_size"], vision["image_size"]).double()
    lay: list[bool] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _, __, made: (
                    lay.append(made.stride(1) == 1 and not made.is_contiguous())
                    if made.shape[-1] > 1
                    else None
                )
            )
    made = Towers(compute=how).encode_image(model, images)
    made.square().sum().backward()  # type: ignore[no-untyped-call]
    return (
        model,
        lay,
        [
            made.detach(),
            *(weight.grad for weight in model.visual.parameters() if weight.grad is not None),
        ],
    )


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_runs_so_and_its_weights_lie_as_always(name: str) -> None:
    (_, before, plain), (model, lay, found) = (
        passed(TOWERS[name], how) for how in (Compute(), LAST)
    )
    assert lay and all(lay) and not any(before)
    for one, two in zip(found, plain, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    remembered = [value for each in optimizer.state.values() for value in each.values()]
    assert all(tensor.is_contiguous() for tensor in [*model.state_dict().values(), *remembered])
    assert all(weight.grad is None or weight.grad.is_contiguous() for weight in model.parameters())


def test_resumed_it_comes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        spec = computed(channels_last=True)
        undisturbed = learn_all(tmp_path / "whole", spec, None, monkeypatch)
        assert learn_all(tmp_path / "killed", spec, (2, 2), monkeypatch) == undisturbed
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
