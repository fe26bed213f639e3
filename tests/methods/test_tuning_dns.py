"""DNS against its formula, and what it promises of the similarities of earlier pairs."""

import numpy as np
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from torch import nn

from methods import objective, optimizers, part
from methods.tuning.dns import Dns
from tests.tiny_clip import RECIPE, TEXT, VISION, batches, build, differing, snapshot, step, task

CONTRASTIVE = objective("contrastive", {})


def pooled(model: CLIP, images: torch.Tensor, texts: torch.Tensor) -> dict[str, np.ndarray]:
    """Return what goes into both projections: the features of a model that projects by 1."""
    bare = build()
    bare.load_state_dict(model.state_dict())
    bare.visual.proj = bare.text_projection = nn.Parameter(torch.eye(32))
    with torch.no_grad():
        found = {"visual.proj": bare.encode_image(images)}
        found["text_projection"] = bare.encode_text(texts)
    return {name: rows.double().numpy() for name, rows in found.items()}


def learned(how: Dns, model: CLIP, number: int, steps: int) -> list[dict[str, np.ndarray]]:
    """Learn a task, and return what went into both projections at each step."""
    seen, stream = [], batches(number, pairs=6)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task(number)), RECIPE)
    for _ in range(steps):
        batch = next(stream)
        seen.append(pooled(model, batch.images, batch.texts))
        step(model, how, CONTRASTIVE, optimizer, batch)
    how.end(model)
    return seen


def spanned(moment: np.ndarray, least: float) -> np.ndarray:
    """Return the projection on the eigenvectors of a moment whose values exceed `least`."""
    values, vectors = np.linalg.eigh(moment)
    kept = vectors[:, values > least]
    projection: np.ndarray = kept @ kept.T
    return projection


def test_dns_projects_gradients_by_the_formula() -> None:
    """Over two tasks, with what came out of a projection by the weights that its task ended with."""
    model, how = build(), Dns(input_min=0.02, output_min=0.05)
    inputs = {name: np.zeros((32, 32)) for name in ("visual.proj", "text_projection")}
    outputs = {name: np.zeros((16, 16)) for name in inputs}
    others = {"visual.proj": "text_projection", "text_projection": "visual.proj"}
    pairs = 0
    for number in (1, 2):
        seen = learned(how, model, number, 2)
        pairs += 12
        for name, other in others.items():
            rows = np.concatenate([each[name] for each in seen])
            rows /= np.linalg.norm(rows, axis=1)[:, None]
            weight = model.get_parameter(name).detach().double().numpy()
            inputs[name] += rows.T @ rows
            outputs[other] += weight.T @ rows.T @ rows @ weight
    how.begin(model, task(3))
    for name in inputs:
        left = spanned(inputs[name] / pairs, 0.02)
        right = spanned(outputs[name] / pairs, 0.05)
        assert 0 < round(left.trace()) < 32 and 0 < round(right.trace()) < 16
        gradient = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
        model.get_parameter(name).grad = gradient.clone()
        whole = gradient.double().numpy()
        expected = torch.from_numpy(whole - left @ whole @ right)
        with how.stepping(model, torch.optim.SGD(model.parameters(), 0.0)):
            found = model.get_parameter(name).grad
            torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_a_change_of_one_projection_leaves_earlier_similarities(optimizer: str) -> None:
    """With every direction of earlier pairs protected, and the steps projected, too."""
    model = build()
    how = Dns(input_min=1e-4, output_min=1e-5, project_step=True)
    (seen,) = learned(how, model, 1, 1)
    before = snapshot(model)
    recipe = RECIPE | {"lr": 0.1 if optimizer == "sgd" else 3e-3}
    trained = optimizers.optimizer(optimizer, how.begin(model, task(2)), recipe)
    stream = batches(2)
    for _ in range(10):
        step(model, how, CONTRASTIVE, trained, next(stream))
    how.end(model)
    changed = differing(before, model.state_dict())
    assert sorted(changed) == ["text_projection", "visual.proj"]
    for name, other in (("visual.proj", "text_projection"), ("text_projection", "visual.proj")):
        change = (model.get_parameter(name).detach() - before[name]).double().numpy()
        answers = seen[other] @ before[other].double().numpy()
        moved = np.abs(seen[name] @ change @ answers.T).max()
        assert np.abs(change).max() > 1e-3
        sizes = np.linalg.norm(seen[name], axis=1).max() * np.linalg.norm(answers, axis=1).max()
        assert moved < 2e-3 * sizes * np.linalg.norm(change)


def test_dns_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match=r"dns takes thresholds >= 0"):
        part("tuning", "dns", {"input_min": -0.1})
    other = CustomTextCLIP(embed_dim=16, vision_cfg=VISION, text_cfg=TEXT)
    with pytest.raises(ValueError, match=r"dns needs a ViT.*Use tuning 'linear_probe'"):
        part("tuning", "dns", {}).begin(other, task())
