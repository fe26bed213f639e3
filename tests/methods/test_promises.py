"""What tunings that protect directions, or freeze entries, promise of the weights themselves.

Each promise is held after many steps, over several tasks, with every optimizer, with weight decay
and without it.
"""

import itertools
from collections.abc import Iterator

import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from methods import Tuning, Weights, objective, optimizers, part
from tests.tiny_clip import (
    RECIPE,
    TEXT,
    VISION,
    batches,
    build,
    differing,
    names,
    snapshot,
    step,
    task,
    tuning,
)

CONTRASTIVE = objective("contrastive", {})
OPTIMIZERS = ("adamw", "adamw_8bit", "muon", "sgd")
DECAYS = (0.0, 0.2)
TASKS = 3
# The matrices of tiny_clip's blocks
MATRICES = ("in_proj_weight", "out_proj.weight", "c_fc.weight", "c_proj.weight")

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


def rounding(weight: Tensor, steps: int) -> float:
    """Bound the norm of what steps round: each number of a float32, to half of its last bit."""
    return steps * torch.finfo(torch.float32).eps / 2 * float(weight.norm())


def assert_outside(basis: Tensor, before: Tensor, after: Tensor, steps: int) -> None:
    """Hold a change (rows, columns) to be 0 to rounding in the span of orthonormal columns."""
    change = (after - before).double()
    within = float((basis.double().T @ change).norm())
    assert within <= 1e-5 * float(change.norm()) + rounding(before, steps)


def protected(how: Tuning) -> dict[str, Tensor]:
    """M of each weight, as coso keeps it."""
    return {
        key.removeprefix("past."): tensor
        for key, tensor in how.state_dict().items()
        if key.startswith("past.")
    }


def kept(how: Tuning, kind: str) -> dict[str, Tensor]:
    """Return what a tuning remembers of each weight, by the name of the weight."""
    found = {}
    for key, tensor in how.state_dict().items():
        if key.startswith(f"{kind}."):
            found[key.removeprefix(f"{kind}.")] = tensor.clone()
    return found


@every_optimizer
@every_decay
def test_coso_does_not_move_what_it_protects(optimizer: str, decay: float) -> None:
    model, how = build(), part("tuning", "coso", {"rank": 8, "gap": 5, "energy": 0.5})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, optimizer, decay, number, 10):
            pass
        past = protected(how)
        how.end(model)
        assert bool(past) == (number > 1)
        for name, basis in past.items():
            after = model.state_dict()[name]
            assert 0 < basis.shape[1] < len(basis)
            assert float((after - before[name]).norm()) > 1e-2
            assert_outside(basis, before[name], after, 10)
            eye = torch.eye(basis.shape[1])
            torch.testing.assert_close(basis.T @ basis, eye, atol=1e-5, rtol=0)


@every_decay
def test_coso_with_its_defaults_does_not_move_what_it_protects(decay: float) -> None:
    """On the widths of the procedural world, where `rank` exceeds what gradients have left."""
    model, how = world_wide(), part("tuning", "coso", {})
    for number in range(1, 6):
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


@every_optimizer
@every_decay
def test_osf_that_projects_its_steps_does_not_move_the_frozen_subspaces(
    optimizer: str, decay: float
) -> None:
    model, how = build(), part("tuning", "osf", {"project_step": True})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, optimizer, decay, number, 10):
            pass
        frozen = {name: (tail.left_high, tail.right_high) for name, tail in how.updates(model)}
        how.end(model)
        for name, (left, right) in frozen.items():
            after = model.state_dict()[name]
            assert float((after - before[name]).norm()) > 1e-2
            assert_outside(left, before[name], after, 10)
            assert_outside(right.T, before[name].T, after.T, 10)


@every_optimizer
@every_decay
@pytest.mark.parametrize("name", ["inflora", "keeplora"])
def test_confined_updates_do_not_move_what_is_held(name: str, optimizer: str, decay: float) -> None:
    """A layer answers an input that is held as before, to rounding, after every later task."""
    params = {"energy": 0.5} | ({"weight_energy": 0.3} if name == "keeplora" else {})
    model, how = build(), part("tuning", name, {"rank": 3} | params)
    for number in range(1, TASKS + 1):
        before, held = snapshot(model), kept(how, "held")
        for _ in steps_of(model, how, optimizer, decay, number, 10):
            pass
        how.end(model)
        assert bool(held) == (number > 1)
        for key, projection in held.items():
            after = model.state_dict()[key]
            torch.testing.assert_close(projection @ projection, projection, atol=1e-5, rtol=0)
            assert 0 < float(projection.trace()) < len(projection) - 1
            assert float((after - before[key]).norm()) > 1e-3
            assert_outside(projection, before[key].T, after.T, 10)


@every_optimizer
@every_decay
def test_nusa_does_not_move_the_principal_subspaces(optimizer: str, decay: float) -> None:
    """On either side of each of the matrices that are stacked, as they are when a task begins."""
    model, how = build(), part("tuning", "nusa", {"energy": 0.8})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, optimizer, decay, number, 10):
            pass
        how.end(model)
        changed = differing(before, model.state_dict())
        assert changed and all(".attn." in name for name in changed)
        for name in changed:
            parts = 3 if name.endswith("in_proj_weight") else 1
            pairs = zip(
                before[name].chunk(parts), model.state_dict()[name].chunk(parts), strict=True
            )
            for was, now in pairs:
                left, values, right = torch.linalg.svd(was, full_matrices=False)
                shares = values.square().cumsum(0) / values.square().sum()
                principal = int((shares < 0.8).sum()) + 1
                assert float((now - was).norm()) > 1e-3
                assert_outside(left[:, :principal], was, now, 10)
                assert_outside(right[:principal].T, was.T, now.T, 10)


@every_optimizer
@every_decay
def test_gnsp_that_projects_its_steps_moves_in_the_null_space_alone(
    optimizer: str, decay: float
) -> None:
    model, how = build(), part("tuning", "gnsp", {"rho": 0.4, "project_step": True})
    for number in range(1, TASKS + 1):
        before = snapshot(model)
        for _ in steps_of(model, how, optimizer, decay, number, 10):
            pass
        null = kept(how, "null")
        how.end(model)
        assert bool(null) == (number > 1)
        for key, projection in null.items():
            after = model.state_dict()[key]
            assert float((after - before[key]).norm()) > 1e-3
            others = torch.eye(len(projection)) - projection
            assert 0 < float(others.trace()) < len(projection)
            assert_outside(others, before[key].T, after.T, 10)


def test_gnsp_as_published_leaves_the_null_space_under_adam() -> None:
    """What the page says of the default, for which the option above exists."""
    model, how = build(), part("tuning", "gnsp", {"rho": 0.4})
    for number in (1, 2):
        before = snapshot(model)
        for _ in steps_of(model, how, "adamw", 0.0, number, 15):
            pass
        null = kept(how, "null")
        how.end(model)
    shares = []
    for key, projection in null.items():
        change = model.state_dict()[key] - before[key]
        shares.append(float((change - change @ projection).norm() / change.norm()))
    assert min(shares) > 0.05


@every_optimizer
@every_decay
def test_spu_moves_the_chosen_entries_alone(optimizer: str, decay: float) -> None:
    model, how = build(), part("tuning", "spu", {"share": 0.1})
    for number in range(1, TASKS + 1):
        weights = list(steps_of(model, how, optimizer, decay, number, 8))
        stays = kept(how, "stays")
        how.end(model)
        assert not differing(weights[0], weights[1]), "the first step scores"
        for key, mask in stays.items():
            assert key.endswith("mlp.c_fc.weight")
            moved = weights[0][key] != weights[-1][key]
            assert torch.equal(moved, ~mask)
            assert int(moved.sum()) == int(0.1 * moved.numel())


def test_osf_as_in_peft_moves_the_frozen_subspaces_under_adam() -> None:
    """What the page says of the default, for which the option above exists."""
    model, how = build(), part("tuning", "osf", {})
    before = snapshot(model)
    for _ in steps_of(model, how, "adamw", 0.0, 1, 15):
        pass
    frozen = {name: tail.left_high for name, tail in how.updates(model)}
    how.end(model)
    shares = []
    for name, left in frozen.items():
        change = model.state_dict()[name] - before[name]
        shares.append(float((left.T @ change).norm() / change.norm()))
    assert 0.03 < sum(shares) / len(shares) < 0.3


@every_optimizer
@every_decay
def test_galore_moves_in_its_subspaces_alone(optimizer: str, decay: float) -> None:
    """Between two projections the whole change, but for the decay, is of the rank of one."""
    gap, rank, lr = 4, 3, float(recipe(optimizer, decay)["lr"])
    model, how = build(), part("tuning", "galore", {"rank": rank, "gap": gap})
    for number in range(1, TASKS + 1):
        weights = list(steps_of(model, how, optimizer, decay, number, 2 * gap))
        names = [name for name in weights[0] if name.endswith(MATRICES)]
        how.end(model)
        for name, first in itertools.product(names, range(0, 2 * gap, gap)):
            kept = (1 - lr * decay) ** gap * weights[first][name].double()
            values = torch.linalg.svdvals(weights[first + gap][name].double() - kept)
            assert values[0] > 1e-4, (number, name)
            assert values[rank] < 1e-4 * values[0] + rounding(kept, gap), (number, name)


@every_optimizer
@every_decay
def test_hft_moves_half_of_each_block_and_nothing_else(optimizer: str, decay: float) -> None:
    """By rows, as the queries, keys and values of a block are one matrix."""
    model, how, halves = build(), part("tuning", "hft", {}), []
    for number in range(1, TASKS + 1):
        first, *_, last = steps_of(model, how, optimizer, decay, number, 10)
        how.end(model)
        half = set()
        for name in first:
            if first[name].ndim < 2:
                continue
            moved = (first[name] != last[name]).flatten(1).any(dim=1)
            if name.endswith("attn.in_proj_weight"):
                thirds = [bool(third.any()) for third in moved.chunk(3)]
                assert thirds == [bool(third.all()) for third in moved.chunk(3)]
                half |= {f"{name}.{third}" for third in range(3) if thirds[third]}
            elif name.endswith(("attn.out_proj.weight", "c_fc.weight", "c_proj.weight")):
                assert bool(moved.any()) == bool(moved.all()), name
                half |= {name} if bool(moved.any()) else set()
        assert len(half) == 4 * 3, "of four blocks two of four, and one of two"
        halves.append(half)
    assert len({frozenset(half) for half in halves}) > 1, "another half in each task"


@every_optimizer
@every_decay
def test_migu_moves_the_loud_rows_alone_in_every_step(optimizer: str, decay: float) -> None:
    """From the second task on; the first has nothing to protect."""
    model, how = build(), part("tuning", "migu", {"quantile": 0.7})
    for number in range(1, TASKS + 1):
        weights = list(steps_of(model, how, optimizer, decay, number, 6))
        how.end(model)
        names = [name for name in weights[0] if name.endswith(MATRICES)]
        for name, (before, after) in itertools.product(names, itertools.pairwise(weights)):
            moved = int((before[name] != after[name]).any(dim=1).sum())
            rows = len(before[name])
            loud = rows - int(0.7 * rows)
            assert moved == (loud if number > 1 else rows), (number, name)


@pytest.mark.parametrize("name", names("methods/tuning"))
@every_optimizer
@every_decay
def test_what_a_tuning_freezes_does_not_move_by_a_bit(
    name: str, optimizer: str, decay: float
) -> None:
    """Masks of whole parameters: towers, norms, biases, and what low-rank updates leave out."""
    model, how = build(), tuning(name)
    for number in range(1, 3):
        torch.manual_seed(number)
        before = snapshot(model)
        parameters = {id(parameter) for parameter in how.begin(model, task(number, 3))}
        moving = {key for key, tensor in model.named_parameters() if id(tensor) in parameters}
        # What is computed moves with what it is computed from
        moving |= {key.replace(".parametrizations", "").rpartition(".0.")[0] for key in moving}
        how.end(model)
        for _ in steps_of(model, how, optimizer, decay, number, 3):
            pass
        how.end(model)
        changed = set(differing(before, model.state_dict()))
        assert changed <= moving
        assert changed or not parameters
