"""`python -m schema check`: which datasets are at their place, and the contact sheets."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schema.__main__ import main
from schema.catalog import Catalog
from schema.checks.places import UnknownNameError, wanted
from schema.site import Site
from streams.check import look
from streams.inspection import chosen
from tests.layouts import LAYOUTS

HERE = {name for name in LAYOUTS if name not in ("world", "idsprites")}


def declare(
    catalog: Catalog,
    site: Site,
    form: str,
    name: str,
    count: int = 12,
    bad: frozenset[int] = frozenset(),
) -> None:
    """A dataset of a layout, in a folder of its own below the data folder."""
    row = LAYOUTS[form](site.data / name, count, set(bad))
    location = None if row["location"] is None else f"{name}/{row['location']}"
    with catalog.transaction() as connection:
        connection.execute(
            "INSERT INTO dataset (name, format, location, params, kind, classes, templates, train_pairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                name,
                form,
                location,
                json.dumps(row["params"]),
                row["kind"],
                *map(json.dumps, (row["classes"], row["templates"])),
                count,
            ],
        )


def stream(catalog: Catalog, name: str, learned: str, measured: str) -> None:
    with catalog.transaction() as connection:
        connection.execute(f"INSERT INTO sequence (name, ordering) VALUES ('{name}', 'random')")
        connection.execute(f"INSERT INTO sequence_concept VALUES ('{name}', 1, '{learned}', '*')")
        connection.execute(f"INSERT INTO suite (name) VALUES ('{name}')")
        connection.execute(
            f"INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('{name}', '{measured}', 'adapt', 'top1')"
        )
        connection.execute(
            f"INSERT INTO stream (name, sequence, tasks, suite) VALUES ('{name}', '{name}', 1, '{name}')"
        )


def test_a_stream_wants_what_it_learns_from_and_what_it_is_measured_on(
    catalog: Catalog, site: Site
) -> None:
    for name in ("crows", "gulls", "wrens"):
        declare(catalog, site, "imagefolder", name)
    stream(catalog, "flight", "crows", "gulls")
    with catalog.open() as connection:
        assert [(row["name"], row["splits"]) for row in wanted(connection, ["flight"])] == [
            ("crows", ["train"]),
            ("gulls", ["test"]),
        ]
        assert [(row["name"], row["splits"]) for row in wanted(connection, [])] == [
            ("crows", ["train"]), ("gulls", ["test"]), ("wrens", ["train", "test"])
        ]  # fmt: skip
        both = wanted(connection, ["flight", "wrens", "gulls"])
        assert [(row["name"], row["splits"]) for row in both] == [
            ("crows", ["train"]), ("gulls", ["test"]), ("wrens", ["train", "test"])
        ]  # fmt: skip
        with pytest.raises(
            UnknownNameError,
            match="'fligth' is neither a stream nor a dataset of the catalog. Did you mean 'flight'",
        ):
            wanted(connection, ["fligth"])


@pytest.mark.parametrize("form", sorted(LAYOUTS))
def test_every_layout_is_found_and_counted(form: str, tmp_path: Path) -> None:
    row = LAYOUTS[form](tmp_path, 12, set()) | {
        "name": "birds",
        "splits": ["train"],
        "train_pairs": 12,
        "test_pairs": None,
    }
    if form == "imagefolder":
        row["params"] |= {"test": "train", "test_share": 0.0}
    found = look(row, tmp_path)
    beside = {
        "imagefolder": [
            "train: 1 not used, hidden: crow/.DS_Store.png",
            "train: 1 not used, not a kind of picture that is read: crow/Thumbs.db",
        ],
        "webdataset": [
            "3 files at its place belong to no split (.json 3): 00000_stats.json, 00001_stats.json, "
            "00002_stats.json"
        ],
    }
    assert (found.state, found.count("train"), found.count("test"), found.remarks) == (
        "there",
        "12",
        "",
        beside.get(form, []),
    )
    assert look(row | {"train_pairs": 13}, tmp_path).count("train") == "12 of 13"


def test_what_cannot_be_read_is_named_and_what_is_missing_says_what_to_do(tmp_path: Path) -> None:
    row = LAYOUTS["fomo"](tmp_path, 12, {4}) | {
        "splits": ["train", "test"],
        "train_pairs": 12,
        "test_pairs": 3,
    }
    found = look(row, tmp_path)
    assert found.state == "absent" and (found.count("train"), found.count("test")) == (
        "12",
        "- of 3",
    )
    assert (
        "train: 1 of the 12 images tried cannot be read: cub-200-images-train/4.png (cannot identify image"
        in " ".join(found.remarks)
    )
    assert any("CUB200_test.json" in said and "it should contain" in said for said in found.remarks)
    assert (
        "its row names no classes: a trial over it is refused until they are in"
        in look(row | {"classes": []}, tmp_path).remarks
    )
    gone = look(row | {"location": "elsewhere"}, tmp_path)
    assert len(gone.remarks) == 1 and "there is no" in gone.remarks[0], (
        "said once, not once a split"
    )


def test_every_image_is_decoded_if_asked(tmp_path: Path) -> None:
    count = 200
    missed = next(n for n in range(count) if n not in set(chosen("birds", count, 32).tolist()))
    row = LAYOUTS["webdataset"](tmp_path, count, {missed}) | {
        "splits": ["train"],
        "train_pairs": count,
        "test_pairs": None,
    }
    assert len(look(row, tmp_path).remarks) == 1, "the statistics beside the shards"
    assert (
        "train: 1 of the 200 images tried cannot be read"
        in look(row, tmp_path, every=True).remarks[0]
    )


def test_the_choice_of_pairs_depends_on_name_and_size_alone() -> None:
    assert (
        np.array_equal(chosen("birds", 1000, 12), chosen("birds", 1000, 12))
        and len(set(chosen("birds", 1000, 12))) == 12
    )
    assert not np.array_equal(chosen("birds", 1000, 12), chosen("ships", 1000, 12))
    assert chosen("birds", 3, 12).tolist() == [0, 1, 2]


def test_the_command_prints_a_table_draws_sheets_and_fails_for_what_is_absent(
    catalog: Catalog, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    declare(catalog, site, "fomo", "crows")
    declare(catalog, site, "world", "drawn")
    stream(catalog, "flight", "crows", "drawn")
    assert main(["check", "flight", "--sheet", "sheets"]) == 0
    out = capfd.readouterr().out
    assert (
        "2 of 2 datasets are there" in out
        and "contact sheets in sheets: crows.png, drawn.png" in out
    )
    line = next(line for line in out.splitlines() if line.startswith("crows"))
    assert line.split() == ["crows", "fomo", "12", "there"]
    first = Path("sheets/crows.png").read_bytes()
    with Image.open("sheets/crows.png") as sheet:
        assert sheet.width > 900 and len(sheet.convert("RGB").getcolors(1 << 24) or []) > 1000, (
            "pictures, not a blank page"
        )
    assert (
        main(["check", "crows", "--sheet", "sheets"]) == 0
        and Path("sheets/crows.png").read_bytes() == first
    )
    for image in (site.data / "crows").rglob("*_train.json"):
        image.unlink()
    assert main(["check", "flight"]) == 1
    assert "1 of 2 datasets are there" in capfd.readouterr().out
    assert main(["check", "flihgt"]) == 2
    assert "Did you mean 'flight'" in capfd.readouterr().err


def test_without_a_catalog_it_says_so(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "python -m schema" in capfd.readouterr().err
