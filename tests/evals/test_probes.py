"""Probes: few shots and an old index, against answers found by hand, and as a trial measures them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import evals
from evals import TestSet, between, between_pairs, divergence, fewshot
from runner.worker import backbone as backbones
from runner.worker.evaluation import MetricError, OtherWeights, SuiteTests, measure_suite
from runner.worker.suites import load_shots
from runner.worker.weight_line import WeightLine, on_line
from streams import EVERY
from tests.evals.test_evals import Table, pixels, unit, world
from tests.filled import Filled

TINY = """{"embed_dim": 8, "words": ["a"], "position_std": 0.5,
    "vision_cfg": {"image_size": 8, "patch_size": 4, "width": 16, "layers": 1, "head_width": 8},
    "text_cfg": {"context_length": 4, "width": 16, "heads": 2, "layers": 1}}"""
KNOWN = {
    "classification": (*fewshot.PROBES, *divergence.PROBES, *between.PROBES),
    "retrieval": ("index_r1", "index_r5", "index_shifted_r1", "index_shifted_r5"),
}


class Drawn:
    """The pairs of a training split."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: np.ndarray, crops: object = None) -> np.ndarray:
        return pixels(len(self.labels))[indices]

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        return [f"caption {n}" for n in indices][part]


def classes(
    features: np.ndarray, labels: np.ndarray, name: str = "d", count: int = 3
) -> tuple[Table, TestSet]:
    """A test set that is its own training split."""
    row = {
        "name": name,
        "kind": "classification",
        "classes": [f"class {n}" for n in range(count)],
        "templates": [],
    }
    test = TestSet(name, "classification", row["classes"], [], pixels(len(labels)), labels, [])
    texts = {one: unit(np.ones(features.shape[1])) for one in row["classes"]}
    test.shots = load_shots(row, Drawn(labels))
    return Table(features, texts), test


def retrieval(
    new: np.ndarray, old_images: np.ndarray, old_texts: np.ndarray, captions: list[str]
) -> dict[str, float]:
    """What the index probe says of these embeddings; all of unit norm."""
    old = Table(old_images, dict(zip(captions, old_texts, strict=True)))
    model = Table(old_images[::-1].copy(), dict(zip(captions, new, strict=True)))
    test = TestSet(
        "d",
        "retrieval",
        [],
        [],
        pixels(len(captions)),
        np.full(len(captions), -1),
        captions,
        untouched=old,
    )
    return dict(evals.measure(model, test, ["index_r1"]))


def test_probes_are_measured_only_where_they_are_asked_for() -> None:
    model, test = classes(unit(np.eye(3))[np.arange(24) % 3], np.arange(24) % 3)
    assert set(dict(evals.measure(model, test))) == {"top1"}
    assert set(dict(evals.measure(model, test, ["r1"]))) == {"top1"}
    assert set(dict(evals.measure(model, test, ["fewshot4_top1"]))) == {"top1", "fewshot4_top1"}, (
        "8 of a class: none of 16 shots"
    )


def test_features_that_separate_are_classified_whatever_the_texts_say() -> None:
    model, test = classes(unit(np.eye(3))[np.arange(60) % 3], np.arange(60) % 3)
    found = dict(evals.measure(model, test, fewshot.PROBES))
    assert found == {"top1": 1 / 3, "fewshot4_top1": 1.0, "fewshot16_top1": 1.0}


def test_features_that_say_nothing_are_at_chance() -> None:
    model, test = classes(np.tile(unit(np.ones(4)), (60, 1)), np.arange(60) % 3)
    found = dict(evals.measure(model, test, fewshot.PROBES))
    assert found["fewshot4_top1"] == found["fewshot16_top1"] == 1 / 3, "the first class, of equals"


def test_two_shots_in_one_dimension_by_hand() -> None:
    """Features -1 and 1, classes 0 and 1: less their means the fit is y = x / (2 (1 + 0.1)), so the border lies at 0."""
    known, labels = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.tensor([0, 1])
    images = torch.tensor([[-3.0], [-0.1], [0.0], [0.1], [3.0]], dtype=torch.float64)
    assert fewshot.classified(known, labels, images, 2).tolist() == [0, 0, 0, 1, 1]


@given(seed=st.integers(0, 10_000), shots=st.integers(2, 12), width=st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_the_closed_form_is_the_least_squares_of_numpy(seed: int, shots: int, width: int) -> None:
    """Ridge as ordinary least squares on rows sqrt(lambda) I added below: LAPACK's gelsd, no normal equations."""
    rng = np.random.default_rng(seed)
    known, labels, images = (
        rng.normal(size=(shots, width)),
        rng.integers(0, 3, shots),
        rng.normal(size=(9, width)),
    )
    x, y = known - known.mean(0), np.eye(3)[labels] - np.eye(3)[labels].mean(0)
    ridge = 0.1 * (x**2).sum() / min(shots - 1, width) + 1e-9
    weights = np.linalg.lstsq(
        np.vstack([x, np.sqrt(ridge) * np.eye(width)]),
        np.vstack([y, np.zeros((width, 3))]),
        rcond=None,
    )[0]
    scores = (images - known.mean(0)) @ weights + np.eye(3)[labels].mean(0)
    ordered = np.sort(scores, axis=1)
    found = fewshot.classified(
        torch.from_numpy(known), torch.from_numpy(labels), torch.from_numpy(images), 3
    ).numpy()
    sure = ordered[:, 2] - ordered[:, 1] > 1e-9
    assert (found == scores.argmax(1))[sure].all()


def test_shots_are_the_same_for_everyone_and_as_many_of_each_class() -> None:
    labels = np.random.default_rng(0).integers(-1, 3, 300)
    row = {"name": "d", "kind": "classification", "classes": ["a", "b", "c"], "templates": []}
    first, again = load_shots(row, Drawn(labels)), load_shots(row, Drawn(labels))
    assert (first.images[:48] == again.images[:48]).all() and np.bincount(
        first.labels
    ).tolist() == [
        16,
        16,
        16,
    ]
    assert not np.array_equal(first.images, load_shots(row | {"name": "e"}, Drawn(labels)).images)


@pytest.mark.parametrize("missing", [True, False])
def test_too_few_shots_are_refused(missing: bool) -> None:
    model, test = classes(
        unit(np.eye(3))[np.arange(24) % 3], np.where(np.arange(24) < 3, 2, np.arange(24) % 2)
    )
    test.shots = None if missing else test.shots
    with pytest.raises(
        ValueError,
        match=rf"'d': fewshot4_top1 needs 4 .* one has {0 if missing else 3}; give it a training split",
    ):
        dict(evals.measure(model, test, ["fewshot4_top1"]))


def test_an_index_by_hand() -> None:
    """The new texts point to the neighbour's old image: found among 5 and not first. The drift is the same quarter turn for all
    queries on a circle of 4, whose mean is 0, so taking it back changes nothing."""
    circle = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    found = retrieval(np.roll(circle, -1, axis=0), circle, circle, ["a", "b", "c", "d"])
    assert (
        found["index_r1"] == found["index_shifted_r1"] == 0
        and found["index_r5"] == found["index_shifted_r5"] == 1
    )


def test_a_drift_that_all_queries_share_is_taken_back() -> None:
    rng = np.random.default_rng(3)
    old = unit(np.concatenate([rng.normal(size=(40, 6)), np.zeros((40, 1))], axis=1))
    new = unit(old + np.array([2.0] + [0.0] * 6))  # towards one direction
    found = retrieval(new, old, old, [f"caption {n}" for n in range(40)])
    assert found["index_r1"] + 0.1 < found["index_shifted_r1"]


def test_the_untouched_backbone_on_its_own_index_scores_what_it_does_now() -> None:
    rng = np.random.default_rng(1)
    images, texts = unit(rng.normal(size=(30, 6))), unit(rng.normal(size=(30, 6)))
    captions = [f"caption {n // 2 * 2}" for n in range(30)]
    model = Table(images, dict(zip(captions, texts, strict=True)))
    test = TestSet("d", "retrieval", [], [], pixels(30), np.full(30, -1), captions, untouched=model)
    found = dict(evals.measure(model, test, KNOWN["retrieval"]))
    for k in (1, 5):
        assert found[f"index_r{k}"] == found[f"index_shifted_r{k}"] == found[f"text_to_image_r{k}"]
    test.untouched = None
    with pytest.raises(
        ValueError, match="index_r1 compares with the untouched backbone, and none was given"
    ):
        dict(evals.measure(model, test, ["index_r5"]))


def test_divergence_is_the_formula_by_numpy() -> None:
    """At CLIP's bound of the temperature; 0 for the untouched backbone itself."""
    rng = np.random.default_rng(0)
    names = [f"class {n}" for n in range(4)]
    models = []
    for away in (0.0, 0.1):
        noise = away * rng.normal(size=(16, 4))
        images = unit(np.eye(4)[np.arange(12) % 4] / 10 + 1 + noise[:12])
        texts = unit(np.eye(4) + 6 + noise[12:])
        models.append(Table(images, dict(zip(names, texts, strict=True))))
    test = TestSet("d", "classification", names, [], pixels(12), np.arange(12) % 4, [])
    before, now = models
    with pytest.raises(ValueError, match="divergence compares with the untouched backbone"):
        dict(evals.measure(now, test, divergence.PROBES))
    test.untouched = before
    logs = []
    for model in models:
        scores = 100 * model.images @ np.stack([model.texts[name] for name in names]).T
        logs.append(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
    expected = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1).mean()
    found = dict(evals.measure(now, test, divergence.PROBES))["divergence"]
    assert 0.01 < found < 0.99 and -np.log1p(-found) == pytest.approx(expected, rel=1e-4)
    assert dict(evals.measure(before, test, divergence.PROBES))["divergence"] == 0


@pytest.mark.parametrize("kind", ["classification", "retrieval"])
def test_a_line_is_measured_at_its_quarters(kind: str) -> None:
    """Each place by the evaluation of the kind, of a model of its own there."""
    probe = between if kind == "classification" else between_pairs
    models = {share: world(kind, seed)[0] for seed, share in enumerate((0.25, 0.5, 0.75))}
    _, test = world(kind, seed=9)
    with pytest.raises(ValueError, match="between25_.* is measured on the line from the weights"):
        dict(evals.measure(models[0.5], test, probe.PROBES))
    test.between = models.__getitem__
    found = dict(evals.measure(world(kind, seed=8)[0], test, probe.PROBES))
    for share, model in models.items():
        for name, value in evals.measure(model, test):
            if name in probe.METRICS:
                assert found[f"between{round(100 * share)}_{name}"] == value


def test_models_on_a_line_are_those_between_its_ends() -> None:
    """Each tensor by numpy; the ends, and a line of no length, to the bit; counters are not mixed."""
    drawn = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    before, now = ({"w": torch.from_numpy(w), "n": torch.tensor(n)} for n, w in enumerate(drawn))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        found = on_line(before, now, share)
        expected = (1 - share) * drawn[0].astype(np.float64) + share * drawn[1]
        assert np.allclose(found["w"].numpy(), expected, rtol=0, atol=1e-6) and found["n"] == 1
        assert torch.equal(on_line(now, now, share)["w"], now["w"])
    assert torch.equal(on_line(before, now, 0.0)["w"], before["w"])
    assert torch.equal(on_line(before, now, 1.0)["w"], now["w"])
    read: list[int] = []
    line = WeightLine(backbones.build(TINY, 0, "cpu"), lambda task: read.append(task) or now, 3)
    assert not read, "nothing is read before somebody asks"
    line.at(0.5)
    assert sorted(read) == [2, 3]


def test_the_untouched_backbone_is_put_in_and_taken_out_again() -> None:
    backbone = backbones.build(TINY, 0, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8)).astype(np.uint8)
    initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    before, text = backbone.encode_images(images), backbone.encode_texts(["a"])
    with torch.no_grad():
        for parameter in backbone.model.parameters():
            parameter.add_(torch.randn_like(parameter))
    updated = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    untouched = OtherWeights(backbone, initial)
    assert torch.equal(untouched.encode_images(images), before) and torch.equal(
        untouched.encode_texts(["a"]), text
    )
    assert all(
        torch.equal(tensor, updated[name]) for name, tensor in backbone.model.state_dict().items()
    )
    assert not torch.equal(backbone.encode_images(images), before)


def test_a_suite_measures_its_probes_and_names_what_is_missing() -> None:
    model, test = classes(unit(np.eye(3))[np.arange(60) % 3], np.arange(60) % 3)
    member = {
        "dataset": "d",
        "role": "probe",
        "metric": "fewshot16_top1",
        "weight": 1.0,
        "label_space": "all",
    }
    suite: dict[str, Any] = {"name": "s", "members": [member]}
    measured = SuiteTests(suite=suite, tests={"d": test}, brought={})
    rows = measure_suite(model, measured, (1.0,), 2, 9)
    assert {row["metric"]: row["value"] for row in rows} == {
        "top1": 1 / 3,
        "fewshot4_top1": 1.0,
        "fewshot16_top1": 1.0,
    }
    few, small = classes(unit(np.eye(3))[np.arange(24) % 3], np.arange(24) % 3)
    with pytest.raises(
        MetricError,
        match="'fewshot16_top1' of 'd' .* is not measured; measured are fewshot4_top1, top1",
    ):
        measured = SuiteTests(suite=suite, tests={"d": small}, brought={})
        measure_suite(few, measured, (1.0,), 2, 9)


@pytest.mark.parametrize(
    ("recalls", "must"),
    [
        ([(0.3, 0.4, 0.7), (0.3, 0.42, 0.72), (0.31, 0.41, 0.71)], "yes"),
        (
            [(0.3, 0.8, 0.9), (0.3, 0.82, 0.9)],
            "no",
        ),  # with the drift taken back it serves as it did
        ([(0.5, 0.6, 0.6), (0.4, 0.6, 0.5)], "no"),  # a new one would be no better
        ([(0.9, 0.1, 1.0), (0.1, 0.2, 0.6)], "open"),  # within the interval of two seeds
        ([(0.3, 0.4, 0.7)], "open"),
    ],
)
def test_whether_the_image_index_must_be_rebuilt(
    filled: Filled, recalls: list[tuple[float, float, float]], must: str
) -> None:
    filled.connection.execute("BEGIN")
    filled.probed(recalls, [0.8] * len(recalls))
    (row,) = filled.rows("rebuild_index")
    filled.connection.execute("ROLLBACK")
    assert (row["must"], row["rank"], row["task"], row["seeds"], row["before"]) == (
        must,
        5,
        1,
        len(recalls),
        pytest.approx(0.8),
    )
    best = [max(kept, shifted) for kept, shifted, _ in recalls]
    assert row["falls"] == pytest.approx(0.8 - np.mean(best))
    assert row["rebuilding_gains"] == pytest.approx(
        np.mean([rebuilt for _, _, rebuilt in recalls]) - np.mean(best)
    )
    if len(recalls) == 3:
        assert row["falls_high"] - row["falls"] == pytest.approx(
            4.303 * np.std(best, ddof=1) / np.sqrt(3)
        )
