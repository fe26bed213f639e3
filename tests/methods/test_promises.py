"""What tunings that protect directions, or freeze entries, promise of the weights themselves.

Each promise is held after many steps, over several tasks, with every optimizer, with weight decay
and without it.
"""

from collections.abc import Iterator

import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from methods import Tuning, Weights, objective, optimizers, part
from tests.tiny_clip import RECIPE, TEXT, VISION, batches, build, differing, snapshot, step, task

CONTRASTIVE = objective("contrastive", {})
OPTIMIZERS = ("adamw", "adamw_8bit", "muon", "sgd")
DECAYS = (0.0, 0.2)
TASKS = 5

every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
every_decay = pytest.mark.parametrize("decay", DECAYS)


def recipe(optimizer: str, decay: float) -> dict[str, object]:
    """A learning rate at which each optimizer moves the weights of tiny_clip far."""
    return RECIPE | {"weight_decay": decay, "lr": 0.1 if optimizer == "sgd" else 3e-3}


def world_wide() -> CLIP:
    """tiny_clip as wide as the tiny backbone of the procedural world."""
    vision = VISION | {"width": 96, "layers": 3, "head_width": 32}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CLIP(embed_dim=64, vision_cfg=vision, text_cfg=TEXT | {"width": 64})


def steps_of(
    model: nn.Module, how: Tuning, optimizer: str, decay: float, number: int, steps: int
) -> Iterator[Weights]:
    """Yield the weights in use before the first step of a task and after each of its steps."""
    torch.manual_seed(number)
    parameters = how.begin(model, task(number, steps))
    trained = optimizers.optimizer(optimizer, parameters, recipe(optimizer, decay))
    stream = batches(number)
    yield snapshot(model)
    for _ in range(steps if parameters else 0):
        step(model, how, CONTRASTIVE, trained, next(stream))
        yield snapshot(model)


def assert_outside(basis: Tensor, before: Tensor, after: Tensor, steps: int) -> None:
    """A weight (rows, columns) did not change in the span of orthonormal columns, but by rounding.

    A step rounds each number of the weight, to half of its last bit.
    """
    change = (after - before).double()
    rounding = steps * torch.finfo(before.dtype).eps / 2 * before.double().norm()
    within = (basis.double().T @ change).norm()
    assert float(within) <= 1e-5 * float(change.norm()) + float(rounding)


def protected(how: Tuning) -> dict[str, Tensor]:
    """M of each weight, as coso keeps it."""
    return {
        key.removeprefix("past."): tensor
        for key, tensor in how.state_dict().items()
        if key.startswith("past.")
    }


@every_optimizer
@every_decay
def test_coso_does_not_move_what_it_protects(optimizer: str, decay: float) -> None:
    model, how = build(), part("tuning", "coso", {"rank": 8, "gap": 5, "energy": 0.5})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, optimizer, decay, number, 15):
            pass
        past = protected(how)
        how.end(model)
        assert bool(past) == (number > 1)
        for name, basis in past.items():
            after = model.state_dict()[name]
            assert 0 < basis.shape[1] < len(basis)
            assert float((after - before[name]).norm()) > 1e-2
            assert_outside(basis, before[name], after, 15)
            eye = torch.eye(basis.shape[1])
            torch.testing.assert_close(basis.T @ basis, eye, atol=1e-5, rtol=0)


@every_decay
def test_coso_with_its_defaults_does_not_move_what_it_protects(decay: float) -> None:
    """On the widths of the procedural world, where `rank` exceeds what gradients have left."""
    model, how = world_wide(), part("tuning", "coso", {})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, "adamw", decay, number, 22):
            pass
        past = protected(how)
        how.end(model)
        for name, basis in past.items():
            assert_outside(basis, before[name], model.state_dict()[name], 22)
    assert {len(basis) - basis.shape[1] for basis in past.values()} != {0}


@every_optimizer
@every_decay
def test_coso_does_not_move_at_all_where_everything_is_protected(
    optimizer: str, decay: float
) -> None:
    model, how = build(), part("tuning", "coso", {"gap": 3})
    names = [name for name in model.state_dict() if name.endswith("attn.out_proj.weight")]
    state = {f"past.{name}": torch.eye(len(model.get_parameter(name))) for name in names}
    how.load_state_dict(how.state_dict() | state)
    before = snapshot(model)
    for number in (2, 3):
        for _ in steps_of(model, how, optimizer, decay, number, 6):
            pass
        how.end(model)
    assert not differing(before, model.state_dict())
    assert all(torch.equal(protected(how)[name], state[f"past.{name}"]) for name in names)
