"""Our measures beside those of the package CLIP_benchmark, on the same embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from clip_benchmark.metrics import zeroshot_retrieval
from sklearn.metrics import balanced_accuracy_score

import evals
from evals import TestSet, all_captions, zeroshot
from tests.evals.test_evals import Table, pixels, unit, world


class Tower:
    """A model with the methods that CLIP_benchmark calls; tokens are places in `texts`."""

    def __init__(self, table: Table, texts: list[str]) -> None:
        self.table, self.texts = table, texts

    def tokenize(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([self.texts.index(text) for text in texts])

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return self.table.encode_images(images.numpy())

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.table.encode_texts([self.texts[token] for token in tokens])


def their_recalls(table: Table, test: TestSet) -> dict[str, float]:
    """Return what the package's `evaluate` measures of all captions, in batches of 16 images."""
    texts = [text for captions in test.every_caption for text in captions]
    tower = Tower(table, texts)
    images = torch.from_numpy(test.images)
    batches = [
        (images[start : start + 16], test.every_caption[start : start + 16])
        for start in range(0, len(images), 16)
    ]
    return zeroshot_retrieval.evaluate(
        tower, batches, tower.tokenize, "cpu", amp=False, recall_k_list=[1, 5]
    )


@pytest.mark.parametrize("seed", range(6))
def test_classification_is_that_of_clip_benchmark(seed: int) -> None:
    model, test = world("classification", seed, count=200)
    values = dict(evals.measure(model, test, ["top5", "mean_per_class_recall"]))
    classes = zeroshot.class_embeddings(model, test.classes, test.templates)
    logits = model.encode_images(test.images) @ classes.T
    own = torch.nn.functional.one_hot(torch.from_numpy(test.labels), len(test.classes)).bool()
    for k in (1, 5):
        # Its `accuracy` makes a float of an array of one value, which NumPy refuses since 2.4. Its
        # recall at k is the same number where every row has one positive.
        recalls = zeroshot_retrieval.batchify(
            zeroshot_retrieval.recall_at_k, logits, own, 64, "cpu", k=k
        )
        assert values[f"top{k}"] == pytest.approx(float(recalls.mean()))
    # The function that the package calls for its mean per class recall.
    recall = balanced_accuracy_score(test.labels, logits.argmax(dim=1).numpy())
    assert values["mean_per_class_recall"] == pytest.approx(recall)


def test_top5_needs_five_candidates_for_every_image() -> None:
    model, test = world("classification", 0)
    test.classes, test.labels = test.classes[:4], test.labels % 4
    asked = evals.measure(model, test, ["mean_per_class_recall"])
    assert [metric for metric, _ in asked] == ["mean_per_class_recall", "top1"]


@pytest.mark.parametrize("seed", range(6))
def test_retrieval_over_all_captions_is_that_of_clip_benchmark(seed: int) -> None:
    model, test = world("retrieval", seed, count=40)
    rng = np.random.default_rng(seed)
    every = [[f"{image}-{n}" for n in range(int(rng.integers(1, 6)))] for image in range(40)]
    model.texts |= {text: unit(rng.normal(size=6)) for captions in every for text in captions}
    test = replace(test, every_caption=every)
    values = dict(evals.measure(model, test, ["all_r5"]))
    theirs = their_recalls(model, test)
    for k in (1, 5):
        to_text, to_image = values[f"all_image_to_text_r{k}"], values[f"all_text_to_image_r{k}"]
        assert to_text == pytest.approx(theirs[f"text_retrieval_recall@{k}"])
        assert to_image == pytest.approx(theirs[f"image_retrieval_recall@{k}"])


def test_over_one_caption_each_it_is_plain_retrieval() -> None:
    model, test = world("retrieval", 1, count=20)
    values = dict(evals.measure(model, test, all_captions.PROBES))
    for way in ("image_to_text_", "text_to_image_", ""):
        assert values[f"all_{way}r5"] == values[f"{way}r5"]


def test_an_image_without_a_caption_is_refused() -> None:
    model, test = world("retrieval", 1, count=3)
    test = replace(test, every_caption=[["caption 0"], [], ["caption 2"]])
    with pytest.raises(ValueError, match=r"needs a caption of every image, and some have none"):
        list(evals.measure(model, test, ["all_r1"]))


def test_a_part_of_a_test_set_keeps_its_captions() -> None:
    _, test = world("retrieval", 1, count=3)
    test = replace(test, every_caption=[["a"], ["b", "c"], ["d"]])
    assert test.some(np.array([1])).every_caption == [["b", "c"]]


def test_images_of_the_same_pixels_are_matches_of_each_other() -> None:
    """Two images that no model can tell apart, each with a caption of its own: every query finds a
    match, where pairs alone would give half of them the wrong one."""
    model, test = world("retrieval", 0, count=4)
    test.images = pixels(4)[[0, 0, 2, 3]]
    model.images[:4] = unit(np.eye(6)[:4])
    for place, image in enumerate((0, 0, 2, 3)):
        model.texts[test.captions[place]] = model.images[image]
    assert set(dict(evals.measure(model, test)).values()) == {1.0}
    unlike = replace(test, images=pixels(4))
    model.images[1] = model.images[0]
    assert dict(evals.measure(model, unlike))["r1"] < 1
