"""Our measures beside CLIP_benchmark's own functions, on the same embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import evals
from evals import all_captions, zeroshot
from tests.evals import clip_benchmark
from tests.evals.test_evals import pixels, unit, world


@pytest.mark.parametrize("seed", range(6))
def test_classification_is_that_of_clip_benchmark(seed: int) -> None:
    model, test = world("classification", seed, count=200)
    values = dict(evals.measure(model, test, ["top5", "mean_per_class_recall"]))
    classes = zeroshot.class_embeddings(model, test.classes, test.templates)
    logits = model.encode_images(test.images) @ classes.T
    target = torch.from_numpy(test.labels)
    top1, top5 = clip_benchmark.accuracy(logits, target, (1, 5))
    assert (values["top1"], values["top5"]) == pytest.approx((top1, top5))
    right = logits.argmax(dim=1) == target
    recalls = [float(right[target == label].float().mean()) for label in target.unique()]
    assert values["mean_per_class_recall"] == pytest.approx(np.mean(recalls))


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
    texts = [text for several in every for text in several]
    model.texts |= {text: unit(rng.normal(size=6)) for text in texts}
    owners = torch.tensor([image for image, several in enumerate(every) for _ in several])
    test = replace(test, every_caption=every)
    values = dict(evals.measure(model, test, ["all_r5"]))
    for k in (1, 5):
        theirs = clip_benchmark.retrieval(
            model.encode_images(test.images), model.encode_texts(texts), owners, k
        )
        assert values[f"all_image_to_text_r{k}"] == pytest.approx(theirs["text_retrieval_recall"])
        assert values[f"all_text_to_image_r{k}"] == pytest.approx(theirs["image_retrieval_recall"])


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
