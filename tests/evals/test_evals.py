"""What every evaluation must do, over the files of evals, and each one against a brute-force reference."""

import ast
from collections.abc import Sequence
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import evals
from evals import TestSet
from tests.tiny_clip import ROOT, names

EVALUATIONS = names("evals")
KINDS = sorted({kind for name in EVALUATIONS for kind in import_module(f"evals.{name}").KINDS})


class Table:
    """An encoder that looks embeddings up: an image by its first pixels, a text by itself."""

    def __init__(self, images: np.ndarray, texts: dict[str, np.ndarray]) -> None:
        self.images, self.texts, self.asked = images, texts, []

    def encode_images(self, images: evals.Images) -> torch.Tensor:
        images = images[: len(images)]
        assert images.dtype == np.uint8
        index = images[:, 0, 0, 0].astype(int) + 256 * images[:, 0, 0, 1].astype(int)
        return torch.from_numpy(self.images[index]).float()

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        self.asked += texts
        return torch.from_numpy(np.stack([self.texts[text] for text in texts])).float()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def pixels(count: int) -> np.ndarray:
    """Images that say which they are."""
    images = np.zeros((count, 3, 2, 2), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return images


def world(
    kind: str,
    seed: int,
    count: int = 30,
    captions: Sequence[str] | None = None,
    templates: Sequence[str] = ("a {}.", "the {}!"),
) -> tuple[Table, TestSet]:
    """Random embeddings for every image, prompt and caption of a test set with 7 classes."""
    rng = np.random.default_rng(seed)
    classes = [f"thing {n}" for n in range(7)]
    captions = list(captions) if captions is not None else [f"caption {n}" for n in range(count)]
    prompts = [template.replace("{}", name) for name in classes for template in [*templates, "{}"]]
    texts = {text: unit(rng.normal(size=6)) for text in [*prompts, *captions]}
    labels = rng.integers(0, 7, count)
    return Table(unit(rng.normal(size=(count, 6))), texts), TestSet(
        "d", kind, classes, list(templates), pixels(count), labels, captions
    )


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_file_says_what_it_is_its_source_and_for_which_kinds(name: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / "evals" / f"{name}.py").read_text())) or ""
    assert "https://" in text
    kinds = import_module(f"evals.{name}").KINDS
    assert kinds and set(kinds) <= {"classification", "retrieval", "captions"}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_fractions_and_the_same_each_time(kind: str) -> None:
    model, test = world(kind, seed=1)
    once, twice = list(evals.measure(model, test)), list(evals.measure(model, test))
    assert once and once == twice
    assert all(isinstance(value, float) and 0 <= value <= 1 for _, value in once)
    assert len(dict(once)) == len(once)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_sees_no_difference_gets_no_credit(kind: str) -> None:
    """Every embedding the same: at most the share of the first class."""
    model, test = world(kind, seed=1)
    model.images[:] = model.images[0]
    for text in model.texts:
        model.texts[text] = model.images[0]
    assert all(value <= float((test.labels == 0).mean()) for _, value in evals.measure(model, test))


def test_a_kind_that_no_evaluation_is_for_has_no_metrics() -> None:
    assert not list(evals.measure(*world("captions", seed=0)))


def test_two_metrics_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("evals.retrieval"), "KINDS", ("classification",))
    monkeypatch.setattr(
        import_module("evals.retrieval"), "measure", lambda model, dataset: iter([("top1", 0.5)])
    )
    with pytest.raises(
        ValueError,
        match=r"evals/zeroshot.py: 'top1' of classification datasets is another's already",
    ):
        list(evals.measure(*world("classification", seed=0)))


@given(
    seed=st.integers(0, 10_000),
    templates=st.sampled_from([(), ("{}",), ("a {}.",), ("a {}.", "the {}!")]),
)
@settings(max_examples=30, deadline=None)
def test_zero_shot_is_the_brute_force_answer(seed: int, templates: tuple[str, ...]) -> None:
    model, test = world("classification", seed, templates=templates)
    places = []
    for image, label in zip(model.images, test.labels, strict=True):
        scores = []
        for name in test.classes:
            prompts = [
                model.texts[template.replace("{}", name)] for template in templates or ("{}",)
            ]
            scores.append(float(image @ unit(np.mean(prompts, axis=0))))
        places.append(sorted(range(7), key=lambda n: -scores[n]).index(label))
    right = np.array(places) == 0
    recalls = [right[test.labels == label].mean() for label in set(test.labels.tolist())]
    assert dict(evals.measure(model, test)) == {"top1": right.mean()}
    assert dict(evals.measure(model, test, ["top5"])) == pytest.approx(
        {
            "top1": right.mean(),
            "top5": (np.array(places) < 5).mean(),
            "mean_per_class_recall": np.mean(recalls),
        }
    )


def test_zero_shot_embeds_each_prompt_once_and_leaves_other_braces_alone() -> None:
    model, test = world("classification", seed=0, templates=("a {}.", "{} {x}", "{0}"))
    list(evals.measure(model, test))
    assert (
        len(model.asked) == len(set(model.asked)) + 6 == 3 * 7
    )  # "{0}" names no class: the same prompt for each
    assert "thing 3 {x}" in model.asked


@pytest.mark.parametrize("labels", [[], [0, -1], [0, 7]])
def test_zero_shot_refuses_images_without_a_class(labels: list[int]) -> None:
    model, test = world("classification", seed=0, count=len(labels))
    test.labels = np.array(labels, np.int64)
    with pytest.raises(
        ValueError, match=r"dataset 'd' is of kind classification.*label from 0 to 6"
    ):
        list(evals.measure(model, test))


@given(seed=st.integers(0, 10_000), distinct=st.integers(1, 12), count=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_retrieval_is_the_brute_force_answer(seed: int, distinct: int, count: int) -> None:
    captions = [f"caption {n}" for n in np.random.default_rng(seed).integers(0, distinct, count)]
    model, test = world("retrieval", seed, count, captions)
    near = (model.images @ np.stack([model.texts[text] for text in captions]).T).astype(np.float32)
    expected = {}
    for k in (1, 5):
        hits = {"image_to_text": 0, "text_to_image": 0}
        for direction, table in (("image_to_text", near), ("text_to_image", near.T)):
            for query in range(count):
                # the k nearest; among equally near ones, those that do not match come first
                order = sorted(
                    range(count), key=lambda n: (-table[query, n], captions[n] == captions[query])
                )
                hits[direction] += any(captions[n] == captions[query] for n in order[:k])
            expected[f"{direction}_r{k}"] = hits[direction] / count
        expected[f"r{k}"] = sum(hits.values()) / (2 * count)
    assert dict(evals.measure(model, test)) == pytest.approx(expected)


def test_a_perfect_model_gets_everything() -> None:
    model, test = world("retrieval", seed=0, count=10)
    for n, caption in enumerate(test.captions):
        model.texts[caption] = model.images[n]
    assert set(dict(evals.measure(model, test)).values()) == {1.0}
    assert [metric for metric, _ in evals.measure(model, test)] == [
        *("image_to_text_r1", "text_to_image_r1", "r1"),
        *("image_to_text_r5", "text_to_image_r5", "r5"),
    ]


@pytest.mark.parametrize(
    ("name", "kind"), [("zeroshot", "classification"), ("_matching", "retrieval")]
)
def test_chunks_change_nothing(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, test = world(kind, seed=3, count=50)
    at_once = list(evals.measure(model, test))
    monkeypatch.setattr(import_module(f"evals.{name}"), "CHUNK_ROWS", 7)
    assert list(evals.measure(model, test)) == at_once


@pytest.mark.parametrize("count", [0, 3])
def test_retrieval_refuses_captions_that_are_not_one_per_image(count: int) -> None:
    model, test = world("retrieval", seed=0, count=count)
    test.captions = test.captions[:-1]
    with pytest.raises(ValueError, match=r"one caption per image, not \d for \d"):
        list(evals.measure(model, test))
