"""Tunings against peft's own, in float64, where peft can reach the weight as a linear layer: same start, same steps, same fold."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from methods import Tuning, objective, part
from tests.tiny_clip import PLAINLY, batches, build, task

CONTRASTIVE = objective("contrastive", {})
Start = Callable[[Any, Any], None]  # puts peft's layer where our update of the weight begins

pytestmark = pytest.mark.slow  # importing peft takes longer than they do


def same_lora(layer: Any, update: Any) -> None:
    layer.lora_A["default"].weight.copy_(update.down)


def same_vera(layer: Any, update: Any) -> None:
    layer.vera_A["default"], layer.vera_B["default"] = update.down.clone(), update.up.clone()


def same_osf(layer: Any, update: Any) -> None:
    """peft decomposes in float32 whatever it is given."""
    for key, factor in (("U_low", update.left), ("S_low", update.values), ("V_low", update.right)):
        layer.osf_svd_params["default"][key].copy_(factor)
        getattr(layer, f"_osf_{key}_init")["default"].copy_(factor)
    layer._osf_V_high["default"].copy_(update.right_high)


def steps_of(model: nn.Module, how: Tuning, parameters: list[nn.Parameter]) -> None:
    """Ten steps of AdamW."""
    optimizer, stream = torch.optim.AdamW(parameters, lr=1e-2), batches(1)
    for _ in range(10):
        batch = next(stream)
        loss = CONTRASTIVE.loss(model, replace(batch, images=batch.images.double()), PLAINLY)
        optimizer.zero_grad()
        loss.backward()
        with how.stepping(model, optimizer):
            optimizer.step()


@pytest.mark.parametrize(
    ("name", "params", "config", "theirs", "same"),
    [
        ("lora", {"rank": 2, "alpha": 6.0}, "LoraConfig", {"r": 2, "lora_alpha": 6}, same_lora),
        (
            "dora",
            {"rank": 2, "alpha": 6.0},
            "LoraConfig",
            {"r": 2, "lora_alpha": 6, "use_dora": True},
            same_lora,
        ),
        ("vera", {"rank": 4}, "VeraConfig", {"r": 4, "d_initial": 0.1}, same_vera),
        ("osf", {"frozen_share": 0.5}, "OSFConfig", {"effective_rank": 16}, same_osf),
    ],
)
def test_learns_what_peft_learns(
    name: str, params: dict[str, Any], config: str, theirs: dict[str, Any], same: Start
) -> None:
    ours, reference = build().double(), build().double()
    how = part("tuning", name, params | {"targets": ["mlp.c_proj.weight"]})
    parameters = how.begin(ours, task())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's, not ours
        import peft

        peft.get_peft_model(
            reference, getattr(peft, config)(target_modules=["c_proj"], **theirs)
        )  # in place
    layers: list[tuple[str, Any]] = [
        (at, module) for at, module in reference.named_modules() if hasattr(module, "base_layer")
    ]
    assert len(layers) == 4
    with torch.no_grad():
        for at, layer in layers:
            same(layer, ours.get_submodule(at).parametrizations["weight"][0])  # type: ignore[index, union-attr]
    steps_of(ours, how, parameters)
    steps_of(
        reference,
        Tuning(),
        [parameter for parameter in reference.parameters() if parameter.requires_grad],
    )
    how.end(ours)
    for at, layer in layers:
        layer.merge()
        torch.testing.assert_close(
            ours.get_parameter(f"{at}.weight"), layer.base_layer.weight, rtol=1e-6, atol=1e-9
        )
        assert not torch.equal(
            layer.base_layer.weight, build().double().get_parameter(f"{at}.weight")
        )
