"""Promises of every objective, over the files of methods/objectives, and the formulas of each."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from methods import objective, optimizers, part
from methods.objectives._temperature import MAX_LOGIT_SCALE
from methods.objectives.contrastive import Contrastive, clip_loss
from methods.objectives.ewc import Ewc
from streams import Batch
from tests.tiny_clip import (
    PLAINLY,
    RECIPE,
    batches,
    build,
    check_golden,
    differing,
    fresh,
    learn,
    names,
    objective_of,
    snapshot,
    step,
    task,
    tuning,
    whole,
)

OBJECTIVES = names("methods/objectives")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_one_float32_and_changes_no_weight(name: str) -> None:
    model, what = build(), objective_of(name)
    learn(model, tuning("full"), what, 2)
    before = snapshot(model)
    what.begin(model, task(2))
    loss = what.loss(model, next(batches(2)), PLAINLY)
    assert (
        loss.shape == ()
        and loss.dtype == torch.float32
        and loss.requires_grad
        and bool(loss.isfinite())
    )
    what.end(model, fresh(batches(2)), PLAINLY)
    assert not differing(before, model.state_dict())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_float32_under_autocast_too(name: str) -> None:
    model, what = build(), objective_of(name)
    learn(model, tuning("full"), what, 2)
    what.begin(model, task(2))
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = what.loss(model, next(batches(2)), PLAINLY)
    assert low.dtype == torch.float32
    torch.manual_seed(2)  # what is replayed is drawn anew for each loss
    torch.testing.assert_close(
        low, what.loss(model, next(batches(2)), PLAINLY), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("tuned", names("methods/tuning"))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_goes_on_from_its_state_within_a_task_and_between_tasks(name: str, tuned: str) -> None:
    """A new process begins an objective on other weights and loads the state of the first one.

    Then both give equal losses and ends, to the bit.
    """
    model, what, how = build(), objective_of(name), tuning(tuned)
    learn(model, how, what, 2)
    learn(model, how, what, 2, number=2)
    what.begin(model, task(3))
    how.begin(model, task(3))
    state = {key: tensor.clone() for key, tensor in what.state_dict().items()}
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    resumed = objective_of(name)
    resumed.begin(build(seed=8), task(3))
    resumed.load_state_dict(state)
    assert not differing(state, resumed.state_dict())
    batch, losses = next(batches(3)), []
    for each in (what, resumed):
        torch.manual_seed(3)  # as a checkpoint restores the generator
        losses.append(each.loss(model, batch, PLAINLY))
    assert torch.equal(*losses)
    how.end(model)
    for each in (what, resumed):
        torch.manual_seed(4)
        each.end(model, fresh(batches(4)), PLAINLY)
    assert not differing(what.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_golden_losses(name: str) -> None:
    """Two tasks of 10 steps, so that what is remembered plays its part."""

    def losses() -> list[float]:
        model, what = build(), objective_of(name)
        return [
            loss for number in (1, 2) for loss in learn(model, tuning("full"), what, 10, number)
        ]

    check_golden(f"objective {whole(name)}", losses)


def test_contrastive_is_the_formula() -> None:
    model, batch = build(), next(batches(1))
    with torch.no_grad():
        images, texts = (
            model.encode_image(batch.images).double().numpy(),
            model.encode_text(batch.texts).double().numpy(),
        )
        images, texts = (
            rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (images, texts)
        )
        logits = np.exp(float(model.logit_scale.detach())) * images @ texts.T
    rows = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    columns = np.log(np.exp(logits).sum(axis=0)) - np.diag(logits)
    assert float(Contrastive().loss(model, batch, PLAINLY).detach()) == pytest.approx(
        (rows.mean() + columns.mean()) / 2, rel=1e-5
    )


def test_contrastive_agrees_with_open_clip() -> None:
    from open_clip.loss import ClipLoss

    model, batch = build(), next(batches(1))
    features = (
        model.encode_image(batch.images, normalize=True),
        model.encode_text(batch.texts, normalize=True),
    )
    torch.testing.assert_close(
        Contrastive().loss(model, batch, PLAINLY), ClipLoss()(*features, model.logit_scale.exp())
    )


def test_contrastive_keeps_the_temperature_in_bounds_as_open_clip_does() -> None:
    """Clamped after every step, before anybody reads the weights."""
    model, what, bound = build(), Contrastive(), float(torch.tensor(MAX_LOGIT_SCALE))
    optimizer = torch.optim.SGD([model.logit_scale], lr=1.0)
    for start, gradient in ((MAX_LOGIT_SCALE, -1.0), (0.0, 1.0)):
        with torch.no_grad():
            model.logit_scale.fill_(start)
        stream = batches(1)
        for _ in range(3):
            what.loss(model, next(stream), PLAINLY)
            assert 0 <= float(model.logit_scale.detach()) <= bound
            model.logit_scale.grad = torch.tensor(gradient)  # outward
            with what.stepping(model, 1.0):
                optimizer.step()
            assert 0 <= float(model.logit_scale.detach()) <= bound


def test_contrastive_forms_its_logits_in_full_precision() -> None:
    """They are formed of the features as autocast gives them.

    In bfloat16 a logit near 100 would be off by a quarter.
    """
    model, batch = build(), next(batches(1))
    with torch.no_grad():
        model.logit_scale.fill_(MAX_LOGIT_SCALE)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = Contrastive().loss(model, batch, PLAINLY)
            images, texts = (
                model.encode_image(batch.images, normalize=True),
                model.encode_text(batch.texts, normalize=True),
            )
        logits = model.logit_scale.exp() * images.float() @ texts.float().T
        own = torch.arange(len(logits))
        entropy = torch.nn.functional.cross_entropy
        torch.testing.assert_close(low, (entropy(logits, own) + entropy(logits.T, own)) / 2)


@pytest.mark.parametrize(
    ("tuned", "params"), [("lora", {}), ("full", {"learn_temperature": False})]
)
def test_a_temperature_that_is_not_learned_stays_as_it_was_given(
    tuned: str, params: dict[str, bool]
) -> None:
    model = build()
    with torch.no_grad():
        model.logit_scale.fill_(
            MAX_LOGIT_SCALE + 1e-3
        )  # some published weights lie above the bound
    given = model.logit_scale.detach().clone()
    learn(model, tuning(tuned), objective("contrastive", params), 3)
    assert torch.equal(model.logit_scale, given)


def fisher_by_hand(model: nn.Module, drawn: list[Batch]) -> dict[str, np.ndarray]:
    """Mean over batches of the squared gradient of the batch's loss, in float64."""
    total: dict[str, np.ndarray] = {}
    for batch in drawn:
        model.zero_grad()
        clip_loss(model, batch, model.logit_scale, PLAINLY).backward()
        for name, parameter in model.named_parameters():
            total[name] = total.get(name, 0.0) + parameter.grad.double().numpy() ** 2 / len(drawn)
    model.zero_grad()
    return total


def first(stream: Iterator[Batch], count: int) -> list[Batch]:
    return [next(stream) for _ in range(count)]


def test_ewc_fisher_and_penalty_are_the_formulas() -> None:
    model, what = build(), Ewc(weight=7.0, decay=0.5, fisher_pairs=40)
    what.end(model, fresh(batches(1)), PLAINLY)
    one = fisher_by_hand(model, first(batches(1), 3))  # 40 pairs are 3 batches of 16
    for parameter in model.parameters():
        parameter.data.add_(0.01)
    what.end(model, fresh(batches(2)), PLAINLY)
    two = fisher_by_hand(model, first(batches(2), 3))
    state = what.state_dict()
    for name, parameter in model.named_parameters():
        expected = torch.tensor(0.5 * one[name] + two[name], dtype=torch.float32)
        torch.testing.assert_close(state[f"fisher.{name}"], expected, rtol=1e-4, atol=1e-12)
        assert torch.equal(state[f"anchor.{name}"], parameter)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    moved = {name: parameter.detach().double() for name, parameter in model.named_parameters()}
    squares = sum(
        float(
            (
                state[f"fisher.{name}"].double() * (value - state[f"anchor.{name}"].double()) ** 2
            ).sum()
        )
        for name, value in moved.items()
    )
    assert float(what.loss(model, next(batches(3)), PLAINLY).detach()) == pytest.approx(
        7.0 / 2 * squares, rel=1e-5
    )


def test_ewc_draws_no_more_batches_than_it_needs() -> None:
    for pairs, expected in ((0, 0), (1, 1), (16, 1), (17, 2)):
        left = iter(first(batches(1), 2))
        Ewc(fisher_pairs=pairs).end(build(), fresh(left), PLAINLY)
        assert len(list(left)) == 2 - expected


def test_ewc_lets_the_first_task_go_free_unless_told_otherwise() -> None:
    model, batch = build(), next(batches(1))
    for start_fisher in (0.0, 3.0):
        what = Ewc(weight=2.0, fisher_pairs=16, start_fisher=start_fisher)
        what.begin(model, task())
        assert float(what.loss(model, batch, PLAINLY).detach()) == 0.0
        away = build(seed=1)
        distance = sum(
            float((a - b).detach().double().square().sum())
            for a, b in zip(model.parameters(), away.parameters(), strict=True)
        )
        assert float(what.loss(away, batch, PLAINLY).detach()) == pytest.approx(
            start_fisher * distance, rel=1e-5
        )
    what.end(model, fresh(batches(1)), PLAINLY)
    before = what.state_dict()
    what.begin(model, task(2))
    assert not differing(before, what.state_dict()), "only the first task's start is anchored"


def test_ewc_holds_under_lora_what_it_holds_in_the_plain_clip() -> None:
    """The penalty is the same whether weights are sums with low-rank updates or folded.

    Its gradient reaches the updates.
    """
    model, what, how = build(), Ewc(weight=1e3, fisher_pairs=32), tuning("lora")
    learn(model, tuning("full"), objective("contrastive", {}), 3)
    what.end(model, fresh(batches(1)), PLAINLY)
    parameters = how.begin(model, task())
    optimizer, stream = optimizers.optimizer("adamw", parameters, RECIPE), batches(2)
    for batch in first(stream, 3):
        step(model, how, objective("contrastive", {}), optimizer, batch)
    penalty = what.loss(model, batch, PLAINLY)
    penalty.backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in parameters)
    how.end(model)
    assert float(penalty.detach()) > 0
    torch.testing.assert_close(what.loss(model, batch, PLAINLY), penalty)


@pytest.mark.parametrize("tuned", ["full", "lora"])
def test_ewc_keeps_weights_nearer(tuned: str) -> None:
    def drift(weight: float) -> float:
        model, how = build(), tuning(tuned)
        what = objective("contrastive+ewc", {"ewc": {"weight": weight, "fisher_pairs": 64}})
        learn(model, how, what, 5)
        before = snapshot(model)
        learn(model, how, what, 15, number=2)
        return math.sqrt(
            sum(
                float((model.state_dict()[key] - before[key]).double().square().sum())
                for key in before
            )
        )

    assert drift(1e5) < 0.8 * drift(0.0)


def test_a_sum_is_the_sum_of_its_terms() -> None:
    model, batch = build(), next(batches(1))
    terms = {"contrastive": Contrastive(), "ewc": Ewc(weight=5.0, start_fisher=1.0)}
    total = objective("contrastive+ewc", {"ewc": {"weight": 5.0, "start_fisher": 1.0}})
    for each in (total, *terms.values()):
        each.begin(build(seed=3), task())
    torch.testing.assert_close(
        total.loss(model, batch, PLAINLY),
        sum(term.loss(model, batch, PLAINLY) for term in terms.values()),
    )
    assert {key.partition(".")[0] for key in total.state_dict()} == {"ewc"}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "contrastve",
            {},
            r"unknown 'contrastve'. Files in methods/objectives: .*contrastive, .*Did you mean 'contrastive'",
        ),
        ("contrastive+", {}, r"unknown ''"),
        ("contrastive+contrastive", {}, r"names a term twice"),
        ("ewc", {}, r"only holds weights back and has nothing to learn; write 'contrastive\+ewc'"),
        (
            "contrastive+ewc",
            {"weight": 1.0},
            r"params are keyed by objective; 'weight' is none of contrastive, ewc",
        ),
        (
            "contrastive+ewc",
            {"ewc": {"wieght": 1.0}},
            r"no parameter 'wieght'. Allowed: weight, .*Did you mean 'weight'",
        ),
        (
            "contrastive+ewc",
            {"ewc": {"estimator": "paris"}},
            r"unknown estimator 'paris'. Allowed: batch, pair\.",
        ),
        ("contrastive+ewc", {"ewc": {"decay": -1.0}}, r"no negative number"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        objective(name, params)


def test_one_objective_takes_its_params_directly() -> None:
    assert objective("contrastive", {"learn_temperature": False}) == part(
        "objectives", "contrastive", {"learn_temperature": False}
    )
