"""schema/rows/world.sql says what the code draws: names, held-out pairs, words, and a validation twin for every set."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runner.worker.backbone import build
from schema import grid
from schema.__main__ import ROWS
from schema.checks.rows import check_dataset
from streams import open_pairs
from streams.tasks import chunks
from streams.world.captions import names, vocabulary
from streams.world.rendering import COLOURS
from streams.world.scenes import held_out
from streams.world.shapes import KNOWN
from tests.template import in_memory

Row = dict[str, Any]
TEXT = (ROWS / "world.sql").read_text()


def applied() -> duckdb.DuckDBPyConnection:
    """A catalog with these rows alone."""
    connection = in_memory()
    grid.apply(connection, TEXT, "world.sql")
    return connection


def rows(table: str) -> dict[str, Row]:
    """The rows of a table by name, their JSON parsed."""
    with applied() as connection:
        found = connection.execute(f"SELECT * FROM {table} ORDER BY name")
        columns = [column[0] for column in found.description or []]
        listed = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    for row in listed:
        row |= {
            key: json.loads(row[key]) for key in ("params", "classes", "templates") if key in row
        }
    return {row["name"]: row for row in listed}


DATASETS = rows("dataset")


def test_applying_them_again_adds_nothing() -> None:
    with applied() as connection:
        assert not any(count.new for count in grid.apply(connection, TEXT, "world.sql"))


def test_they_say_what_the_code_draws() -> None:
    held = [
        f"{colour} {shape}"
        for i, colour in enumerate(COLOURS)
        for j, shape in enumerate(KNOWN)
        if held_out(0)[i, j]
    ]
    assert DATASETS["compose"]["classes"] == held
    assert DATASETS["base"]["params"]["names"] == DATASETS["names"]["classes"] == names(20)
    assert json.loads(rows("backbone")["tiny"]["architecture"])["words"] == vocabulary()


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name]["format"] == "world"])
def test_every_dataset_draws_what_its_row_says(name: str, tmp_path: Path) -> None:
    row = DATASETS[name]
    check_dataset(row | {"params": json.dumps(row["params"])})
    assert (row["params"]["test"], row["params"].get("train")) == (
        row["test_pairs"],
        row["train_pairs"],
    ) or not row["train_pairs"]
    few = row | {"params": row["params"] | {"train": 40, "test": 40}}
    for split in ("train", "test"):
        pairs = open_pairs(few, split, tmp_path)
        assert (
            len(pairs) == 40
            and pairs.labels.min() >= 0
            and pairs.labels.max() < len(row["classes"])
        )


def test_new_names_are_new() -> None:
    """A made-up name stands for one concept of one set."""
    meant = Counter(
        name
        for set_ in ("names", "blobs", "crystals", "weaves", "duos")
        for name in DATASETS[set_]["classes"]
    )
    assert set(meant.values()) == {1}
    assert set(DATASETS["haze"]["classes"]) <= set(KNOWN)


def test_every_set_has_a_twin_of_other_images_in_the_same_role() -> None:
    with applied() as connection:
        members = connection.execute(
            "SELECT suite, dataset, role, metric FROM suite_member"
        ).fetchall()
    found = {
        suite: {member[1:] for member in members if member[0] == suite}
        for suite in ("world", "world_validation")
    }
    assert found["world_validation"] == {
        (f"{dataset}_validation", role, metric) for dataset, role, metric in found["world"]
    }
    for dataset, _, _ in found["world"]:
        twin = DATASETS[f"{dataset}_validation"]
        assert twin["params"] == DATASETS[dataset]["params"] | {"held": "validation"}


def test_the_stream_has_every_new_concept_once_in_equal_tasks() -> None:
    with applied() as connection:
        concepts = connection.execute(
            "SELECT dataset, concept FROM sequence_concept WHERE sequence = 'world_random' ORDER BY position"
        ).fetchall()
        sets = connection.execute(
            "SELECT dataset FROM suite_member WHERE suite = 'world' AND role = 'adapt'"
        ).fetchall()
    assert sorted(concepts) == sorted(
        (name, concept) for (name,) in sets for concept in DATASETS[name]["classes"]
    )
    cut = chunks(concepts, rows("stream")["world"]["tasks"])
    assert {len(task) for task in cut} == {8}
    assert all(len({dataset for dataset, _ in task}) >= 3 for task in cut), "the order is mixed"


def test_the_tiny_backbone_is_built_and_small() -> None:
    made = build(rows("backbone")["tiny"]["architecture"], 0)
    assert 4e5 < sum(parameter.numel() for parameter in made.model.parameters()) < 6e5
    assert made.tokenize(["a photo of a go pon"]).shape == (1, 17)
