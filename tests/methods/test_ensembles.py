"""Ensembles: several plain CLIPs measured as one, against their members' logits by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import evals
from evals import TestSet
from methods import Weights, ensemble
from methods.ensembles.ddas import NAMES as DDAS_NAMES
from methods.ensembles.line import Line
from runner.scheduler.kept_weights import NotKeptError, find
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.ensemble_encoder import EnsembleEncoder
from runner.worker.inference import inference_rows
from schema.checks.parts import PartError
from schema.checks.rows import check_method
from schema.site import Site
from schema.spec import Spec
from tests.methods.test_merging_time import ROW, spec_with
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought
from tests.tiny_clip import TEXT, VISION
from tests.toy import DATA

CLASSES = ["crow", "tug boat", "seven", "green door"]
WORDS = [
    "a",
    "boat",
    "crow",
    "door",
    "green",
    "number",
    "of",
    "photo",
    "seven",
    "tug",
    *"0123456789",
]
# With a token for each word, and those that begin, end and fill a text
TINY = json.dumps(
    {
        "embed_dim": 16,
        "vision_cfg": VISION | {"layers": 1},
        "text_cfg": TEXT | {"layers": 1, "vocab_size": len(WORDS) + 3},
        "words": WORDS,
    }
)
ROUTED = ("ddas", "nearest", "rls")


def member(seed: int, scale: float) -> Weights:
    """A tiny CLIP with a logit scale of its own."""
    weights = dict(backbones.build(TINY, seed, "cpu").model.state_dict())
    return weights | {"logit_scale": torch.tensor(scale).log()}


MEMBERS = [member(1, 10.0), member(2, 30.0), member(3, 17.0)]


@pytest.fixture
def backbone() -> Backbone:
    return backbones.build(TINY, 0, "cpu")


def pictures(count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)


def encoder(backbone: Backbone, rule: str, members: list[Weights], **params: Any) -> Any:
    together = ensemble({"ensemble": rule, "ensemble_params": params})
    assert together is not None
    return EnsembleEncoder(backbone, together.rule, members, MEMBERS[0])


def logits(backbone: Backbone, weights: Weights, images: np.ndarray, texts: list[str]) -> Tensor:
    """A member's own logits (N, M), as open_clip has them."""
    model = backbone.model
    model.load_state_dict(dict(weights))
    model.eval()
    with torch.no_grad():
        seen = model.encode_image(backbone.normalise(torch.from_numpy(images)), normalize=True)
        read = model.encode_text(backbone.tokenize(texts), normalize=True)
        return weights["logit_scale"].exp() * seen @ read.T


def together(rule: str, each: list[Tensor]) -> Tensor:
    """What a rule makes of its members' logits."""
    stacked = torch.stack(each)
    return stacked.mean(dim=0) if rule == "mean" else stacked.amax(dim=0)


def halfway(first: Weights, last: Weights) -> Weights:
    return {name: (first[name] + last[name]) / 2 for name in last}


@pytest.mark.parametrize("rule", ["mean", "maximum"])
def test_similarities_are_the_members_logits_up_to_a_factor(backbone: Backbone, rule: str) -> None:
    images = pictures(7)
    each = [logits(backbone, weights, images, CLASSES) for weights in MEMBERS]
    expected = together(rule, each)
    encoding = encoder(backbone, rule, MEMBERS)
    near = encoding.similarities(encoding.encode_images(images), encoding.encode_texts(CLASSES))
    factor = expected[0, 0] / near[0, 0]
    torch.testing.assert_close(factor * near, expected, rtol=1e-5, atol=1e-4)
    # Either may ask for the other
    back = encoding.similarities(encoding.encode_texts(CLASSES), encoding.encode_images(images))
    torch.testing.assert_close(back.T, near)


@pytest.mark.parametrize("rule", ["mean", "maximum"])
def test_what_is_measured_is_what_the_members_logits_say(backbone: Backbone, rule: str) -> None:
    """Zero-shot top 1 and retrieval, as evaluations measure them and by hand."""
    images, labels = pictures(40), np.arange(40) % len(CLASSES)
    each = [logits(backbone, weights, images, CLASSES) for weights in MEMBERS]
    right = together(rule, each).argmax(dim=1).numpy() == labels
    test = TestSet("birds", "classification", CLASSES, [], images, labels, [])
    measured = dict(evals.measure(encoder(backbone, rule, MEMBERS), test))
    assert measured["top1"] == pytest.approx(right.mean())

    captions = [f"number {i // 10} {i % 10} of {CLASSES[i % 4]}" for i in range(12)]
    each = [logits(backbone, weights, images[:12], captions) for weights in MEMBERS]
    near = together(rule, each)
    own = near.diagonal()
    test = TestSet("scenes", "retrieval", [], [], images[:12], np.full(12, -1), captions)
    measured = dict(evals.measure(encoder(backbone, rule, MEMBERS), test))
    first = ((near >= own[:, None]).sum(dim=1) == 1).double().mean()
    assert measured["image_to_text_r1"] == pytest.approx(float(first))


def test_a_line_is_the_mean_of_models_along_it(backbone: Backbone) -> None:
    first, _, last = MEMBERS
    images = pictures(5)
    on_line = [first, halfway(first, last), last]
    expected = torch.stack([logits(backbone, w, images, CLASSES) for w in on_line]).mean(dim=0)
    encoding = encoder(backbone, "line", MEMBERS, points=3)
    near = encoding.similarities(encoding.encode_images(images), encoding.encode_texts(CLASSES))
    torch.testing.assert_close(near * (expected[0, 0] / near[0, 0]), expected, rtol=1e-5, atol=1e-4)
    assert len(Line(points=5).weights(MEMBERS)) == 5


@pytest.mark.parametrize("rule", ["mean", "maximum"])
def test_an_ensemble_of_one_model_is_that_model(backbone: Backbone, rule: str) -> None:
    images = pictures(6)
    backbone.model.load_state_dict(dict(MEMBERS[0]))
    alone = backbone.encode_images(images) @ backbone.encode_texts(CLASSES).T
    encoding = encoder(backbone, rule, MEMBERS[:1])
    near = encoding.similarities(encoding.encode_images(images), encoding.encode_texts(CLASSES))
    torch.testing.assert_close(near, alone)


@pytest.mark.parametrize(
    ("rule", "params", "models"), [("mean", {}, 3), ("line", {"points": 4}, 4)]
)
def test_an_image_costs_what_the_members_cost(
    backbone: Backbone, rule: str, params: dict[str, Any], models: int
) -> None:
    """FLOPs are counted, of one model and of the ensemble."""
    alone = inference_rows(backbone, backbone.image_px, 1)
    assert [row["part"] for row in alone] == ["image", "text"]
    assert all(row["value"] > 0 for row in alone)
    several = inference_rows(encoder(backbone, rule, MEMBERS, **params), backbone.image_px, 1)
    for one, many in zip(alone, several, strict=True):
        assert many["value"] == models * one["value"]


def test_an_index_of_one_model_is_not_asked_by_several(backbone: Backbone) -> None:
    captions = ["a crow", "a tug boat"]
    test = TestSet("scenes", "retrieval", [], [], pictures(2), np.full(2, -1), captions)
    test.untouched = backbone
    with pytest.raises(ValueError, match="leave the metrics of the index out of the suite"):
        dict(evals.measure(encoder(backbone, "mean", MEMBERS), test, ["index_r1"]))


# ---------------------------------------------------------------- routes


def features(count: int, task: int, width: int = 6) -> Tensor:
    """Unit-norm features that lie around another direction for each task."""
    generator = torch.Generator().manual_seed(task)
    centre = torch.randn(width, generator=torch.Generator().manual_seed(100 + task))
    rows = centre + 0.7 * torch.randn(count, width, generator=generator)
    return torch.nn.functional.normalize(rows, dim=1)


def routed(rule: str, **params: Any) -> Any:
    made = ensemble({"ensemble": rule, "ensemble_params": params})
    assert made is not None
    return made.rule


def learned(rule: Any, tasks: int = 3) -> Any:
    for task in range(1, tasks + 1):
        rule.learn(features(20 + task, task), task)
    return rule


def test_nearest_is_the_nearest_mean_of_numpy() -> None:
    means = np.stack([features(20 + task, task).numpy().mean(axis=0) for task in (1, 2, 3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    asked = torch.cat([features(9, task) for task in (4, 5, 6)])
    expected = (asked.numpy() @ means.T).argmax(axis=1)
    assert learned(routed("nearest")).chosen(asked).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1


@pytest.mark.parametrize("hidden", [0, 12])
def test_rls_is_the_ridge_regression_on_all_images_at_once(hidden: int) -> None:
    """By numpy, and by the recursion on the inverse that the paper takes, image by image."""
    rule = learned(routed("rls", ridge=0.5, hidden=hidden))
    known = np.concatenate([rule.expanded(features(20 + t, t)).numpy() for t in (1, 2, 3)])
    labels = np.concatenate([np.full(20 + t, t - 1) for t in (1, 2, 3)])
    answers = np.eye(3)[labels]
    size = known.shape[1]
    solved = np.linalg.solve(known.T @ known + 0.5 * np.eye(size), known.T @ answers)
    inverse, weights = np.eye(size) / 0.5, np.zeros((size, 3))
    for row, answer in zip(known, answers, strict=True):
        gain = inverse @ row / (1 + row @ inverse @ row)
        weights += np.outer(gain, answer - row @ weights)
        inverse -= np.outer(gain, row @ inverse)
    np.testing.assert_allclose(weights, solved, rtol=1e-6, atol=1e-9)
    asked = torch.cat([features(9, task) for task in (1, 2, 3, 5)])
    expected = (rule.expanded(asked).numpy() @ solved).argmax(axis=1)
    assert rule.chosen(asked).tolist() == expected.tolist()
    assert len(set(expected.tolist())) == 3


def known_entries(rows: np.ndarray) -> np.ndarray:
    """Return what an autoencoder of `ddas` is given for features."""
    return np.asarray(1 / (1 + np.exp(-rows * np.sqrt(rows.shape[1]))))


def test_ddas_is_the_autoencoder_and_adam_by_numpy() -> None:
    """Gradients by hand, from the weights that a task begins with."""
    rule = routed("ddas", code=4, steps=30, lr=0.05, slack=1.2)
    asked = torch.cat([features(9, task).double() for task in (1, 2, 3, 7)])
    z, least, limits = known_entries(asked.numpy()), [], []
    for task in (1, 2):
        own = features(20 + task, task).double()
        rows = known_entries(own.numpy())
        weights = [
            each.detach().numpy() for each in rule._begun(torch.from_numpy(rows), task).values()
        ]
        moments = [(np.zeros_like(each), np.zeros_like(each)) for each in weights]
        for t in range(1, 31):
            for place, slope in enumerate(slopes(weights, rows)):
                m, v = moments[place]
                m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
                moments[place] = m, v
                size = np.sqrt(v / (1 - 0.999**t)) + 1e-8
                weights[place] = weights[place] - 0.05 * m / (1 - 0.9**t) / size
        rule.learn(own, task)
        kept = [rule.state_dict()[name][task - 1].numpy() for name in DDAS_NAMES[:4]]
        for ours, theirs in zip(kept, weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
        least.append(square_errors(weights, z))
        limits.append(1.2 * square_errors(weights, rows).mean())
    best = np.argmin(least, axis=0)
    outside = np.min(least, axis=0) > np.array(limits)[best]
    expected = np.where(outside, 0, best + 1)
    assert rule.chosen(asked).tolist() == expected.tolist()
    assert set(expected.tolist()) == {0, 1, 2}


def answers(weights: list[np.ndarray], z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the code and the answer of an autoencoder."""
    down, down_bias, up, up_bias = weights
    code = np.maximum(z @ down.T + down_bias, 0)
    return code, 1 / (1 + np.exp(-(code @ up.T + up_bias)))


def square_errors(weights: list[np.ndarray], z: np.ndarray) -> np.ndarray:
    return np.asarray(((answers(weights, z)[1] - z) ** 2).mean(axis=1))


def slopes(weights: list[np.ndarray], z: np.ndarray) -> list[np.ndarray]:
    """Return the gradients of the mean error, in the order of the weights."""
    code, answer = answers(weights, z)
    outer = 2 * (answer - z) * answer * (1 - answer) / z.size
    inner = (outer @ weights[2]) * (code > 0)
    return [inner.T @ z, inner.sum(axis=0), outer.T @ code, outer.sum(axis=0)]


@pytest.mark.parametrize("name", ROUTED)
def test_what_was_learned_goes_on_from_disk_to_the_same_bit(name: str) -> None:
    whole, rule = learned(routed(name)), routed(name)
    rule.load_state_dict({})
    for task in (1, 2, 3):
        rule.learn(features(20 + task, task), task)
        state = rule.state_dict()
        rule = routed(name)
        rule.load_state_dict(state)
    assert list(rule.state_dict()) == list(whole.state_dict())
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, rule.state_dict()[key])
    with pytest.raises(ValueError, match="has learned 3 tasks, so task 5 is not next"):
        rule.learn(features(4, 5), 5)


@pytest.mark.parametrize("name", ROUTED)
def test_an_image_is_answered_by_the_member_of_its_task(backbone: Backbone, name: str) -> None:
    """Its logits are those of the member that the untouched backbone's features name."""
    images = pictures(24)
    encoding = encoder(backbone, name, MEMBERS)
    backbone.model.load_state_dict(dict(MEMBERS[0]))
    seen = backbone.encode_images(images)
    for task in (1, 2, 3):
        encoding.rule.learn(seen[8 * (task - 1) : 8 * task], task)
    chosen = encoding.rule.chosen(seen)
    members = [MEMBERS[0], *MEMBERS] if encoding.rule.falls_back else MEMBERS
    each = torch.stack([logits(backbone, w, images, CLASSES) for w in members])
    expected = each[chosen, torch.arange(24)]
    near = encoding.similarities(encoding.encode_images(images), encoding.encode_texts(CLASSES))
    factor = expected[0, 0] / near[0, 0]
    torch.testing.assert_close(factor * near, expected, rtol=1e-5, atol=1e-4)
    assert len(set(chosen.tolist())) > 1


# ---------------------------------------------------------------- rows

PLAIN = ROW | {"merging": "none", "start": "last", "deploy": "ensemble"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"ensemble": None},
            "deploy is 'ensemble' and ensemble is None.*name one of ddas, line, max",
        ),
        ({"ensemble": "mean", "deploy": "last"}, "deploy is 'last' and ensemble is 'mean'"),
        ({"ensemble": "meen"}, "unknown 'meen'. Known in methods/ensembles: .* mean 'mean'"),
        (
            {"ensemble": "mean", "ensemble_params": {"members": "every"}},
            "mean has no members 'every'. Allowed: all, ends, merged",
        ),
        (
            {"ensemble": "mean", "ensemble_params": {"members": "merged"}},
            "members is 'merged' but merging is 'none'. Name a merging, or take members",
        ),
        (
            {"ensemble": "nearest", "ensemble_params": {"members": "ends"}},
            "nearest has no members 'ends'. Allowed: all",
        ),
        (
            {"ensemble": "line", "ensemble_params": {"pionts": 3}},
            "line has no parameter 'pionts'. Allowed: points, members. Did you mean 'points'",
        ),
        (
            {"ensemble": None, "deploy": "last", "ensemble_params": {"members": "all"}},
            "ensemble_params without an ensemble",
        ),
        (
            {"ensemble": "mean", "merging": "ties"},
            "nothing uses merging 'ties': neither start nor deploy is 'merged'",
        ),
    ],
)
def test_an_ensemble_that_cannot_be_meant_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(PartError, match=message):
        check_method(PLAIN | row)


@pytest.mark.parametrize(
    "row",
    [
        {"ensemble": "mean"},
        {"ensemble": "line", "ensemble_params": {"members": "ends", "points": 5}},
        {"ensemble": "maximum", "merging": "ema_step", "ensemble_params": {"members": "merged"}},
    ],
)
def test_an_ensemble_that_can_be_meant_is_taken(row: dict[str, Any]) -> None:
    check_method(PLAIN | row)


def test_a_line_of_one_point_is_refused() -> None:
    with pytest.raises(ValueError, match="line takes 2 points or more"):
        ensemble({"ensemble": "line", "ensemble_params": {"points": 1}})


# ---------------------------------------------------------------- in a trial

CASES: dict[str, dict[str, Any]] = {
    "mean of all": {"ensemble": "mean", "ensemble_params": {"members": "all"}},
    "two experts": {
        "ensemble": "maximum",
        "ensemble_params": {"members": "merged"},
        "merging": "ema_step",
        "merging_params": {"decay": 0.9, "restart": False},
    },
    "line": {"ensemble": "line", "ensemble_params": {"members": "ends"}},
    "nearest": {"ensemble": "nearest", "ensemble_params": {"pairs": 16}},
    "regression": {"ensemble": "rls", "ensemble_params": {"pairs": 16}},
    "autoencoders": {"ensemble": "ddas", "ensemble_params": {"pairs": 16, "code": 4, "steps": 9}},
}


def deploying(case: str) -> Spec:
    plain = {"merging": "none", "merging_params": {}, "start": "last", "deploy": "ensemble"}
    return spec_with(**plain | CASES[case])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_trial_of_an_ensemble_is_resumed_to_the_same_bit(case: str, tmp_path: Path) -> None:
    spec = deploying(case)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_trial(attempt(whole, spec, 1, DATA)) == 0
    assert run_trial(attempt(killed, spec, 1, DATA), crash_at="receipt:3") == -9
    assert run_trial(attempt(killed, spec, 2, DATA)) == 0
    assert brought(killed) == brought(whole)
    rows = brought(whole)["statistic 4"]
    image = next(row for row in rows if "inference_flops" in row and "image" in row)
    at_first = next(row for row in brought(whole)["statistic 0"] if "inference_flops" in row)
    routed = case in ("autoencoders", "nearest", "regression")
    # The untouched backbone, which routes, and the member that it routes to
    models = 2 if routed else {"mean of all": 4, "two experts": 2, "line": 3}[case]
    # Of 16 features a product with each of the four tasks; an autoencoder has a code of 4 and back
    routing = 2 * 16 * 4 * (8 if case == "autoencoders" else 1) if routed else 0
    assert image[-1] == models * at_first[-1] + routing
    (folder,) = whole.glob("*/01")
    members = [f"task-{task:04d}.last" for task in range(1, 5)]
    if routed:
        members.append("task-0004.routed")
    elif case == "two experts":
        members = ["task-0004.merged", "task-0004.newest"]
    elif case == "line":
        members = ["task-0004.newest"]
    kept = sorted(path.stem for path in folder.glob("task-*.safetensors"))
    assert kept == sorted(members)
    site = Site(catalog=tmp_path / "catalog.duckdb", runs=whole)
    with pytest.raises(NotKeptError, match="trial 1 deploys an ensemble .*no single file holds"):
        find(site, 1, None)
    assert find(site, 1, 0).weights is None
