"""Mod-X, Mix-CPT, GIFT and MER against their formulas, written out in numpy or by autograd."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from methods import Objective, objective, optimizers, part
from methods.objectives.gift import Gift
from methods.objectives.mer import Mer
from methods.objectives.mix_cpt import MixCpt, swapped
from methods.objectives.mod_x import ModX
from streams import PRETRAINING, UPDATE, Batch
from tests.methods.test_objectives_losses import drawn, precise, softmax, unit
from tests.tiny_clip import (
    PLAINLY,
    RECIPE,
    batches,
    build,
    differing,
    learn,
    snapshot,
    step,
    task,
    tuning,
)

Rows = np.ndarray


def log_softmax(rows: Rows) -> Rows:
    return np.log(softmax(rows))


def cosines(model: nn.Module, batch: Batch) -> Rows:
    images, texts = unit(model, batch)
    found: Rows = images @ texts.T
    return found


def value(what: Objective, model: nn.Module, batch: Batch) -> float:
    return float(what.loss(model, batch, PLAINLY).detach())


def apart(seed: int, away: float) -> nn.Module:
    """A model some way from `precise()`, which is right about some pairs of a batch."""
    model = precise()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise, alpha=away)
    return model


def trained() -> nn.Module:
    """A model that names some pairs of a batch of `drawn()` and not all, in double precision."""
    model = build()
    learn(model, tuning("full"), objective("contrastive", {}), 6)
    return model.double()


def test_mod_x_is_the_released_alignment_by_numpy() -> None:
    """The rows in which the teacher is wrong are replaced by the student's own, as released."""
    teacher, batch = trained(), drawn()
    model = trained()
    what = ModX(weight=3.0)
    what.begin(teacher, task(2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.05).add_(0.003)
    old, new = cosines(teacher, batch), cosines(model, batch)
    total, wrong = 0.0, 0
    for before, now in ((old.copy(), new), (old.T.copy(), new.T)):
        for row in range(len(before)):
            if before[row].argmax() != row:
                before[row], wrong = now[row], wrong + 1
        total += (softmax(before) * (log_softmax(before) - log_softmax(now))).sum()
    assert 0 < wrong < 2 * len(old)
    assert value(what, model, batch) == pytest.approx(3.0 * total / 2, rel=1e-6)


def test_mod_x_has_the_gradient_of_the_released_code() -> None:
    """Rows that are replaced by the student's own have none, though the target moves, too."""
    teacher, batch = trained(), drawn()
    what, model = ModX(weight=1.0), apart(1, 0.01)
    what.begin(teacher, task(2))
    what.loss(model, batch, PLAINLY).backward()
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    images = functional.normalize(model.encode_image(batch.images), dim=1)
    texts = functional.normalize(model.encode_text(batch.texts), dim=1)
    old = torch.from_numpy(cosines(teacher, batch))
    total = torch.zeros((), dtype=torch.float64)
    for before, now in ((old, images @ texts.T), (old.T, texts @ images.T)):
        right = (before.argmax(dim=1) == torch.arange(len(before)))[:, None]
        target = torch.where(right, before, now).softmax(dim=1)
        total = total + functional.kl_div(now.softmax(dim=1).log(), target, reduction="sum") / 2
    total.backward()
    for ours, parameter in zip(found, model.parameters(), strict=True):
        if parameter.grad is not None and ours is not None:
            torch.testing.assert_close(ours, parameter.grad, rtol=1e-6, atol=1e-9)


def test_a_row_is_swapped_where_the_teacher_is_wrong_and_nowhere_else() -> None:
    scores = torch.tensor([[5.0, 1.0, 2.0], [7.0, 3.0, 4.0], [0.0, 9.0, 8.0]])
    expected = torch.tensor([[5.0, 1.0, 2.0], [3.0, 7.0, 4.0], [0.0, 8.0, 9.0]])
    assert torch.equal(swapped(scores), expected)


def test_mix_cpt_is_the_divergence_from_a_swapped_teacher_by_numpy() -> None:
    what, model, batch = MixCpt(weight=0.7), apart(2, 0.02), drawn()
    what.begin(model, task(2))
    untouched = build()
    untouched.load_state_dict(task(2).initial)
    scale = float(untouched.logit_scale.detach().double().exp())
    old, new = scale * cosines(untouched.double(), batch), scale * cosines(model, batch)
    total, changed = 0.0, 0
    for before, now in ((old.copy(), new), (old.T.copy(), new.T)):
        for row in range(len(before)):
            best = before[row].argmax()
            changed += int(best != row)
            before[row][[best, row]] = before[row][[row, best]]
        kept = softmax(before) * (log_softmax(before) - log_softmax(now))
        total += kept.sum(axis=1).mean() / 2
    assert changed > 0
    assert value(what, model, batch) == pytest.approx(0.7 * total, rel=1e-6)


def distilled(old: Rows, new: Rows, temperature: float) -> float:
    """T^2 times the cross-entropies of softened rows and of columns, by numpy."""
    total = 0.0
    for before, now in ((old, new), (old.T, new.T)):
        kept = softmax(before / temperature) * log_softmax(now / temperature)
        total -= temperature**2 * kept.sum(axis=1).mean()
    return total


def named(new: Rows) -> float:
    return float(-np.diag(log_softmax(new)).mean() - np.diag(log_softmax(new.T)).mean())


@pytest.mark.parametrize("taught_by", ["start", "initial"])
def test_gift_is_its_two_terms_on_reference_pairs_by_numpy(taught_by: str) -> None:
    start, model, batch = apart(3, 0.02), apart(4, 0.02), drawn()
    what = Gift(weight=0.6, temperature=2.0, alignment=0.3, consolidation=0.0, teacher=taught_by)
    what.begin(start, task(2))
    teacher: nn.Module = start
    if taught_by == "initial":
        teacher = build()
        teacher.load_state_dict(task(2).initial)
        teacher = teacher.double()
    chosen = batch.sources == PRETRAINING
    some = Batch(batch.images[chosen], batch.texts[chosen], batch.sources[chosen])
    scale = float(teacher.get_parameter("logit_scale").detach().exp())
    old, new = scale * cosines(teacher, some), scale * cosines(model, some)
    expected = 0.6 * distilled(old, new, 2.0) + 0.3 * named(new)
    assert value(what, model, batch) == pytest.approx(expected, rel=1e-6)


def test_gift_consolidates_by_the_fisher_of_this_step() -> None:
    """The pull and its gradient, with F taken as a constant, from a graph of its own."""
    start, model, batch = apart(3, 0.02), apart(4, 0.02), drawn()
    free, held = Gift(consolidation=0.0), Gift(consolidation=5.0)
    for what in (free, held):
        what.begin(start, task(2))
    free.loss(model, batch, PLAINLY).backward()
    expected, squares = {}, 0.0
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        moved = parameter.detach() - start.get_parameter(name).detach()
        if name == "logit_scale" or gradient is None:
            fisher, gradient = torch.full_like(moved, 1e-6), torch.zeros_like(moved)
        else:
            fisher = gradient.square() / gradient.square().mean()
        squares += float((fisher * moved.square()).sum())
        expected[name] = gradient + 2 * 5.0 * fisher * moved
    without = value(free, model, batch)
    model.zero_grad()
    loss = held.loss(model, batch, PLAINLY)
    assert float(loss.detach()) == pytest.approx(without + 5.0 * squares, rel=1e-6)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-6, atol=1e-9)


def test_gift_says_what_to_do_without_pretraining_pairs() -> None:
    model, batch = build(), next(batches(1))
    what = Gift()
    what.begin(model, task())
    plain = Batch(batch.images, batch.texts, torch.full_like(batch.sources, UPDATE))
    with pytest.raises(ValueError, match=r"this batch has none; use a mixture with pretraining_sh"):
        what.loss(model, plain, PLAINLY)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_mer_interpolates_every_so_many_steps(optimizer: str) -> None:
    """After the second and fourth step; by hand, along a run that is not interpolated."""
    model, what, how = (
        build(),
        objective("contrastive+mer", {"mer": {"every": 2, "share": 0.25}}),
        tuning("full"),
    )
    plain = objective("contrastive", {})
    other = build()
    runs = []
    for each, asked in ((model, what), (other, plain)):
        asked.begin(each, task())
        runs.append(optimizers.optimizer(optimizer, how.begin(each, task()), RECIPE))
    stream = batches(1)
    start = snapshot(other)
    for number in range(1, 6):
        batch = next(stream)
        step(model, how, what, runs[0], batch)
        step(other, how, plain, runs[1], batch)
        if number % 2 == 0:
            with torch.no_grad():
                for name, parameter in other.named_parameters():
                    parameter.copy_(start[name] + 0.25 * (parameter - start[name]))
            start = snapshot(other)
        assert not differing(model.state_dict(), other.state_dict()), number


def test_mer_leaves_steps_alone_that_are_too_few() -> None:
    model, other = build(), build()
    what = objective("contrastive+mer", {"mer": {"every": 5}})
    learn(model, tuning("full"), what, 4)
    learn(other, tuning("full"), objective("contrastive", {}), 4)
    assert not differing(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("name", ["mod_x", "mix_cpt", "gift"])
@pytest.mark.parametrize("tuned", ["full", "lora"])
def test_a_teacher_keeps_similarities_nearer(name: str, tuned: str) -> None:
    """On the pairs that it teaches, after a task of the same steps."""
    found = []
    for weight in (0.0, 30.0):
        model = build()
        learn(model, tuning(tuned), objective("contrastive", {}), 5)
        before = cosines(model.double(), drawn(9))
        model = model.float()
        params = {name: {"weight": weight}}
        learn(model, tuning(tuned), objective(f"contrastive+{name}", params), 15, number=2)
        found.append(float(np.abs(cosines(model.double(), drawn(9)) - before).mean()))
    assert found[1] < found[0]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("mod_x", {"weight": -1.0}, "mod_x takes weight >= 0"),
        ("mix_cpt", {"weight": -1.0}, "mix_cpt takes weight >= 0"),
        ("gift", {"teacher": "merged"}, r"unknown teacher 'merged'. Allowed: start, initial\."),
        ("gift", {"temperature": 0.0}, "temperature > 0"),
        ("mer", {"every": 0}, "mer takes every >= 1"),
        ("mer", {"share": 0.0}, r"a share in \(0, 1\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part("objectives", name, params)


def test_mer_has_a_state_that_goes_on() -> None:
    what = Mer(every=3)
    what.begin(build(), task())
    assert what.state_dict().keys() == {"count.steps"}
