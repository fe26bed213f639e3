"""`python -m schema draft PLACE`: what it prints is accepted, and reads what lies there."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schema import grid
from schema.__main__ import main
from schema.catalog import Catalog
from schema.draft import name_of, sql
from schema.site import Site
from streams import open_pairs
from streams.draft import NothingThereError, drafted
from tests.layouts import CLASSES, LAYOUTS, encoded, sample, shard, write
from tests.streams.test_contradictions import hub
from tests.template import in_memory

PLACES = {
    "imagefolder": "birds",
    "webdataset": "pool",
    "parquet": "birds",
    "torchvision": "",
    "table": "pairs",
}


def applied(place: Path, data: Path) -> tuple[dict[str, object], str, list[tuple[object, ...]]]:
    """The first dataset row after the printed statements went through a catalog, their text, and the concepts."""
    text = "\n".join(sql("mine", drafted(place, data, "mine")))
    with in_memory() as connection:
        grid.apply(connection, text, "draft")
        columns = ("name", "format", "location", "params", "kind", "classes", "templates")
        row = connection.execute(
            f"SELECT {', '.join(columns)} FROM dataset ORDER BY name"
        ).fetchone()
        assert row is not None
        concepts = connection.execute(
            "SELECT dataset, concept FROM sequence_concept ORDER BY position"
        ).fetchall()
    found = dict(zip(columns, row, strict=True))
    for key in ("params", "classes", "templates"):
        found[key] = json.loads(found[key])
    return found, text, concepts


@pytest.mark.parametrize("form", PLACES)
def test_a_draft_of_every_layout_reads_it(form: str, tmp_path: Path) -> None:
    LAYOUTS[form](tmp_path, 12, set())
    row, text, concepts = applied(tmp_path / PLACES[form], tmp_path)
    assert row["format"] == form
    counts = [len(open_pairs(row, split, tmp_path)) for split in ("train", "test")]
    assert sum(counts) == (15 if form == "torchvision" else 12) and min(counts) > 0
    assert f"{counts[0]}, {counts[1]});" in text, "the counts are in the row"
    images = open_pairs(row | {"params": row["params"] | {"image_px": 24}}, "test", tmp_path)  # type: ignore[operator]
    assert images.images(np.arange(counts[1])).shape == (counts[1], 3, 24, 24)
    if row["kind"] == "classification":
        assert row["classes"] == CLASSES and concepts == [("mine", name) for name in CLASSES]
    else:
        assert concepts == [("mine", "*")]
    assert "To decide" in text and "license" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_splits_are_found_by_the_names_of_folders_and_files(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number, name in enumerate(("house_wren", "crow")):
            write(tmp_path / f"birds/{split}/{name}/{number}.png", encoded(number + len(split)))
    row, text, _ = applied(tmp_path / "birds", tmp_path)
    assert row["params"] == {"train": "train", "test": "val", "folders": ["crow", "house_wren"]}
    assert row["classes"] == ["crow", "house wren"] and "test_share" not in text
    hub(tmp_path / "hub/data/train-0.parquet", CLASSES, [0, 1, 2])
    hub(tmp_path / "hub/data/train-1.parquet", CLASSES, [0, 1, 2])
    hub(tmp_path / "hub/data/test-0.parquet", CLASSES, [0, 1, 2])
    row, _, _ = applied(tmp_path / "hub", tmp_path)
    assert row["params"] == {
        "train": "data/train*.parquet",
        "test": "data/test-0.parquet",
        "label": "label",
    }
    for split, first in (("train", 0), ("test", 5)):
        shard(tmp_path / f"pool/{split}/0.tar", [sample(first + n) for n in range(3)])
    row, _, _ = applied(tmp_path / "pool", tmp_path)
    assert row["params"] == {"train": "train", "test": "test"} and row["kind"] == "retrieval"


def test_a_folder_for_each_year_is_a_dataset_of_each(tmp_path: Path) -> None:
    for year in (2015, 2016, 2018):
        for name in ("crow", "gull"):
            for number in range(6):
                write(tmp_path / f"birds/{year}/{name}/{number}.png", encoded(number + year))
    row, text, concepts = applied(tmp_path / "birds", tmp_path)
    assert row["name"] == "mine_2015" and row["location"] == "birds/2015"
    assert concepts == [(f"mine_{year}", "*") for year in (2015, 2016, 2018)]
    assert "mine_2016" in text and "2016, " in text.replace("\n", " ")
    assert "tasks 3" in " ".join(text.replace("--", "").split())


@pytest.mark.parametrize(("years", "order"), [((2015, 2016), "year"), ((2015,), "whole")])
def test_years_are_two_folders_or_more(years: tuple[int, ...], order: str, tmp_path: Path) -> None:
    for year in years:
        for number in range(6):
            write(tmp_path / f"birds/{year}/crow/{number}.png", encoded(number + year))
    draft = drafted(tmp_path / "birds", tmp_path, "mine")
    assert draft["order"] == order and len(draft["datasets"]) == len(years)


def test_captions_beside_images_and_what_is_not_known(tmp_path: Path) -> None:
    records = [
        json.dumps({"file_name": f"{n}.png", "caption": f"it's {n}", "label": n % 2})
        for n in range(9)
    ]
    write(tmp_path / "birds/metadata.jsonl", "\n".join(records))
    for number in range(9):
        write(tmp_path / f"birds/{number}.png", encoded(number))
    row, text, _ = applied(tmp_path / "birds", tmp_path)
    assert row["params"]["caption"] == "caption" and row["params"]["label"] == "label"  # type: ignore[index]
    assert row["classes"] == ["class 0", "class 1"], "only the numbers are known"
    assert "To decide: the names of the 2 classes" in text
    key, parts = sample(0)
    del parts["txt"]
    parts["input.jpg"] = parts.pop("jpg")
    shard(tmp_path / "pool/0.tar", [(f"{n}{key}", parts) for n in range(20)])
    row, text, _ = applied(tmp_path / "pool", tmp_path)
    assert row["params"]["image"] == "input.jpg" and row["params"]["caption"] == "json:caption"  # type: ignore[index]


def test_names_may_hold_anything(tmp_path: Path) -> None:
    names = [
        "it's",
        'a "crow"',
        "x, 'y",
        "鳥",
        "tab\there",
        *[f"some longer name {n}" for n in range(40)],
    ]
    for name in names:
        write(tmp_path / f"birds/{name}/0.png", encoded(1))
    row, _, _ = applied(tmp_path / "birds", tmp_path)
    assert row["params"].get("folders", row["classes"]) == sorted(names)  # type: ignore[attr-defined]
    assert len(row["classes"]) == len(names)  # type: ignore[arg-type]


def test_a_place_that_no_format_reads_says_what_lies_there(tmp_path: Path) -> None:
    write(tmp_path / "odd/a.npy", "x")
    write(tmp_path / "odd/b.npy", "x")
    with pytest.raises(
        NothingThereError, match=r"2 files \(.npy 2\). Read are folders of images for"
    ):
        drafted(tmp_path / "odd", tmp_path, "odd")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "numbers.parquet")
    with pytest.raises(NothingThereError, match="holds nothing that a format reads"):
        drafted(tmp_path / "numbers.parquet", tmp_path, "numbers")
    assert name_of(Path("/x/My Birds-2.tar.gz")) == "my_birds_2" and name_of(Path("/")) == "mine"


def test_the_command_prints_what_schema_takes_from_standard_input(
    catalog: Catalog, site: Site, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        write(site.data / f"My birds/{CLASSES[number % 3]}/{number}.png", encoded(number))
    assert main(["draft", "My birds"]) == 0
    printed = capfd.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(printed))
    assert main(["-"]) == 0
    capfd.readouterr()
    assert main(["check", "my_birds"]) == 0
    assert "1 of 1 datasets are there" in capfd.readouterr().out
    assert main(["draft", str(site.data / "nowhere")]) == 2
    assert "nowhere" in capfd.readouterr().err
