"""Penalties on weights against closed forms: EWC's estimators, L2 to an anchor, SI and MAS."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from methods import Task, objective, optimizers, part
from methods.objectives import _importance
from methods.objectives.ewc import Ewc
from methods.objectives.l2_init import L2Init
from methods.objectives.mas import Mas
from methods.objectives.si import Si
from methods.parameters import weights_in_use
from methods.protocols import cut
from streams import Batch
from tests.tiny_clip import (
    PARAMS,
    PLAINLY,
    RECIPE,
    batches,
    build,
    differing,
    fresh,
    learn,
    names,
    objective_of,
    step,
    task,
    tuning,
)


def double(stream: Iterator[Batch]) -> Iterator[Batch]:
    for batch in stream:
        yield Batch(batch.images.double(), batch.texts, batch.sources)


def precise(seed: int = 0) -> nn.Module:
    return build(seed).double()


def pair_terms(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Each pair's own term, written out with log-sum-exp."""
    images, texts = model.encode_image(batch.images), model.encode_text(batch.texts)
    images, texts = (rows / rows.norm(dim=1, keepdim=True) for rows in (images, texts))
    scores = model.logit_scale.exp() * images @ texts.T
    return (scores.logsumexp(1) + scores.logsumexp(0)) / 2 - scores.diagonal()


def apart(
    model: nn.Module, other: nn.Module, importance: dict[str, torch.Tensor] | None = None
) -> float:
    """sum_i F_i (difference)^2 by numpy."""
    total = 0.0
    for (name, one), two in zip(model.named_parameters(), other.parameters(), strict=True):
        factor = 1.0 if importance is None else importance[name].double().numpy()
        total += float((factor * (one - two).detach().double().numpy() ** 2).sum())
    return total


def test_ewc_pair_estimator_is_autograd_of_each_pairs_log_sum_exp() -> None:
    model, what = precise(), Ewc(fisher_pairs=20, fisher_batch_pairs=8, estimator="pair")
    what.end(model, fresh(double(batches(1))), PLAINLY)
    first, second = (batch for batch, _ in zip(double(batches(1)), range(2), strict=False))
    groups = [
        Batch(b.images[n::2], b.texts[n::2], b.sources[n::2])
        for b in (first, second)
        for n in range(2)
    ][:3]  # 24 pairs
    expected: dict[str, torch.Tensor] = {
        name: torch.zeros_like(p) for name, p in model.named_parameters()
    }
    for group in groups:
        for pair in range(8):
            found = torch.autograd.grad(pair_terms(model, group)[pair], list(model.parameters()))
            for name, gradient in zip(expected, found, strict=True):
                expected[name] += gradient.square() / 24
    for name, squares in expected.items():
        torch.testing.assert_close(
            what.state_dict()[f"fisher.{name}"], squares, rtol=1e-6, atol=1e-16
        )


def test_ewc_batch_estimator_takes_the_groups_it_is_told_to() -> None:
    """The Fisher is the mean over 4 groups of the squared gradient of each one's mean term.

    Smaller groups have larger squares.
    """
    model, what = precise(), Ewc(fisher_pairs=16, fisher_batch_pairs=4)
    what.end(model, fresh(double(batches(1))), PLAINLY)
    batch = next(double(batches(1)))
    expected: dict[str, torch.Tensor] = {
        name: torch.zeros_like(p) for name, p in model.named_parameters()
    }
    for n in range(4):
        group = Batch(batch.images[n::4], batch.texts[n::4], batch.sources[n::4])
        assert len(set(group.sources.tolist())) == 3, "each group has its share of every source"
        found = torch.autograd.grad(pair_terms(model, group).mean(), list(model.parameters()))
        for name, gradient in zip(expected, found, strict=True):
            expected[name] += gradient.square() / 4
    for name, squares in expected.items():
        torch.testing.assert_close(
            what.state_dict()[f"fisher.{name}"], squares, rtol=1e-6, atol=1e-16
        )


@pytest.mark.parametrize(
    ("pairs", "sizes"), [(0, [16]), (16, [16]), (99, [16]), (7, [6, 5, 5]), (1, [1] * 16)]
)
def test_groups_cover_a_batch(pairs: int, sizes: list[int]) -> None:
    batch = next(batches(1))
    groups = list(cut(batch, pairs))
    assert [len(group.texts) for group in groups] == sizes
    joined = torch.cat([group.texts for group in groups])
    assert sorted(joined.tolist()) == sorted(batch.texts.tolist())


@pytest.mark.parametrize("anchor", ["initial", "start"])
def test_l2_init_is_the_squared_distance_by_numpy(anchor: str) -> None:
    start, model, initial = precise(1), precise(2), precise(3)
    what = L2Init(weight=0.3, anchor=anchor)
    what.begin(start, Task(2, 5, initial.state_dict()))
    expected = 0.3 * apart(model, initial if anchor == "initial" else start)
    assert float(what.loss(model, next(batches(1)), PLAINLY).detach()) == pytest.approx(
        expected, rel=1e-6
    )
    assert bool(what.state_dict()) == (anchor == "start"), (
        "the untouched backbone is told, not stored"
    )
    what.end(model, fresh(batches(1)), PLAINLY)
    assert not what.state_dict()


@pytest.mark.parametrize("tuned", ["full", "lora"])
def test_l2_init_keeps_weights_nearer(tuned: str) -> None:
    def drift(weight: float) -> float:
        model = build()
        learn(
            model,
            tuning(tuned),
            objective("contrastive+l2_init", {"l2_init": {"weight": weight}}),
            15,
        )
        return apart(model, build())

    assert drift(10.0) < 0.5 * drift(0.0)


def test_mas_importance_is_autograd_of_the_squared_cosines() -> None:
    model, what = precise(), Mas(weight=3.0, alpha=0.25, importance_pairs=32)
    means = []
    for number in (1, 2):
        what.end(model, fresh(double(batches(number))), PLAINLY)
        mean = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        for batch, _ in zip(double(batches(number)), range(2), strict=False):
            images, texts = model.encode_image(batch.images), model.encode_text(batch.texts)
            cosines = (images @ texts.T) / images.norm(dim=1)[:, None] / texts.norm(dim=1)[None, :]
            found = torch.autograd.grad(
                (cosines**2).sum(1).mean(),
                list(model.parameters()),
                materialize_grads=True,
                allow_unused=True,
            )
            for name, gradient in zip(mean, found, strict=True):
                mean[name] += gradient.abs() / 2
        means.append(mean)
    expected = {name: 0.25 * means[0][name] + 0.75 * means[1][name] for name in means[0]}
    for name, importance in expected.items():
        torch.testing.assert_close(
            what.state_dict()[f"importance.{name}"], importance, rtol=1e-6, atol=1e-14
        )
    assert float(what.state_dict()["importance.logit_scale"]) == 0
    away = precise(1)
    assert float(what.loss(away, next(batches(3)), PLAINLY).detach()) == pytest.approx(
        3.0 * apart(away, model, expected), rel=1e-6
    )


def used(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights_in_use(model).items()}


@pytest.mark.parametrize("clip_norm", [None, 1e-3])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_si_is_the_path_integral_of_autograds_gradient_and_the_optimizers_step(
    name: str, clip_norm: float | None
) -> None:
    model, contrastive = precise(), objective("contrastive", {})
    both = objective("contrastive+si", {"si": {"weight": 0.7, "xi": 0.1}})
    what = both.terms["si"]  # type: ignore[attr-defined]
    assert isinstance(what, Si)
    earlier = {key: np.zeros(parameter.shape) for key, parameter in model.named_parameters()}
    for number in (1, 2):
        both.begin(model, task(number))
        optimizer = optimizers.optimizer(name, list(model.parameters()), RECIPE)
        gradients, walk = [], [used(model)]
        for batch, _ in zip(double(batches(number)), range(3), strict=False):
            alone = copy.deepcopy(model)
            found = torch.autograd.grad(
                contrastive.loss(alone, batch, PLAINLY), list(alone.parameters())
            )
            gradients.append(
                {key: g for (key, _), g in zip(alone.named_parameters(), found, strict=True)}
            )
            (
                both.loss(model, batch, PLAINLY) * 8.0
            ).backward()  # as a loss scale of fp16 would have it
            for parameter in model.parameters():
                parameter.grad /= 8.0
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            with both.stepping(model, 8.0):
                optimizer.step()
            optimizer.zero_grad()
            walk.append(used(model))
        both.end(model, fresh(batches(number)), PLAINLY)
        earlier = {
            key: np.maximum(0, held + gained(gradients, walk, key)) for key, held in earlier.items()
        }
    for key, importance in earlier.items():
        torch.testing.assert_close(
            what.state_dict()[f"importance.{key}"], torch.tensor(importance), rtol=1e-6, atol=1e-12
        )
    start, away = copy.deepcopy(model), precise(5)
    what.begin(start, task(3))
    expected = 0.7 * apart(
        away, start, {key: torch.tensor(value) for key, value in earlier.items()}
    )
    assert expected > 0
    assert float(what.loss(away, next(batches(3)), PLAINLY).detach()) == pytest.approx(
        expected, rel=1e-6
    )


def gained(
    gradients: list[dict[str, torch.Tensor]], walk: list[dict[str, torch.Tensor]], key: str
) -> np.ndarray:
    """Return the importance that a weight gains by one task; xi is 0.1.

    From the gradients of the task's loss and the weights before, between and after its steps.
    """
    steps = zip(gradients, walk[:-1], walk[1:], strict=True)
    path = sum(
        -(gradient[key] * (after[key] - before[key])).numpy() for gradient, before, after in steps
    )
    return path / ((walk[-1][key] - walk[0][key]).numpy() ** 2 + 0.1)


@pytest.mark.parametrize("name", names("methods/tuning"))
def test_si_sees_what_moves_under_every_tuning(name: str) -> None:
    """The path follows autograd's gradient by the weight in use, of the weights that move.

    What a tuning holds still gains nothing.
    """
    model, how, both = build(), tuning(name), objective("contrastive+si", {})
    what = both.terms["si"]  # type: ignore[attr-defined]
    torch.manual_seed(1)
    both.begin(model, task())
    optimizer, stream = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE), batches(1)
    walk, gradients = [used(model)], []
    for batch, _ in zip(stream, range(3), strict=False):
        plain = build()
        plain.load_state_dict(used(model), strict=False)
        found = torch.autograd.grad(
            objective("contrastive", {}).loss(plain, batch, PLAINLY), list(plain.parameters())
        )
        gradients.append(
            {key: g for (key, _), g in zip(plain.named_parameters(), found, strict=True)}
        )
        step(model, how, both, optimizer, batch)
        walk.append(used(model))
    moved = {
        key for key in walk[0] if any(not torch.equal(walk[0][key], later[key]) for later in walk)
    }
    paths = {
        key.removeprefix("path."): tensor
        for key, tensor in what.state_dict().items()
        if key.startswith("path.")
    }
    assert moved and {key for key, path in paths.items() if bool(path.any())} == moved
    for key in moved:
        steps = zip(gradients, walk[:-1], walk[1:], strict=True)
        expected = sum(
            -(gradient[key] * (after[key] - before[key])) for gradient, before, after in steps
        )
        torch.testing.assert_close(
            paths[key], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
        )
    how.end(model)
    both.end(model, fresh(stream), PLAINLY)


def test_si_leaves_a_step_out_that_overflowed() -> None:
    """As fp16 does: the gradient is not finite, and the optimizer does not move."""
    model, both = build(), objective("contrastive+si", {})
    both.begin(model, task())
    (both.loss(model, next(batches(1)), PLAINLY) * torch.inf).backward()
    with both.stepping(model, 65536.0):
        pass
    assert all(
        bool((tensor == 0).all())
        for key, tensor in both.state_dict().items()
        if key.startswith("si.path.")
    )
    assert not any(parameter._backward_hooks for parameter in model.parameters()), (
        "no hook outlives its step"
    )


@pytest.mark.parametrize("tuned", ["full", "lora"])
def test_si_keeps_weights_nearer(tuned: str) -> None:
    def drift(weight: float) -> float:
        model, what = build(), objective("contrastive+si", {"si": {"weight": weight, "xi": 1e-3}})
        learn(model, tuning(tuned), what, 10)
        before = copy.deepcopy(model)
        learn(model, tuning(tuned), what, 15, number=2)
        return apart(model, before)

    assert drift(1e3) < 0.8 * drift(0.0)


def test_penalties_that_are_zero_move_nothing_else() -> None:
    """Joined with weight 0, a penalty leaves training as it was, to the bit."""
    plain = build()
    learn(plain, tuning("full"), objective("contrastive", {}), 4)
    for name in ("ewc", "si", "mas", "l2_init"):
        model = build()
        learn(
            model,
            tuning("full"),
            objective(f"contrastive+{name}", {name: PARAMS.get(name, {}) | {"weight": 0.0}}),
            4,
        )
        assert not differing(plain.state_dict(), model.state_dict()), name


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ewc", {"fisher_batch_pairs": -1}, r"ewc takes no negative number"),
        ("l2_init", {"anchor": "stat"}, r"unknown anchor 'stat'. Allowed: initial, start"),
        ("l2_init", {"weight": -1.0}, r"l2_init takes no negative weight, not -1.0"),
        ("mas", {"alpha": 1.5}, r"alpha in \[0, 1\]"),
        ("mas", {"weight": -1.0}, r"mas takes no negative number"),
        ("si", {"xi": 0.0}, r"si takes weight >= 0 and xi > 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        part("objectives", name, params)


def visual_projection(name: str, half: bool) -> torch.Tensor:
    """Its importance after a task whose gradients are so small that they would be zero in fp16."""
    model, what = build(), part("objectives", name, PARAMS[name])
    with torch.no_grad():
        model.visual.proj *= 1e4  # unit norm takes it away again, and what is before it gets gradients smaller by as much
        model.logit_scale.fill_(-7.0)
    with torch.autocast("cpu", dtype=torch.float16, enabled=half):
        what.end(model, fresh(batches(1)), PLAINLY)
    return what.state_dict()["fisher.visual.proj" if name == "ewc" else "importance.visual.proj"]


@pytest.mark.parametrize("scale", [2.0**16, 2.0**60], ids=["as it is", "too large to begin with"])
@pytest.mark.parametrize("name", ["ewc", "mas"])
def test_importance_under_fp16_is_that_of_full_precision(
    name: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the enlarged loss overflows, a smaller one is taken."""
    monkeypatch.setattr(_importance, "FP16_SCALE", scale)
    found, expected = visual_projection(name, half=True), visual_projection(name, half=False)
    assert (
        bool(found.isfinite().all()) and float((found - expected).norm() / expected.norm()) < 0.05
    )


def test_without_an_enlarged_loss_importance_would_be_lost_in_fp16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_importance, "FP16_SCALE", 1.0)
    found, expected = visual_projection("ewc", half=True), visual_projection("ewc", half=False)
    assert float((found - expected).norm() / expected.norm()) > 0.5


def test_a_scale_that_is_a_tensor_is_divided_by_as_a_number_is() -> None:
    """The path of `si` under fp16, whose scale of the loss is never asked for."""
    states = []
    for scale in (2.0**16, torch.tensor(2.0**16)):
        model, what, how = build(), objective_of("si"), tuning("full")
        stepping = what.stepping
        what.stepping = lambda model, _, scale=scale, stepping=stepping: stepping(model, scale)  # type: ignore[method-assign, misc]
        torch.manual_seed(1)
        learn(model, how, what, 3)
        states.append(what.state_dict())
    number, tensor = states
    assert number.keys() == tensor.keys()
    assert any(bool(term.any()) for term in number.values())
    assert all(torch.equal(term, tensor[name]) for name, term in number.items())
