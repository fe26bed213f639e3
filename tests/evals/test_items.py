"""What became of each item: its means are the metrics to the last bit, and each item against a brute-force reference."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import evals
from evals import Judged, TestSet, all_captions, retrieval, zeroshot
from runner.worker.evaluation import SuiteTests, measure_suite
from runner.worker.items import ItemRecord
from runner.worker.suites import part_of
from tests.evals.test_evals import Table, world

# How each metric follows from the items of one way of asking: the ranks below this count
MEANS = {
    "top1": ("class", 1),
    "top5": ("class", 5),
    "image_to_text_r1": ("image_to_text", 1),
    "image_to_text_r5": ("image_to_text", 5),
    "text_to_image_r1": ("text_to_image", 1),
    "text_to_image_r5": ("text_to_image", 5),
    "all_image_to_text_r1": ("all_image_to_text", 1),
    "all_text_to_image_r5": ("all_text_to_image", 5),
}
PROBES = ("top5", "all_r1")


def by_way(model: Table, test: TestSet) -> Mapping[str, Judged]:
    return {each.way: each for each in evals.judged(model, test, PROBES)}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["classification", "retrieval"]))
def test_the_means_of_the_items_are_the_metrics_to_the_last_bit(seed: int, kind: str) -> None:
    model, test = world(kind, seed)
    metrics, items = dict(evals.measure(model, test, PROBES)), by_way(model, test)
    compared = 0
    for metric, (way, below) in MEANS.items():
        if metric in metrics:
            assert float((items[way].rank < below).mean()) == metrics[metric]
            compared += 1
    assert compared == (2 if kind == "classification" else 6)


def test_each_image_is_what_a_loop_over_candidates_says() -> None:
    model, test = world("classification", seed=4)
    (item,) = zeroshot.judged(model, test)
    classes = zeroshot.class_embeddings(model, test.classes, test.templates).numpy()
    near = model.encode_images(test.images).numpy() @ classes.T
    for n, label in enumerate(test.labels):
        others = np.delete(near[n], label)
        assert item.rank[n] == (others > near[n, label]).sum()
        assert item.answer[n] == near[n].argmax()
        assert item.margin[n] == pytest.approx(near[n, label] - others.max(), abs=1e-6)
        assert (item.margin[n] > 0) == (item.rank[n] == 0)
    assert item.labels is test.labels and set(item.candidates) == {7}


def test_an_image_is_among_the_classes_of_its_group_and_of_rivals() -> None:
    model, test = world("classification", seed=5)
    groups = np.array([0, 0, 0, 1, 1, 1, 2])
    (item,) = zeroshot.judged(model, replace(test, groups=groups))
    sizes = {0: 3, 1: 3, 2: 1}
    assert item.candidates.tolist() == [sizes[groups[label]] for label in test.labels]
    assert (groups[item.answer] == groups[test.labels]).all()
    # Nothing else could have been said, so nothing was nearer or farther
    alone = groups[test.labels] == 2
    assert np.isinf(item.margin[alone]).all() and (item.rank[alone] == 0).all()
    rivals = [(["thing 3 ", "other"], ["a {}."])]
    model.texts |= {
        "a thing 3 .": model.texts["a thing 3."],
        "a other.": -model.texts["a thing 0."],
    }
    (among,) = zeroshot.judged(model, replace(test, rivals=rivals))
    # A rival of the same name is right as well, and the first among equals is taken
    assert set(among.candidates) == {9} and among.answer.max() < 9
    metrics = dict(evals.measure(model, replace(test, rivals=rivals)))
    assert float((among.rank == 0).mean()) == metrics["top1"]


def test_ties_of_a_retrieval_count_against_it() -> None:
    model, test = world("retrieval", seed=6, count=4)
    model.images[:] = model.images[0]
    for name in model.texts:
        model.texts[name] = model.texts["caption 0"]
    to_text, to_image = retrieval.judged(model, test)
    for item in (to_text, to_image):
        assert item.rank.tolist() == [3, 3, 3, 3] and not item.margin.any()
        # The first that does not match
        assert item.answer.tolist() == [1, 0, 0, 0]


def test_texts_of_equal_words_are_answers_of_each_other() -> None:
    captions = [f"caption {n // 2}" for n in range(6)]
    model, test = world("retrieval", seed=7, count=6, captions=captions)
    to_text, _ = retrieval.judged(model, test)
    near = model.encode_images(test.images).numpy() @ np.stack([model.texts[c] for c in captions]).T
    for n in range(6):
        assert (to_text.rank[n] == 0) == (captions[to_text.answer[n]] == captions[n])
        assert captions[near[n].argmax()] == captions[to_text.answer[n]]


def suite_of(test: TestSet, **more: object) -> dict[str, object]:
    metrics = ["top1", "top5"] if test.kind == "classification" else ["r1", "all_r1"]
    members = [{"dataset": test.name, "metric": each, "label_space": "all"} for each in metrics]
    return {"name": "s", "members": members, **more}


def recorded(model: Table, test: TestSet, shares: tuple[float, ...]) -> ItemRecord:
    record = ItemRecord.of(suite_of(test, items=True))
    assert record is not None
    measured = SuiteTests(suite=suite_of(test), tests={test.name: test}, brought={}, items=record)
    measure_suite(model, measured, shares, 1, 1)
    return record


@pytest.mark.parametrize("kind", ["classification", "retrieval"])
def test_a_suite_that_keeps_no_items_keeps_none(kind: str) -> None:
    model, test = world(kind, seed=8)
    assert ItemRecord.of(suite_of(test)) is None
    assert ItemRecord.of(suite_of(test, items=False)) is None
    measured = SuiteTests(suite=suite_of(test), tests={test.name: test}, brought={})
    with_items = replace(measured, items=ItemRecord())
    rows = measure_suite(model, measured, (1.0,), 1, 1)
    assert measure_suite(model, with_items, (1.0,), 1, 1) == rows


def test_items_of_a_part_are_named_by_their_places_in_the_whole() -> None:
    count = 700
    captions = [[f"caption {n}"] + [f"more {n}"] * (n % 3 == 0) for n in range(count)]
    every = [text for own in captions for text in own]
    model, test = world("retrieval", seed=9, count=count, captions=every)
    test = replace(test, captions=[own[0] for own in captions], every_caption=captions)
    record = recorded(model, test, (0.5,))
    places = part_of(test, 0.5)
    blocks = {block.way: block for block in record.blocks}
    assert {block.fraction for block in record.blocks} == {len(places) / count}
    assert blocks["image_to_text"].columns["item"].tolist() == places.tolist()
    assert set(blocks["text_to_image"].columns["answer"].tolist()) <= set(places.tolist())
    kept = {text for place in places for text in captions[place]}
    texts = [every[item] for item in blocks["all_text_to_image"].columns["item"].tolist()]
    assert set(texts) == kept
    answers = [every[item] for item in blocks["all_image_to_text"].columns["answer"].tolist()]
    for place, answer, rank in zip(
        places, answers, blocks["all_image_to_text"].columns["rank"].tolist(), strict=True
    ):
        assert (answer in captions[place]) == (rank == 0)


def test_what_an_evaluation_says_of_items_is_named_once() -> None:
    ways = set()
    for evaluation in (zeroshot, retrieval, all_captions):
        kind = evaluation.KINDS[0]
        model, test = world(kind, seed=1)
        judged = [each.way for each in evaluation.judged(model, test)]
        assert len(set(judged)) == len(judged) and not ways & set(judged)
        ways |= set(judged)
        for each in evaluation.judged(model, test):
            assert len(each.rank) == len(each.margin) == len(each.answer) == len(each.candidates)
            assert torch.from_numpy(each.rank).dtype == torch.int64
    assert ways == {
        "class", "image_to_text", "text_to_image", "all_image_to_text", "all_text_to_image",
    }  # fmt: skip
