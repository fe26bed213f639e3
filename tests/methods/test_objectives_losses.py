"""SigLIP, LIxP, LwF and ZSCL against other people's code and against formulas written out.

Also the forward pass that the terms of a sum share.
"""

from typing import Any

import numpy as np
import pytest
import torch
from open_clip.loss import SigLipLoss
from open_clip.model import CLIP
from torch import nn

from methods import Task, objective, part
from methods.objectives._temperature import MAX_LOGIT_SCALE
from methods.objectives.lixp import Lixp
from methods.objectives.lwf import Lwf
from methods.objectives.siglip import Siglip
from methods.objectives.zscl import Zscl
from runner.worker.flops import FlopCounter
from streams import PRETRAINING, Batch
from tests.tiny_clip import (
    PLAINLY,
    TEXT,
    VISION,
    batches,
    build,
    differing,
    fresh,
    learn,
    task,
    tuning,
)


def precise(seed: int = 0) -> nn.Module:
    return build(seed).double()


def drawn(seed: int = 1) -> Batch:
    batch = next(batches(seed))
    return Batch(batch.images.double(), batch.texts, batch.sources)


def with_bias(bias: float) -> CLIP:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CLIP(embed_dim=16, vision_cfg=VISION, text_cfg=TEXT, init_logit_bias=bias)


def unit(model: nn.Module, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        pair = model.encode_image(batch.images).numpy(), model.encode_text(batch.texts).numpy()
    one, two = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in pair)
    return one, two


def softmax(rows: np.ndarray) -> np.ndarray:
    raised = np.exp(rows - rows.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def number(loss: torch.Tensor) -> float:
    return float(loss.detach())


def test_siglip_agrees_with_open_clips_siglip_loss_with_a_bias_of_the_model() -> None:
    model, batch, what = with_bias(-3.0).double(), drawn(), Siglip(bias=99.0)
    pair = (
        model.encode_image(batch.images, normalize=True),
        model.encode_text(batch.texts, normalize=True),
    )
    theirs = SigLipLoss()(*pair, model.logit_scale.exp(), model.logit_bias)
    ours = what.loss(model, batch, PLAINLY)
    assert number(ours) == pytest.approx(number(theirs), rel=1e-6)
    one, two = (torch.autograd.grad(loss, list(model.parameters())) for loss in (ours, theirs))
    for gradient, expected in zip(one, two, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-12)


def test_siglip_agrees_with_open_clips_siglip_loss_with_a_constant_where_the_model_has_none() -> (
    None
):
    model, batch = precise(), drawn()
    pair = (
        model.encode_image(batch.images, normalize=True),
        model.encode_text(batch.texts, normalize=True),
    )
    for bias in (-10.0, 0.5):
        theirs = SigLipLoss()(
            *pair, model.logit_scale.exp(), torch.tensor(bias, dtype=torch.float64)
        )
        assert number(Siglip(bias=bias).loss(model, batch, PLAINLY)) == pytest.approx(
            number(theirs), rel=1e-6
        )


def test_siglip_learns_and_its_bias_moves() -> None:
    model = with_bias(-2.0)
    losses = learn(model, tuning("full"), Siglip(), 30)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert float(model.logit_bias.detach()) != -2.0


@pytest.mark.parametrize("name", ["siglip", "lixp"])
def test_a_temperature_is_kept_in_bounds_or_left_alone(name: str) -> None:
    for learned in (True, False):
        model, what = build(), objective(name, {"learn_temperature": learned})
        with torch.no_grad():
            model.logit_scale.fill_(MAX_LOGIT_SCALE + 1e-3)
        given = model.logit_scale.detach().clone()
        learn(model, tuning("full"), what, 2)
        bound = float(torch.tensor(MAX_LOGIT_SCALE))
        assert (
            float(model.logit_scale.detach()) <= bound
            if learned
            else torch.equal(model.logit_scale, given)
        )


def test_lixp_is_its_formula_by_numpy() -> None:
    model, batch, what = precise(), drawn(), Lixp(alpha=0.7, context_scale=4.0)
    images, texts = unit(model, batch)
    with torch.no_grad():
        values = model.encode_image(batch.images).numpy()
    near = 4.0 * images @ images.T
    np.fill_diagonal(near, -np.inf)
    context = softmax(near) @ values
    context /= np.linalg.norm(context, axis=1, keepdims=True)

    def contrastive(rows: np.ndarray) -> float:
        scores = float(model.logit_scale.detach().exp()) * rows @ texts.T
        terms = [np.log(softmax(one).diagonal()).mean() for one in (scores, scores.T)]
        return -float(sum(terms)) / 2

    assert number(what.loss(model, batch, PLAINLY)) == pytest.approx(
        0.7 * contrastive(images) + 0.3 * contrastive(context), rel=1e-6
    )


def test_lixp_with_alpha_1_is_the_contrastive_loss() -> None:
    model, batch = build(), next(batches(1))
    assert torch.equal(
        Lixp(alpha=1.0).loss(model, batch, PLAINLY),
        objective("contrastive", {}).loss(model, batch, PLAINLY),
    )


def test_lixp_needs_a_context() -> None:
    with pytest.raises(ValueError, match=r"this batch has one pair; use batch_pairs >= 2"):
        Lixp().loss(build(), next(batches(1, pairs=1)), PLAINLY)


def test_lwf_is_the_divergence_of_softened_similarities_by_numpy() -> None:
    start, model, batch, what = precise(1), precise(2), drawn(), Lwf(alpha=0.3, temperature=3.0)
    what.begin(start, task())
    scale = float(start.logit_scale.detach().exp())
    old, new = (
        scale * images @ texts.T for images, texts in (unit(start, batch), unit(model, batch))
    )
    expected = 0.0
    for teacher, student in ((old, new), (old.T, new.T)):
        p, q = softmax(teacher / 3.0), softmax(student / 3.0)
        expected += 0.3 * 9.0 * float((p * np.log(p / q)).sum(axis=1).mean()) / 2
    assert number(what.loss(model, batch, PLAINLY)) == pytest.approx(expected, rel=1e-6)
    assert number(what.loss(start, batch, PLAINLY)) == pytest.approx(0.0, abs=1e-12), (
        "nothing is lost where nothing moved"
    )


def test_lwfs_gradient_is_that_of_torchs_kl_div() -> None:
    start, model, batch, what = precise(1), precise(2), drawn(), Lwf(alpha=1.0, temperature=2.0)
    what.begin(start, task())
    scale = start.logit_scale.detach().exp()
    student = (
        scale
        * model.encode_image(batch.images, normalize=True)
        @ model.encode_text(batch.texts, normalize=True).T
    )
    teacher = (
        scale
        * start.encode_image(batch.images, normalize=True)
        @ start.encode_text(batch.texts, normalize=True).T
    ).detach()
    theirs = torch.zeros(())
    for new, old in ((student, teacher), (student.T, teacher.T)):
        logs = (new / 2).log_softmax(1), (old / 2).log_softmax(1)
        theirs = theirs + 2 * torch.nn.functional.kl_div(
            *logs, reduction="batchmean", log_target=True
        )
    towers = [parameter for name, parameter in model.named_parameters() if name != "logit_scale"]
    for one, two in zip(
        *(torch.autograd.grad(loss, towers) for loss in (what.loss(model, batch, PLAINLY), theirs)),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ["lwf", "zscl"])
def test_a_teacher_does_not_move_and_is_dropped(name: str) -> None:
    model, what = build(1), objective(f"contrastive+{name}", {})
    term = what.terms[name]  # type: ignore[attr-defined]
    what.begin(model, task())
    teacher, expected = term._teacher, build(1) if name == "lwf" else build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for batch, _ in zip(batches(1), range(3), strict=False):
        what.loss(model, batch, PLAINLY).backward()
        optimizer.step()
    assert not differing(teacher.state_dict(), expected.state_dict())
    assert differing(teacher.state_dict(), model.state_dict())
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in teacher.parameters()
    )
    what.end(model, fresh(batches(1)), PLAINLY)
    assert term._teacher is None and not what.state_dict(), (
        "a checkpoint between tasks carries no teacher"
    )


@pytest.mark.parametrize("anchor_weight", [0.0, 0.5])
def test_zscl_is_the_cross_entropy_of_softened_similarities_by_numpy(anchor_weight: float) -> None:
    initial, start, model, batch = precise(1), precise(2), precise(3), drawn()
    what = Zscl(weight=0.7, temperature=3.0, anchor_weight=anchor_weight)
    what.begin(start, Task(2, 5, initial.state_dict()))
    chosen = batch.sources == PRETRAINING
    reference = Batch(batch.images[chosen], batch.texts[chosen], batch.sources[chosen])
    scale = float(initial.logit_scale.detach().exp())
    (f0, g0), (f, g) = unit(initial, reference), unit(model, reference)
    expected = 0.0
    for teacher, student in ((f0 @ g0.T, f @ g0.T), (g0 @ f0.T, g @ f0.T)):
        p, q = softmax(scale * teacher / 3.0), softmax(scale * student / 3.0)
        expected -= 0.7 * 9.0 * float((p * np.log(q)).sum(axis=1).mean())
    for one, two in zip(model.parameters(), start.parameters(), strict=True):
        expected += anchor_weight * float((one - two).detach().square().sum())
    assert number(what.loss(model, batch, PLAINLY)) == pytest.approx(expected, rel=1e-6)
    assert bool(what.state_dict()) == bool(anchor_weight), (
        "the untouched backbone is told, not stored"
    )


def test_zscl_reaches_both_towers_and_not_the_temperature() -> None:
    model, what = build(2), Zscl(anchor_weight=0.0)
    what.begin(model, task())
    what.loss(model, next(batches(1)), PLAINLY).backward()
    reached = {
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is not None and bool(parameter.grad.any())
    }
    assert (
        any(key.startswith("visual.") for key in reached)
        and "text_projection" in reached
        and "logit_scale" not in reached
    )


def test_zscl_says_what_to_do_without_pretraining_pairs() -> None:
    batch, what = next(batches(1)), Zscl()
    what.begin(build(), task())
    with pytest.raises(
        ValueError, match=r"this batch has none; use a mixture with pretraining_share > 0"
    ):
        what.loss(
            build(), Batch(batch.images, batch.texts, torch.zeros_like(batch.sources)), PLAINLY
        )


@pytest.mark.parametrize("name", ["lwf", "zscl"])
@pytest.mark.parametrize("tuned", ["full", "lora"])
def test_distilling_keeps_similarities_nearer(name: str, tuned: str) -> None:
    """On pairs that were never trained on."""

    def drift(weight: float) -> float:
        model, before, batch = build(), build(), next(batches(7))
        params: dict[str, Any] = {
            "lwf": {"alpha": weight},
            "zscl": {"weight": weight, "anchor_weight": 0.0},
        }[name]
        learn(model, tuning(tuned), objective(f"contrastive+{name}", {name: params}), 20)
        one, two = (
            np.matmul(images, texts.T)
            for images, texts in (unit(model, batch), unit(before, batch))
        )
        return float(np.square(one - two).mean())

    assert drift(50.0) < 0.9 * drift(0.0)


def test_the_terms_of_a_sum_share_one_forward_pass() -> None:
    """A teacher on the batch costs a forward pass, a third of a step, and not a second step."""

    def flops(name: str) -> int:
        model, what, batch = build(), objective(name, {}), next(batches(1))
        what.begin(model, task())
        with FlopCounter() as counter:
            what.loss(model, batch, PLAINLY).backward()
        return int(counter.get_total_flops())

    def forward(pairs: int) -> int:
        model, batch = build(), next(batches(1))
        with FlopCounter() as counter:
            some = Batch(batch.images[:pairs], batch.texts[:pairs], batch.sources[:pairs])
            PLAINLY.features(model, some)
        return int(counter.get_total_flops())

    alone, similarities = flops("contrastive"), 2 * 16 * 16 * 16
    assert (
        flops("contrastive+lwf") == alone + forward(16) + 4 * similarities
    )  # the student's, its two gradients, the teacher's
    rest = flops("contrastive+zscl") - alone - forward(4)
    assert 0 < rest <= 5 * similarities
    assert (
        flops("contrastive+lwf+zscl")
        == flops("contrastive+lwf") + flops("contrastive+zscl") - alone
    )


def test_features_are_shared_by_model_and_batch_and_only_within() -> None:
    model, other, batch = build(), build(1), next(batches(1))
    towers = PLAINLY.sharing()
    once = towers.features(model, batch)
    assert towers.features(model, batch)[0] is once[0]
    assert towers.features(other, batch)[0] is not once[0]
    assert towers.features(model, next(batches(2)))[0] is not once[0]
    for others in (PLAINLY, PLAINLY.sharing(), towers.sharing()):
        assert others.features(model, batch)[0] is not once[0]
        assert torch.equal(others.features(model, batch)[0], once[0])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("lixp", {"alpha": 1.5}, r"lixp takes alpha in \[0, 1\] and context_scale > 0"),
        ("lwf", {"temperature": 0.0}, r"lwf takes alpha >= 0 and temperature > 0"),
        ("zscl", {"weight": -1.0}, r"zscl takes weights >= 0 and temperature > 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        part("objectives", name, params)
