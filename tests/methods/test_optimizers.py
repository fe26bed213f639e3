"""The optimizers against torch's own, exact resumption of each, and what their settings do."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from torchao.optim.quant_utils import create_dynamic_map
from torchao.optim.subclass_8bit import get_qmap_signed, get_qmap_unsigned

from methods import objective
from methods.optimizers import Joined, memory, optimizer, remember
from methods.parameters import moving
from runner.worker import checkpoint
from schema.checks import parts, rows
from schema.checks.sentences import AVERAGING, check_average
from tests.tiny_clip import PLAINLY, RECIPE, batches, build, differing, names, step, task, tuning

OPTIMIZERS = parts.names("methods/optimizers.py")
CONTRASTIVE, FULL = objective("contrastive", {}), tuning("full")


FUSED = {"fused": True}


def made(name: str, model: nn.Module, **params: Any) -> torch.optim.Optimizer:
    return optimizer(name, moving(model), RECIPE | {"optimizer_params": params})


@pytest.mark.parametrize(
    ("name", "tuned"),
    [
        (name, tuned)
        for name in OPTIMIZERS
        for tuned in names("methods/tuning")
        if name != AVERAGING or not parts.steps_itself(tuned)
    ],
)
def test_it_goes_on_from_its_state_to_the_last_bit(name: str, tuned: str) -> None:
    stream = batches(1)
    drawn = [next(stream) for _ in range(6)]
    model = build()
    torch.manual_seed(1)
    how, again = tuning(tuned), tuning(tuned)
    first = optimizer(name, how.begin(model, task()), RECIPE)
    for batch in drawn[:3]:
        step(model, how, CONTRASTIVE, first, batch)
    resumed = build(seed=4)
    torch.manual_seed(1)
    second = optimizer(name, again.begin(resumed, task()), RECIPE)
    resumed.load_state_dict(model.state_dict())
    again.load_state_dict(how.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for batch in drawn[3:]:
        step(model, how, CONTRASTIVE, first, batch)
        step(resumed, again, CONTRASTIVE, second, batch)
    assert not differing(model.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_learns(name: str) -> None:
    model, stream = build(), batches(1)
    trained = made(name, model)
    for group in trained.param_groups:
        group["lr"] = 1e-3 if name != "sgd" else 0.1
    losses = [step(model, FULL, CONTRASTIVE, trained, next(stream)) for _ in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_schedule_moves_every_group(name: str) -> None:
    """With the learning rate set to zero nothing moves, weight decay included."""
    model, before = build(), build()
    trained = made(name, model)
    for group in trained.param_groups:
        group["lr"] = 0.0
    step(model, FULL, CONTRASTIVE, trained, next(batches(1)))
    assert not differing(model.state_dict(), before.state_dict())
    assert all(parameter.grad is None for parameter in model.parameters()), (
        "zero_grad reaches every group"
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_reaches_every_parameter(name: str) -> None:
    """With gradients of zero, decay alone moves what is not zero."""
    model, before = build(), build()
    trained = made(name, model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trained.step()
    for key, parameter in model.named_parameters():
        expected = before.get_parameter(key) * (1 - RECIPE["lr"] * RECIPE["weight_decay"])
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-7)


def spared_by_open_clip(name: str, parameter: nn.Parameter) -> bool:
    """What open_clip's training leaves without weight decay, by name and dimensions."""
    words = ("bn", "ln", "bias", "logit_scale")
    return parameter.ndim < 2 or any(word in name for word in words)


def test_the_tiny_clip_has_gains_and_biases_to_spare() -> None:
    """Of its 62 tensors open_clip spares 40."""
    named = list(build().named_parameters())
    assert (len(named), sum(spared_by_open_clip(*item) for item in named)) == (62, 40)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_of_matrices_spares_what_open_clip_spares(name: str) -> None:
    model, before = build(), build()
    trained = made(name, model, decay="matrices")
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trained.step()
    for key, parameter in model.named_parameters():
        decays = not spared_by_open_clip(key, parameter)
        shrunk = 1 - RECIPE["lr"] * RECIPE["weight_decay"] * decays
        expected = before.get_parameter(key) * shrunk
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-7)
        assert decays or torch.equal(parameter, before.get_parameter(key)), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_of_matrices_goes_on_to_the_last_bit(name: str) -> None:
    model, resumed, stream = build(), build(seed=4), batches(1)
    first = made(name, model, decay="matrices")
    for _ in range(2):
        step(model, FULL, CONTRASTIVE, first, next(stream))
    second = made(name, resumed, decay="matrices")
    resumed.load_state_dict(model.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    kept, carried = memory(first, dict(model.named_parameters())), build(seed=5)
    third = made(name, carried, decay="matrices")
    carried.load_state_dict(model.state_dict())
    remember(third, dict(carried.named_parameters()), kept)
    batch = next(stream)
    for each, its in ((model, first), (resumed, second), (carried, third)):
        step(each, FULL, CONTRASTIVE, its, batch)
    assert not differing(model.state_dict(), resumed.state_dict())
    assert not differing(model.state_dict(), carried.state_dict())


def test_weight_decay_of_matrices_is_two_groups_of_torchs_own() -> None:
    model, other = build(), build()
    ours = made("adamw", model, decay="matrices")
    named = list(other.named_parameters())
    spared = [parameter for name, parameter in named if spared_by_open_clip(name, parameter)]
    others = [parameter for name, parameter in named if not spared_by_open_clip(name, parameter)]
    groups = [{"params": others}, {"params": spared, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"])
    for seed in range(3):
        step(model, FULL, CONTRASTIVE, ours, next(batches(seed)))
        step(other, FULL, CONTRASTIVE, theirs, next(batches(seed)))
    assert not differing(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("tuned", ["bitfit", "lora", "first_task_only"])
def test_weight_decay_of_matrices_needs_no_matrices_and_nothing_else(name: str, tuned: str) -> None:
    """Biases alone, matrices alone, and a task in which nothing moves."""
    how, model = tuning(tuned), build()
    recipe = RECIPE | {"optimizer_params": {"decay": "matrices"}}
    parameters = how.begin(model, task(2))
    trained = optimizer(name, parameters, recipe)
    if parameters:
        step(model, how, CONTRASTIVE, trained, next(batches(1)))
    decays = {group["weight_decay"] for group in trained.param_groups}
    assert decays == {RECIPE["weight_decay"] if tuned == "lora" else 0.0}


def test_what_weight_decay_acts_on_is_one_of_three_words() -> None:
    row = {"name": "r", "optimizer": "adamw", "schedule": "cosine", "schedule_params": {}}
    row |= {"augmentation_params": {}, "precision": "fp32", "batch_pairs": 8}
    for word in parts.DECAYS:
        rows.check_recipe(row | {"optimizer_params": {"decay": word}})
    message = r"recipe 'r': decay is 'all' .*, 'matrices' .* or 'open_clip' .*, not 'gains'"
    with pytest.raises(parts.PartError, match=message):
        rows.check_recipe(row | {"optimizer_params": {"decay": "gains"}})


@pytest.mark.parametrize(
    ("name", "theirs", "params"),
    [
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.9), "eps": 1e-3}),
        ("adamw", torch.optim.AdamW, {}),
        ("sgd", torch.optim.SGD, {"momentum": 0.5, "nesterov": True}),
    ],
)
def test_it_is_torchs_own_with_these_settings(
    name: str, theirs: type[torch.optim.Optimizer], params: dict[str, Any]
) -> None:
    model, other = build(), build()
    ours = made(name, model, **params)
    reference = theirs(
        other.parameters(), lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"], **params
    )
    for batch, again in zip(
        (next(batches(n)) for n in range(4)), (next(batches(n)) for n in range(4)), strict=True
    ):
        step(model, FULL, CONTRASTIVE, ours, batch)
        step(other, FULL, CONTRASTIVE, reference, again)
    assert not differing(model.state_dict(), other.state_dict())


def test_muon_takes_the_matrices_of_blocks_and_adamw_the_rest() -> None:
    """Embeddings and projections are matrices too, and are not for Muon."""
    model = build()
    joined = made("muon", model)
    assert isinstance(joined, Joined)
    kinds = {type(part): {id(p) for p in part.param_groups[0]["params"]} for part in joined.parts}
    for key, parameter in model.named_parameters():
        in_block = "resblocks." in key and parameter.ndim == 2
        assert id(parameter) in kinds[torch.optim.Muon if in_block else torch.optim.AdamW], key
    assert sum(len(found) for found in kinds.values()) == len(list(model.parameters()))


def test_muon_is_torchs_own_on_its_share() -> None:
    model, other, params = (
        build(),
        build(),
        {"momentum": 0.9, "ns_steps": 3, "betas": (0.8, 0.9), "eps": 1e-4},
    )
    ours = made("muon", model, **params)
    shares: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for key, parameter in other.named_parameters():
        shares["resblocks." in key and parameter.ndim == 2].append(parameter)
    common = {"lr": RECIPE["lr"], "weight_decay": RECIPE["weight_decay"]}
    theirs = (
        torch.optim.Muon(
            shares[True], momentum=0.9, ns_steps=3, adjust_lr_fn="match_rms_adamw", **common
        ),
        torch.optim.AdamW(shares[False], betas=(0.8, 0.9), eps=1e-4, **common),
    )
    for n in range(4):
        step(model, FULL, CONTRASTIVE, ours, next(batches(n)))
        CONTRASTIVE.loss(other, next(batches(n)), PLAINLY).backward()
        for each in theirs:
            each.step()
            each.zero_grad()
    assert not differing(model.state_dict(), other.state_dict())


def test_muon_works_where_one_kind_is_missing() -> None:
    model = build()
    low_rank = optimizer("muon", tuning("lora").begin(model, task()), RECIPE)
    assert [type(part) for part in low_rank.parts] == [torch.optim.Muon], (
        "low-rank factors are matrices of blocks"
    )
    only = moving(nn.Linear(2, 2))
    assert [type(part) for part in optimizer("muon", only, RECIPE).parts] == [torch.optim.AdamW]


def test_muon_refuses_parameters_that_do_not_say_where_they_are() -> None:
    with pytest.raises(ValueError, match=r"these parameters do not say: return moving\(model\)"):
        optimizer("muon", list(nn.Linear(2, 2).parameters()), RECIPE)


def test_a_joined_optimizer_takes_a_closure_as_torchs_do() -> None:
    model, batch = build(), next(batches(1))
    trained = made("muon", model)

    def closure() -> float:
        loss = CONTRASTIVE.loss(model, batch, PLAINLY)
        loss.backward()
        return float(loss.detach())

    before = build()
    assert trained.step(closure) > 0
    assert differing(model.state_dict(), before.state_dict())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_memory_goes_by_the_names_of_parameters(name: str) -> None:
    """Another optimizer over the same model goes on as the first would have.

    What moves for the first time begins afresh.
    """
    model, stream = build(), batches(1)
    first = made(name, model)
    for _ in range(3):
        step(model, FULL, CONTRASTIVE, first, next(stream))
    kept = memory(first, dict(model.named_parameters()))
    other, batch = build(seed=5), next(stream)
    other.load_state_dict(model.state_dict())
    second = made(name, other, carry=True)
    remember(second, dict(other.named_parameters()), kept)
    step(model, FULL, CONTRASTIVE, first, batch)
    step(other, FULL, CONTRASTIVE, second, batch)
    assert not differing(model.state_dict(), other.state_dict())
    third = optimizer(name, tuning("lora").begin(other, task()), RECIPE)
    remember(third, dict(other.named_parameters()), kept)
    assert not third.state


def test_lists_from_json_are_taken_for_tuples() -> None:
    assert made("adamw", build(), betas=[0.9, 0.98]).param_groups[0]["betas"] == (0.9, 0.98)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "adam",
            {},
            r"unknown 'adam'. Known in methods/optimizers.py: adamw, adamw_8bit, adamw_schedule_free, muon, sgd, soap. "
            r"Did you mean 'adamw' or 'adamw_8bit'",
        ),
        (
            "sgd",
            {"betas": [0.9, 0.9]},
            r"optimizer 'sgd' has no parameter 'betas'. Allowed: momentum, nesterov",
        ),
        ("adamw", {"lr": 1.0}, r"no parameter 'lr'. Allowed: betas, eps"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, build(), **params)


def test_a_fused_step_is_the_same_to_rounding_and_goes_on_to_the_last_bit() -> None:
    """One kernel for all parameters; torch has one for the CPU too."""
    models = [build() for _ in range(3)]
    plain, fused, resumed = (
        made("adamw", model, **keys) for model, keys in zip(models, ({}, FUSED, FUSED), strict=True)
    )
    stream = batches(1)
    drawn = [next(stream) for _ in range(6)]
    for batch in drawn[:3]:
        step(models[0], FULL, CONTRASTIVE, plain, batch)
        step(models[1], FULL, CONTRASTIVE, fused, batch)
    models[2].load_state_dict(models[1].state_dict())
    resumed.load_state_dict(copy.deepcopy(fused.state_dict()))
    for batch in drawn[3:]:
        for model, each in zip(models, (plain, fused, resumed), strict=True):
            step(model, FULL, CONTRASTIVE, each, batch)
    assert not differing(models[1].state_dict(), models[2].state_dict())
    assert differing(models[0].state_dict(), models[1].state_dict()), (
        "it rounds otherwise, or it was not fused"
    )
    for name, tensor in models[0].state_dict().items():
        if not name.endswith(
            "in_proj_bias"
        ):  # the gradient of a key's bias is nothing but rounding, which Adam makes steps of
            torch.testing.assert_close(models[1].state_dict()[name], tensor, rtol=1e-3, atol=1e-5)


def eight_bit(seed: int, **params: Any) -> tuple[nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    layer = nn.Linear(64, 64, bias=True)
    return layer, optimizer(
        "adamw_8bit", list(layer.parameters()), RECIPE | {"optimizer_params": params}
    )


def push(layer: nn.Linear, trained: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    layer.weight.grad, layer.bias.grad = torch.randn(64, 64), torch.randn(64)
    trained.param_groups[0]["lr"] = 1e-3 / (1 + seed)  # as the schedule sets it
    trained.step()


def test_eight_bits_stay_near_adamw_in_an_eighth_of_the_moments_bits() -> None:
    """4,096 weights have moments of a byte each, and a scale for each block of 256.

    The 64 biases keep theirs in full.
    """
    layer, trained = eight_bit(0, betas=[0.8, 0.9])
    other = copy.deepcopy(layer)
    full = torch.optim.AdamW(
        other.parameters(), lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"], betas=(0.8, 0.9)
    )
    start = layer.weight.detach().clone()
    for seed in range(5):
        push(layer, trained, seed)
        push(other, full, seed)
    moved, apart = (other.weight - start).norm(), (other.weight - layer.weight).norm()
    assert 0 < apart < 0.05 * moved
    torch.testing.assert_close(layer.bias, other.bias, rtol=1e-6, atol=1e-8)
    moment = trained.state_dict()["state"][0]["exp_avg"]
    assert (moment["codes"].dtype, moment["codes"].numel(), moment["scale"].numel()) == (
        torch.uint8,
        4096,
        16,
    )


def test_eight_bits_mean_the_same_after_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codes are not made of tensors that hold nothing.

    A trial counts its step on such tensors before it trains.
    """
    meaning = tuple(create_dynamic_map(signed=True)), tuple(create_dynamic_map(signed=False))
    get_qmap_signed.cache_clear()
    get_qmap_unsigned.cache_clear()
    monkeypatch.delitem(sys.modules, "methods.eight_bit", raising=False)
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False):
        push(*eight_bit(0), 1)
    assert (get_qmap_signed(), get_qmap_unsigned()) == meaning


def test_what_eight_bits_remember_is_plain_and_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    """Through a checkpoint's file, and from one task's optimizer to the next one's."""
    layer, trained = eight_bit(0)
    push(layer, trained, 1)
    names = dict(layer.named_parameters())
    checkpoint.write(
        tmp_path / "c", {}, {"state": trained.state_dict(), "memory": memory(trained, names)}
    )
    read = checkpoint.read(tmp_path / "c", json.loads((tmp_path / "c.json").read_text()))
    assert read is not None
    resumed, carried = copy.deepcopy(layer), copy.deepcopy(layer)
    again, fresh = (
        optimizer("adamw_8bit", list(each.parameters()), RECIPE) for each in (resumed, carried)
    )
    again.load_state_dict(read["state"])
    remember(fresh, dict(carried.named_parameters()), read["memory"])
    for seed in (2, 3):
        for each, its in ((layer, trained), (resumed, again), (carried, fresh)):
            push(each, its, seed)
    assert not differing(layer.state_dict(), resumed.state_dict())
    assert not differing(layer.state_dict(), carried.state_dict())


def test_without_torchao_eight_bits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "methods.eight_bit", None)
    with pytest.raises(
        parts.PartError, match=r"adamw_8bit needs torchao, .*Install it, or use adamw"
    ):
        eight_bit(0)


def test_schedule_free_is_algorithm_1_by_numpy() -> None:
    """With a rate that rises and falls, decay, and a step without a gradient; x is kept apart here."""
    rng = np.random.default_rng(0)
    start, beta1, beta2, eps, decay = rng.normal(size=(3, 4)), 0.8, 0.95, 1e-3, 0.1
    weight = nn.Parameter(torch.from_numpy(start.copy()))
    recipe = RECIPE | {"weight_decay": decay, "optimizer_params": {"betas": [beta1, beta2]}}
    recipe["optimizer_params"]["eps"] = eps
    trained = optimizer(AVERAGING, [weight], recipe)
    x, z, v, rates = start, start, np.zeros((3, 4)), list[float]()
    for rate in (0.0, 0.01, 0.02, None, 0.02, 0.005):
        if rate is None:
            weight.grad = None
            trained.step()
            continue
        rates.append(rate)
        trained.param_groups[0]["lr"] = rate
        y = (1 - beta1) * z + beta1 * x
        np.testing.assert_allclose(weight.detach(), y, rtol=0, atol=1e-12)
        gradient = rng.normal(size=(3, 4))
        v = beta2 * v + (1 - beta2) * gradient**2
        size = np.sqrt(v / (1 - beta2 ** len(rates))) + eps
        z = z - rate * (gradient / size + decay * y)
        most = [max(rates[: n + 1]) ** 2 for n in range(len(rates))]
        share = most[-1] / sum(most) if sum(most) else 0
        x = (1 - share) * x + share * z
        weight.grad = torch.from_numpy(gradient)
        trained.step()
    trained.settle()
    np.testing.assert_allclose(weight.detach(), x, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "recipe", "message"),
    [
        ({}, {"optimizer_params": {"carry": True}}, "begins each task anew.* Leave carry out"),
        ({"tuning": "hft"}, {}, "tuning 'hft' changes gradients or weights .* one of bitfit, "),
        ({"tuning": "olora"}, {}, "tuning 'olora' changes gradients"),
        ({"tuning": "keeplora"}, {}, "tuning 'keeplora' changes gradients"),
        ({"tuning": "lora"}, {}, None),
        ({"tuning": "hft"}, {"optimizer": "adamw", "optimizer_params": {"carry": True}}, None),
    ],
)
def test_what_an_average_over_steps_would_not_know_of_is_refused(
    method: dict[str, Any], recipe: dict[str, Any], message: str | None
) -> None:
    named = {"name": "m", "tuning": "full"} | method
    row = {"name": "r", "optimizer": AVERAGING, "optimizer_params": {}} | recipe
    if message is None:
        check_average(named, row)
        return
    with pytest.raises(
        parts.PartError, match=f"^method 'm' with recipe 'r': {AVERAGING}.*{message}"
    ):
        check_average(named, row)


def test_schedule_free_takes_betas_that_an_average_can_be_told_from() -> None:
    for params in ({"betas": [0.0, 0.9]}, {"betas": [0.9, 1.0]}, {"eps": 0.0}):
        with pytest.raises(ValueError, match="adamw_schedule_free takes betas above 0 up to 1"):
            made(AVERAGING, build(), **params)


def basis(gram: np.ndarray) -> np.ndarray:
    """Return the eigenvectors of a matrix as columns, that of the largest eigenvalue first."""
    return np.linalg.eigh(gram)[1][:, ::-1]


def turned_basis(gram: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a basis after a step of the power iteration, and the order of the known columns."""
    order = np.argsort(-np.diag(known.T @ gram @ known))
    return np.linalg.qr(gram @ known[:, order])[0], order


def test_soap_is_algorithm_3_by_numpy() -> None:
    """A matrix, and one whose columns are too many for a basis, with a rate that changes."""
    beta1, beta2, eps, decay = 0.8, 0.9, 1e-3, 0.1
    params = {"betas": [beta1, beta2], "eps": eps, "every": 2, "largest": 4}
    recipe = RECIPE | {"weight_decay": decay, "optimizer_params": params}
    for columns in (4, 5):
        rng = np.random.default_rng(0)
        w, right = rng.normal(size=(3, columns)), np.eye(columns)
        weight = nn.Parameter(torch.from_numpy(w.copy()))
        trained = optimizer("soap", [weight], recipe)
        m, v, rows, columns_gram = 0 * w, 0 * w, np.zeros((3, 3)), np.zeros((columns, columns))
        left = np.eye(3)
        for t, rate in enumerate((0.01, 0.02, 0.02, 0.0, 0.03, 0.01)):
            gradient = rng.normal(size=w.shape)
            if t:
                m = beta1 * m + (1 - beta1) * gradient
                v = beta2 * v + (1 - beta2) * (left.T @ gradient @ right) ** 2
                inner = left.T @ m @ right / (np.sqrt(v) + eps)
                size = rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
                w = w - size * left @ inner @ right.T
            w = w * (1 - rate * decay)
            rows = beta2 * rows + (1 - beta2) * gradient @ gradient.T
            columns_gram = beta2 * columns_gram + (1 - beta2) * gradient.T @ gradient
            if not t:
                left, right = basis(rows), basis(columns_gram) if columns == 4 else right
            elif t % 2 == 0:
                left, order = turned_basis(rows, left)
                v = v[order]
                if columns == 4:
                    right, order = turned_basis(columns_gram, right)
                    v = v[:, order]
            weight.grad = torch.from_numpy(gradient)
            trained.param_groups[0]["lr"] = rate
            trained.step()
            np.testing.assert_allclose(weight.detach(), w, rtol=0, atol=1e-10)


def test_soap_takes_a_convolution_for_a_matrix_and_a_vector_for_adams() -> None:
    """The first step of each only decays it; a vector then is moved as by Adam, a step later."""
    recipe = RECIPE | {"weight_decay": 0.0, "optimizer_params": {"betas": [0.8, 0.9]}}
    torch.manual_seed(0)
    flat, vector = torch.randn(3, 4), torch.randn(5)
    ours = [nn.Parameter(each.clone()) for each in (flat.view(3, 1, 2, 2), flat, vector)]
    adams = nn.Parameter(vector.clone())
    trained = optimizer("soap", ours, recipe)
    other = torch.optim.Adam([adams], lr=RECIPE["lr"], betas=(0.8, 0.9))
    for number in range(4):
        of_matrix, of_vector = torch.randn(3, 4), torch.randn(5)
        gradients = of_matrix.view(3, 1, 2, 2), of_matrix, of_vector
        for parameter, gradient in zip(ours, gradients, strict=True):
            parameter.grad = gradient
        trained.step()
        if number:
            adams.grad = of_vector
            other.step()
        assert torch.equal(ours[0].flatten(1), ours[1])
        # Adam's eps is beside the corrected moment, that of SOAP beside the plain one
        torch.testing.assert_close(ours[2], adams, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [{"betas": [0.9, 1.0]}, {"betas": [-0.1, 0.9]}, {"eps": 0.0}, {"every": 0}, {"largest": 0}],
)
def test_soap_refuses_what_no_step_could_be_made_of(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="soap takes betas from 0 to below 1, eps above 0, every"):
        made("soap", build(), **params)


def test_soap_begins_at_the_first_gradient_that_is_finite() -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    trained = optimizer("soap", [weight], RECIPE | {"weight_decay": 0.0})
    gradient = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    moved = []
    for each in (gradient * float("nan"), gradient, gradient):
        before = weight.detach().clone()
        weight.grad = each
        trained.step()
        moved.append(not torch.equal(weight, before))
    assert moved == [False, False, True] and bool(weight.isfinite().all())
