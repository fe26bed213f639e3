"""Infinite dSprites: a class is its name, and each of the four shifts changes what it says and nothing else."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schema import grid
from streams import DatasetError, open_pairs
from streams.formats.idsprites import FACTORS, Sprites, shape
from streams.tasks import chunks
from streams.world.captions import names, vocabulary
from streams.world.rendering import COLOURS
from tests.layouts import row
from tests.template import in_memory

ROOT = Path(__file__).resolve().parents[2]

NAMES = ["zo mek", "la vim", "ba rul"]
EVERY = np.arange(300)


def sprites(classes: list[str] | None = None, split: str = "train", **params: Any) -> Sprites:
    """300 of them, of three classes."""
    pairs = open_pairs(
        row("idsprites", None, **{"train": 300, "test": 300, "image_px": 32} | params)
        | {"classes": classes or NAMES},
        split,
        Path("unused"),
    )
    assert isinstance(pairs, Sprites)
    return pairs


def changed(one: Sprites, other: Sprites) -> np.ndarray:
    """(300,) bool: whose images differ."""
    differ: np.ndarray = (one.images(EVERY) != other.images(EVERY)).any((1, 2, 3))
    return differ


def test_a_class_is_its_name_whatever_else_the_row_holds() -> None:
    both, alone = sprites(), sprites(["la vim"])
    assert np.array_equal(both.tables[1], alone.tables[0]) and list(np.bincount(both.labels)) == [
        100,
        100,
        100,
    ]
    assert all(
        NAMES[label] in caption
        for label, caption in zip(
            both.labels, both.captions(EVERY, np.random.default_rng(0)), strict=True
        )
    )
    assert not np.array_equal(shape("la vim", 0), shape("la vim", 1))


def test_there_are_as_many_shapes_as_names() -> None:
    tables = np.stack([shape(name, 0) for name in names(400)])
    far = np.abs(tables[:, None] - tables[None]).mean(2) + np.eye(len(tables))
    assert far.min() > 0.01, "no two look alike"
    angular = (np.abs(np.diff(tables, 2)).max(1) > 0.03).mean()
    assert 0.3 < angular < 0.9, "smooth ones and straight-edged ones"


def test_new_classes_change_the_shapes_and_nothing_else() -> None:
    one, other = sprites(), sprites(["do sim", "di wul", "na vul"])
    assert changed(one, other).all()
    for factor, values in vars(one.factors).items():
        assert np.array_equal(values, getattr(other.factors, factor))


def test_new_values_are_what_is_shown() -> None:
    red = sprites(values={"colour": ["red"], "size": ["small", "large"], "turn": ["90"]})
    assert set(red.factors.colour) == {list(COLOURS).index("red")} and set(red.factors.size) == {
        0,
        2,
    }
    assert np.allclose(red.factors.turn, np.pi / 2) and set(red.factors.background) == {1}
    spread = red.images(EVERY).astype(int)
    coloured = (spread.max(1) - spread.min(1)) > 100
    assert coloured.any((1, 2)).all() and (spread[:, 0] - spread[:, 2])[coloured].min() > 0, (
        "red has more red than blue"
    )
    free = sprites()
    for factor, values in FACTORS.items():
        said = getattr(free.factors, factor)
        assert len(set(said.tolist())) == (1 if factor == "background" else len(values))


def test_a_recurring_task_has_the_same_shapes_in_other_images() -> None:
    first, again = sprites(), sprites(occasion=1)
    assert np.array_equal(first.tables, again.tables) and np.array_equal(first.labels, again.labels)
    assert changed(first, again).all() and not changed(first, sprites()).any()


def test_a_gradual_shift_reaches_more_and_more_of_the_same_images() -> None:
    drifts = (0.0, 0.2, 0.5, 1.0)
    said = {"values": {"colour": ["red"]}, "fresh": {"colour": ["blue"]}}
    steps = [sprites(drift=drift, **said) for drift in drifts]
    blue = [step.factors.colour == list(COLOURS).index("blue") for step in steps]
    for share, shown, step in zip(drifts, blue, steps, strict=True):
        assert abs(shown.mean() - share) < 0.08 and np.array_equal(changed(steps[0], step), shown)
    for fewer, more in pairwise(blue):
        assert (more | ~fewer).all(), "what has drifted stays drifted"
    assert not changed(steps[3], sprites(values={"colour": ["blue"]})).any(), (
        "in the end it is the row of the new values"
    )


def test_splits_are_other_images() -> None:
    splits = [sprites(), sprites(split="test"), sprites(split="test", held="validation")]
    for n, one in enumerate(splits):
        for other in splits[n + 1 :]:
            assert changed(one, other).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"values": {"color": ["red"]}},
            r"no factor 'color'. Factors: colour, size, position, turn, background. Did you mean 'colour'",
        ),
        (
            {"values": {"colour": ["rad"]}},
            r"no colour 'rad'. Values: red, green, .*Did you mean 'red'",
        ),
        ({"fresh": {"turn": []}}, r"no turn ''. Values: 0, 45, 90"),
        (
            {"drift": 0.5},
            r"drift is 0.5 towards fresh={}; it is a share of the images, from 0 to 1, and fresh says what they show",
        ),
        ({"drift": 1.5, "fresh": {"size": ["small"]}}, "drift is 1.5 towards"),
        ({"held": "tets"}, "held is 'tets'; it must be one of test, validation"),
    ],
)
def test_what_cannot_be_drawn_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=f"dataset 'birds': {message}"):
        sprites(**params)


def test_a_row_without_classes_is_refused() -> None:
    with pytest.raises(
        DatasetError, match="idsprites draws the row's classes, and it has none. Any names will do"
    ):
        open_pairs(row("idsprites", None) | {"classes": []}, "train", Path("unused"))


def test_the_example_grid_has_the_four_shifts() -> None:
    """Five tasks of eight concepts each, whose images are what the names of the streams say."""
    with in_memory("words") as connection:
        for path in (ROOT / "grids/demo.sql", ROOT / "grids/sprites.sql"):
            grid.apply(connection, path.read_text(), path.name)
        found = connection.execute(
            "SELECT name, params, classes FROM dataset WHERE format = 'idsprites'"
        ).fetchall()
        concepts = connection.execute(
            "SELECT sequence, dataset, concept FROM sequence_concept WHERE sequence LIKE 'sprites%' ORDER BY sequence, position"
        ).fetchall()
    rows = {
        name: row("idsprites", None) | {"params": json.loads(said), "classes": json.loads(them)}
        for name, said, them in found
    }
    opened = {name: open_pairs(made, "train", Path("unused")) for name, made in rows.items()}
    for shift in ("classes", "values", "recurring", "gradual"):
        sequence = [
            (dataset, concept) for name, dataset, concept in concepts if name == f"sprites_{shift}"
        ]
        cut = [{dataset for dataset, _ in task} for task in chunks(sequence, 5)]
        assert cut == [{f"sprites_{shift}_{task}"} for task in range(1, 6)] and len(sequence) == 40
    assert {word for _, _, concept in concepts for word in concept.split()} <= set(vocabulary()), (
        "the tiny text tower knows them"
    )
    shapes = {name: tuple(made["classes"]) for name, made in rows.items()}
    assert len({name for n in range(1, 6) for name in shapes[f"sprites_classes_{n}"]}) == 40
    assert (
        len(
            {shapes[f"sprites_{shift}_{n}"] for shift in ("values", "gradual") for n in range(1, 6)}
        )
        == 1
    )
    assert (
        shapes["sprites_recurring_1"]
        == shapes["sprites_recurring_3"]
        != shapes["sprites_recurring_2"]
    )
    colours = [set(opened[f"sprites_values_{n}"].factors.colour) for n in range(1, 6)]  # type: ignore[attr-defined]
    assert [len(some) for some in colours] == [2] * 5 and len(set.union(*colours)) == 10
    cold = [
        np.isin(opened[f"sprites_gradual_{n}"].factors.colour, [2, 5, 8]).mean()
        for n in range(1, 6)
    ]  # type: ignore[attr-defined]
    assert np.allclose(cold, [0, 0.25, 0.5, 0.75, 1], atol=0.05)
    assert (
        not (
            opened["sprites_recurring_1"].images(EVERY)
            == opened["sprites_recurring_3"].images(EVERY)
        )
        .all((1, 2, 3))
        .any()
    )
