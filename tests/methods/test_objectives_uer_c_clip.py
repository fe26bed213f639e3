"""UER and C-CLIP's consolidation against their formulas: in numpy, and by torch's own Adam."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from methods import part
from methods.objectives.c_clip import CClip
from methods.objectives.contrastive import Contrastive
from methods.objectives.uer import Uer
from streams import BUFFER, UPDATE, Batch
from tests.methods.test_objectives_losses import drawn, precise
from tests.tiny_clip import PLAINLY, task

Rows = np.ndarray


def raw(model: nn.Module, batch: Batch) -> tuple[Rows, Rows]:
    """Return the features of images and of texts as the towers return them."""
    with torch.no_grad():
        return model.encode_image(batch.images).numpy(), model.encode_text(batch.texts).numpy()


def apart(away: float) -> nn.Module:
    """Return a model some way from `precise()`, in double precision."""
    model = precise()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise, alpha=away)
    return model


def named(scores: Rows, place: int) -> float:
    """Return the cross-entropy of one row of logits to a place."""
    top = scores.max()
    return float(np.log(np.exp(scores - top).sum()) + top - scores[place])


def test_uer_is_the_formula_by_numpy() -> None:
    model, batch = apart(0.05), drawn()
    images, texts = raw(model, batch)
    scale = float(model.logit_scale.detach().exp())
    long, wide = np.linalg.norm(images, axis=1), np.linalg.norm(texts, axis=1)
    assert long.std() / long.mean() > 0.01 and wide.std() / wide.mean() > 0.01
    products = scale * images @ texts.T / long.mean() / wide.mean()
    angles = scale * (images / long[:, None]) @ (texts / wide[:, None]).T
    total = 0.0
    for place, source in enumerate(batch.sources):
        scores = products if source == BUFFER else angles
        total += named(scores[place], place) + named(scores[:, place], place)
    found = float(Uer().loss(model, batch, PLAINLY).detach())
    assert found == pytest.approx(total / 2 / len(images), rel=1e-6)


def test_uer_without_pairs_of_the_buffer_is_the_contrastive_loss() -> None:
    model, batch = apart(0.05), drawn()
    new = Batch(batch.images, batch.texts, torch.full_like(batch.sources, UPDATE))
    expected = Contrastive().loss(model, new, PLAINLY)
    torch.testing.assert_close(Uer().loss(model, new, PLAINLY), expected, rtol=1e-12, atol=0)
    assert float(Uer().loss(model, batch, PLAINLY).detach()) != float(expected.detach())


def test_c_clip_is_the_formula_and_its_projector_is_trained_by_adam() -> None:
    """The projector's steps are those of torch.optim.Adam on the same loss, written out."""
    before, model, batch = precise(), apart(0.05), drawn()
    what = CClip(weight=0.7, temperature=0.1, projector_lr=0.01)
    what.begin(before, task(2))
    matrix = nn.Parameter(torch.eye(16, dtype=torch.float64))
    adam = torch.optim.Adam([matrix], lr=0.01)
    earlier = torch.from_numpy(np.concatenate(raw(before, batch), axis=1))
    now = [torch.from_numpy(rows) for rows in raw(model, batch)]
    losses = []
    for _ in range(4):
        found = what.loss(model, batch, PLAINLY)
        projected = functional.normalize(torch.cat([rows @ matrix.T for rows in now], dim=1))
        scores = projected @ functional.normalize(earlier).T / 0.1
        own = torch.arange(len(scores))
        rows, columns = (
            functional.cross_entropy(scores, own),
            functional.cross_entropy(scores.T, own),
        )
        expected = 0.7 * (rows + columns) / 2
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
        # As under fp16, whose loss is passed backward scaled
        (found * 8).backward()
        expected.backward()
        with what.stepping(model, 8.0):
            adam.step()
        adam.zero_grad()
        torch.testing.assert_close(what.state_dict()["projector.matrix"], matrix.detach())
        losses.append(float(expected.detach()))
    assert losses[-1] < losses[0]


def test_c_clip_leaves_the_projector_where_its_gradient_overflowed() -> None:
    model, what = precise(), CClip()
    what.begin(model, task())
    loss = what.loss(apart(0.05), drawn(), PLAINLY)
    (loss * torch.inf).backward()
    with what.stepping(model, 1.0):
        pass
    assert torch.equal(what.state_dict()["projector.matrix"], torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("params", [{"temperature": 0.0}, {"weight": -1.0}])
def test_c_clip_refuses_what_it_cannot_do(params: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"numbers >= 0 and temperature > 0"):
        part("objectives", "c_clip", params)
