"""What every repair must do, over the files of methods/repair, and how a trial pays for one."""

import pytest
import torch

from methods import Method, Repair, merger, objective, part
from methods.parameters import moving
from schema.checks import parts, rows
from tests.tiny_clip import PLAINLY, batches, build, differing, learn, names, task

REPAIRS = names("methods/repair")
CONTRASTIVE = objective("contrastive", {})


def made(name: str, **params: object) -> Repair:
    found: Repair = part("repair", name, params)
    return found


@pytest.mark.parametrize("name", REPAIRS)
def test_a_plain_clip_before_and_after_and_what_does_not_move_stays_to_the_bit(name: str) -> None:
    model, before, how = build(), build(), made(name)
    assert 0 < how.share < 1 and how.lr_scale > 0
    moved = {id(parameter) for parameter in how.begin(model, task())}
    held = {key for key, parameter in model.named_parameters() if id(parameter) not in moved}
    how.end(model)
    learn(model, how, CONTRASTIVE, 5)
    changed = set(differing(model.state_dict(), before.state_dict()))
    assert changed and not changed & held
    assert len(moving(model)) == len(moving(before))


def test_fpf_moves_norms_patches_and_projections() -> None:
    model = build()
    moved = {id(parameter) for parameter in made("fpf").begin(model, task())}
    names = {key for key, parameter in model.named_parameters() if id(parameter) in moved}
    assert {
        "visual.conv1.weight",
        "visual.proj",
        "text_projection",
        "ln_final.bias",
        "visual.ln_pre.weight",
    } <= names
    assert not any("attn" in key or "mlp" in key or "embedding" in key for key in names)
    norms = sum(2 * 32 for key in build().state_dict() if "ln_" in key and key.endswith("weight"))
    sizes = sum(parameter.numel() for parameter in moving(model))
    assert sizes == norms + 32 * 3 * 8 * 8 + 2 * 32 * 16, "the closed form"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"share": 0.0}, "a share above 0 and below 1"),
        ({"lr_scale": 0.0}, "lr_scale > 0"),
        ({"modules": ["adapter"]}, "no parameter that moves is named after one of adapter"),
        ({"modul": ["ln_"]}, "Did you mean 'modules'"),
    ],
)
def test_fpf_refuses_what_it_cannot_do(params: dict[str, object], message: str) -> None:
    model = build()
    with pytest.raises(ValueError, match=message):
        made("fpf", **params).begin(model, task())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_row_names_a_repair_and_its_keys() -> None:
    row = {
        "name": "m",
        "tuning": "full",
        "objective": "contrastive",
        "merging": "none",
        "start": "last",
        "deploy": "last",
    }
    row |= {
        "tuning_params": "{}",
        "objective_params": "{}",
        "merging_params": "{}",
        "repair_params": "{}",
    }
    rows.check_method(row | {"repair": "fpf", "repair_params": '{"share": 0.1}'})
    rows.check_method(row | {"repair": None})
    for said, message in (
        ({"repair": "fpv"}, "unknown 'fpv'.*Did you mean 'fpf'"),
        ({"repair": "fpf", "repair_params": '{"shares": 1}'}, "has no parameter 'shares'"),
        (
            {"repair": None, "repair_params": '{"share": 0.1}'},
            "repair_params without a repair. Name one of fpf",
        ),
    ):
        with pytest.raises(parts.PartError, match=message):
            rows.check_method(row | said)


def test_a_repair_is_a_method_of_its_own() -> None:
    """The runner gives it to the training loop as a tuning with the plain loss and no merging."""
    alone = Method(made("fpf"), CONTRASTIVE, merger("none", {}, "last", "last"))
    model = build()
    alone.tuning.begin(model, task(2, 1))
    assert torch.isfinite(alone.objective.loss(model, next(batches(1)), PLAINLY))
