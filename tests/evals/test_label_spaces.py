"""Label spaces and parts of test sets: which classes an image is among, which images are measured, and that answers mix neither."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import evals
from evals import TestSet
from runner.worker.evaluation import MetricError, SuiteTests, measure_suite
from runner.worker.suites import among, part_of, shares
from tests.filled import Filled

# two datasets on a circle: the texts stand at these degrees
AT = {"crow": 0, "gull": 40, "wren": 80, "tug": 20, "ferry": 100, "Gull ": 60}


class Circle:
    """An encoder of texts by the table above and of images by the degrees in their first pixel; counts what it is asked."""

    def __init__(self) -> None:
        self.images_asked = self.texts_asked = 0

    def encode_images(self, images: np.ndarray) -> torch.Tensor:
        self.images_asked += len(images)
        return unit(images[:, 0, 0, 0].astype(float).tolist())

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        self.texts_asked += len(texts)
        return unit([float(AT[text]) for text in texts])


def unit(degrees: list[float]) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def dataset(
    name: str,
    classes: list[str],
    degrees: list[int],
    labels: list[int],
    kind: str = "classification",
) -> TestSet:
    images = np.zeros((len(degrees), 3, 1, 1), np.uint8)
    images[:, 0, 0, 0] = degrees
    return TestSet(
        name,
        kind,
        classes,
        ["{}"],
        images,
        np.array(labels, np.int64),
        [f"{n}" for n in range(len(labels))],
    )


BIRDS = dataset("birds", ["crow", "gull", "wren"], [2, 22, 55, 70, 52], [0, 0, 1, 2, 1])
SHIPS = dataset("ships", ["tug", "ferry"], [20, 90], [0, 1])
TESTS = {"birds": BIRDS, "ships": SHIPS}
BROUGHT = {"birds": np.array([1, 2, 1]), "ships": np.array([2, 2])}


@pytest.mark.parametrize(
    ("name", "label_space", "value"),
    [
        # 2 -> crow, 22 -> gull (wrong), 55 -> gull, 70 -> wren, 52 -> gull
        ("birds", "all", 4 / 5),
        # of a task with crow and wren: 22 -> crow; gull is alone in its own, and right
        ("birds", "task", 5 / 5),
        # 22 -> tug (wrong), all others as among the birds
        ("birds", "union", 4 / 5),
        ("ships", "all", 2 / 2),
        # 90 is as far from wren as from ferry: 90 - 80 = 100 - 90
        ("ships", "task", 2 / 2),
    ],
)
def test_hand_made_embeddings(name: str, label_space: str, value: float) -> None:
    assert dict(evals.measure(Circle(), among(label_space, name, TESTS, BROUGHT))) == {
        "top1": pytest.approx(value)
    }


def test_a_rival_takes_images_unless_it_has_the_same_name() -> None:
    birds = dataset(
        "birds", ["crow", "gull"], [14, 58, 8], [0, 1, 0]
    )  # 14 is nearer to tug, 58 to the other dataset's Gull
    tests = {"birds": birds, "boats": dataset("boats", ["tug", "Gull "], [20], [0])}
    assert dict(evals.measure(Circle(), among("all", "birds", tests, {}))) == {"top1": 1.0}
    assert dict(evals.measure(Circle(), among("union", "birds", tests, {}))) == {
        "top1": pytest.approx(2 / 3)
    }


@given(seed=st.integers(0, 1000))
def test_fewer_candidates_are_never_harder(seed: int) -> None:
    """An image right among more candidates is right among fewer."""
    rng = np.random.default_rng(seed)
    tests = {
        "birds": dataset(
            "birds",
            ["crow", "gull", "wren"],
            rng.integers(0, 120, 20).tolist(),
            rng.integers(0, 3, 20).tolist(),
        ),
        "ships": SHIPS,
    }
    value = {
        space: dict(evals.measure(Circle(), among(space, "birds", tests, BROUGHT)))["top1"]
        for space in ("task", "all", "union")
    }
    assert value["task"] >= value["all"] >= value["union"]


def suite(*members: tuple[str, str], metric: str = "top1") -> dict[str, Any]:
    return {
        "name": "s",
        "members": [
            {"dataset": d, "label_space": space, "metric": metric, "role": "adapt"}
            for d, space in members
        ],
    }


def test_a_suite_measures_in_the_label_spaces_it_names_and_encodes_once() -> None:
    model = Circle()
    named = suite(("birds", "all"), ("birds", "union"), ("ships", "task"))
    measured = SuiteTests(suite=named, tests=TESTS, brought=BROUGHT)
    rows = measure_suite(model, measured, (1.0,), 3, 40)
    assert [(row["dataset"], row["label_space"], row["value"], row["fraction"], row["examples"]) for row in rows] == [
        ("birds", "all", 0.8, 1.0, 5), ("birds", "union", 0.8, 1.0, 5), ("ships", "task", 1.0, 1.0, 2)
    ]  # fmt: skip
    assert (model.images_asked, model.texts_asked) == (7, 5)
    with pytest.raises(
        MetricError,
        match=r"metric 'r5' of 'birds' \(classification\) is not measured; measured are top1",
    ):
        missing = suite(("birds", "all"), metric="r5")
        measure_suite(model, SuiteTests(suite=missing, tests=TESTS, brought=BROUGHT), (1.0,), 0, 0)


# ---------------------------------------------------------------- parts of test sets


def many(count: int, classes: int, name: str = "many") -> TestSet:
    labels = np.arange(count) % classes
    return TestSet(
        name,
        "classification",
        [f"c{n}" for n in range(classes)],
        [],
        np.zeros((count, 3, 1, 1), np.uint8),
        labels,
        [],
    )


@given(
    count=st.integers(1, 6000),
    classes=st.integers(1, 400),
    share=st.sampled_from([0.05, 0.1, 0.5, 1.0]),
)
def test_a_part_has_its_share_300_images_and_two_of_each_class(
    count: int, classes: int, share: float
) -> None:
    test = many(count, classes)
    items = part_of(test, share)
    assert np.array_equal(items, np.unique(items)) and items[-1] < count
    assert len(items) >= min(count, max(300, share * count))
    assert len(items) <= max(min(count, 300), int(np.ceil(share * count)), min(count, 2 * classes))
    there, here = Counter(test.labels.tolist()), Counter(test.labels[items].tolist())
    assert all(here[label] >= min(2, there[label]) for label in there)


def test_a_part_is_fixed_by_the_name_of_the_dataset() -> None:
    items = part_of(many(5000, 10), 0.1)
    assert len(items) == 500 and np.array_equal(items, part_of(many(5000, 10), 0.1))
    assert not np.array_equal(items, part_of(many(5000, 10, "other"), 0.1))
    # the same on every machine, now and later
    assert hashlib.sha256(items.astype("<i8").tobytes()).hexdigest()[:16] == "f0bd4fa0c577e455"


def test_a_part_is_a_fair_sample_of_places() -> None:
    items = part_of(many(20_000, 4), 0.1)
    thirds = np.histogram(items, bins=4, range=(0, 20_000))[0]
    assert thirds.min() > 400 and abs(np.bincount(items % 4).max() - 500) < 100


def test_images_labels_and_captions_of_a_part_belong_together() -> None:
    some = BIRDS.some(np.array([1, 3]))
    assert (some.images[:, 0, 0, 0].tolist(), some.labels.tolist(), some.captions) == (
        [22, 70],
        [0, 2],
        ["1", "3"],
    )


def test_the_ends_are_measured_whole_and_everything_between_in_part() -> None:
    assert [shares({"subset": 0.1}, task, 3) for task in range(4)] == [
        (1.0, 0.1),
        (0.1,),
        (0.1,),
        (1.0, 0.1),
    ]
    assert [shares({}, task, 2) for task in range(3)] == [(1.0,)] * 3


def test_rows_say_which_part_they_are_of_and_a_small_test_set_is_measured_once() -> None:
    tests = {"many": many(4000, 3), "birds": BIRDS}
    AT.update({f"c{n}": 30 * n for n in range(3)})
    measured = SuiteTests(
        suite=suite(("many", "all"), ("birds", "all")), tests=tests, brought=BROUGHT
    )
    rows = measure_suite(Circle(), measured, shares({"subset": 0.1}, 0, 2), 0, 0)
    found = [(row["dataset"], row["fraction"], row["examples"]) for row in rows]
    assert found == [("birds", 1.0, 5), ("many", 1.0, 4000), ("many", 0.1, 400)]


# ---------------------------------------------------------------- answers


def test_an_answer_is_of_the_ends_and_the_parts_have_one_of_their_own(filled: Filled) -> None:
    filled.connection.execute("BEGIN")
    try:
        filled.connection.execute("UPDATE suite SET subset = 0.1 WHERE name = 'five'")
        trial = filled.trial()
        filled.attempt(trial)
        names = ["birds", "ships", "dogs", "cats"]
        for task, whole, part in ((0, 0.6, 0.5), (1, None, 0.4), (2, 0.8, 0.7)):
            for dataset in names:
                small = dataset == "cats"  # no larger than its part: measured once, whole
                if whole is not None and not small:
                    filled.results(trial, task, {dataset: whole})
                filled.results(trial, task, {dataset: part}, fraction=1.0 if small else 0.1)
            filled.results(trial, task, {"toys": 0.5})
        point, during = filled.rows("point", trial=trial), filled.rows("during", trial=trial)
        assert [row["a_ka"] for row in point] == [0.6, None, 0.8], (
            "no part counts among whole test sets"
        )
        assert [row["a_zs"] for row in point] == pytest.approx([0.55, None, 0.75])
        assert [row["a_ka"] for row in during] == pytest.approx([0.5, 0.4, 0.7]), (
            "no whole test set counts among parts"
        )
        assert [row["a_zs"] for row in during] == pytest.approx([0.5, 0.4, 0.7])
        assert (
            filled.rows("audit_tasks", trial=trial) == []
            and filled.rows("audit_fractions", trial=trial) == []
        )
        filled.connection.execute(
            "DELETE FROM result WHERE trial = ? AND task = 1 AND dataset = 'dogs'", [trial]
        )
        assert [row["problem"] for row in filled.rows("audit_tasks", trial=trial)] == [
            "measured 3 of 4 adapt and retain members"
        ]
        assert filled.rows("during", trial=trial)[1]["a_zs"] is None
    finally:
        filled.connection.execute("ROLLBACK")


def test_no_mean_is_over_two_label_spaces(filled: Filled) -> None:
    filled.connection.execute("BEGIN")
    try:
        trial = filled.done([[0.2, 0.4, 0.6, 0.8]] * 3)
        assert filled.rows("point", trial=trial)[0]["a_ka"] is not None
        filled.connection.execute(
            "UPDATE suite_member SET label_space = 'union' WHERE suite = 'five' AND dataset = 'ships'"
        )
        assert filled.rows("point", trial=trial)[0]["adapt_measured"] == 1, (
            "a value in another label space is another value"
        )
        filled.connection.execute("UPDATE result SET label_space = 'union' WHERE dataset = 'ships'")
        row = filled.rows("point", trial=trial)[0]
        assert (row["adapt_measured"], row["a_ka"], row["gm"]) == (2, None, None)
        assert row["a_zs"] == pytest.approx(0.7), "the other role is of one label space"
        assert {r["dataset"]: r["label_space"] for r in filled.rows("lost()")}["ships"] == "union"
    finally:
        filled.connection.execute("ROLLBACK")
