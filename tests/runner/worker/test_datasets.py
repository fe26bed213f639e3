"""What the tasks of a trial draw from."""

from pathlib import Path

import pytest

from runner.scheduler.resolve import Resolver
from runner.worker.datasets import Datasets, ImageSettings
from runner.worker.unused import unused_rows
from schema import grid
from schema.__main__ import ROWS
from schema.catalog import Catalog
from schema.spec import Spec
from streams import DatasetError
from tests import layouts

SETS = """
INSERT INTO sequence (name, ordering) VALUES ('sets', 'published');
INSERT INTO sequence_concept VALUES ('sets', 1, 'blobs', '*'), ('sets', 2, 'duos', '*'), ('sets', 3, 'haze', 'circle');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('sets', 'sets', 3, 'world');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
VALUES ('tiny', 'sets', 'update_only', 'finetune', 'tiny_lr_1e-3', 'steps_250', 1);
"""


def test_all_of_a_dataset_is_one_concept(catalog: Catalog, folder: Path) -> None:
    """The concept * is every pair, whatever its class, so a task may be a dataset; the definition keeps it as it is."""
    with catalog.open() as connection:
        for text in [*((ROWS / f"{name}.sql").read_text() for name in ("world", "methods")), SETS]:
            grid.apply(connection, text, "a grid")
        spec, _ = Resolver(connection, [1]).resolve(1)
    assert spec.stream["sequence"]["concepts"][0] == ["blobs", "*"]
    datasets = Datasets(spec, folder)
    half = spec.mixture | {"update_share": 0.5, "buffer_share": 0.5}
    for task, update, buffer, classes in ((1, 1200, 0, 8), (2, 1200, 1200, 8), (3, 150, 2400, 1)):
        new, earlier, pool = datasets.batches(task, half, 16).mixture.pools
        assert (len(new), len(earlier), len(pool)) == (update, buffer, 0)
        assert len(set(new.pairs[0].labels[new.indices])) == classes
    # A mixture without a buffer opens no earlier task
    alone = Datasets(spec, folder)
    alone.batches(3, spec.mixture, 16)
    assert set(alone.opened) == {("haze", "train")}


def test_items_that_cannot_be_read_are_named_once(tmp_path: Path) -> None:
    """In the log, a line per dataset and split, when they are first met."""
    row = layouts.imagefolder(tmp_path, 300, bad={0, 4})
    stream = {
        "datasets": [row],
        "tasks": 1,
        "sequence": {"concepts": [["birds", "*"]]},
        "suite": {"members": []},
    }
    mixture = {
        "name": "m",
        "update_share": 1,
        "buffer_share": 0,
        "pretraining_share": 0,
        "buffer_pairs": None,
    }
    datasets = Datasets(
        Spec({}, stream, mixture, {}, {"name": "r", "augmentation_params": {}}, {}, 0), tmp_path
    )
    drawn = datasets.batches(1, mixture, 300)
    assert datasets.unreadable() == [
        "dataset 'birds', train: 1 not used, hidden: crow/.DS_Store.png",
        "dataset 'birds', train: 1 not used, not a kind of picture that is read: crow/Thumbs.db",
    ]
    drawn.draw()
    (line,) = datasets.unreadable()
    assert line.startswith("dataset 'birds', train: 2 items cannot be read and were replaced: ")
    assert "00000.png" in line and "00004.png" in line
    drawn.draw()
    assert datasets.unreadable() == []


def test_images_without_captions_are_counted_once(tmp_path: Path) -> None:
    samples = [layouts.sample(number) for number in range(9)]
    for number in (2, 5):
        del samples[number][1]["txt"]
    layouts.shard(tmp_path / "pool/0.tar", samples)
    row = layouts.row("webdataset", "pool", test="none")
    stream = {
        "datasets": [row],
        "tasks": 1,
        "sequence": {"concepts": [["birds", "*"]]},
        "suite": {"members": []},
    }
    mixture = {"pretraining_share": 0}
    datasets = Datasets(Spec({}, stream, mixture, {}, {}, {}, 0), tmp_path)
    assert len(datasets.open(row)) == 7
    part = "birds, train: no caption"
    counted = [{"task": 1, "name": "not_used", "part": part, "value": 2.0}]
    assert unused_rows(datasets, 1) == counted and unused_rows(datasets, 0) == []
    assert datasets.unreadable() == [
        "dataset 'birds', train: 2 not used, no caption: 0/000000002, 0/000010000"
    ]
    assert datasets.unreadable() == []


def test_a_concept_that_no_pair_has_is_named(tmp_path: Path) -> None:
    """Where the shards are met by the job first: with what to write instead."""
    samples = [layouts.sample(number) for number in range(4)]
    for _, parts in samples:
        del parts["cls"]
    layouts.shard(tmp_path / "pool/0.tar", samples)
    row = layouts.row("webdataset", "pool", test="none")
    stream = {
        "datasets": [row],
        "tasks": 1,
        "sequence": {"concepts": [["birds", "crow"]]},
        "suite": {"members": []},
    }
    datasets = Datasets(Spec({}, stream, {}, {}, {}, {}, 0), tmp_path)
    with pytest.raises(
        ValueError,
        match=r"no training pairs of concept 'crow': none of its 4 pairs has a class. Name '\*'",
    ):
        datasets.sources.portions([("birds", "crow")])


def test_images_of_another_size_than_the_backbones_are_refused(tmp_path: Path) -> None:
    """With both numbers, before anything is decoded; a row without image_px is of its format's own size."""
    row = layouts.imagefolder(tmp_path, 30, bad=set())
    stream = {
        "datasets": [row],
        "tasks": 1,
        "sequence": {"concepts": [["birds", "*"]]},
        "suite": {"members": []},
    }
    spec = Spec({"name": "b"}, stream, {}, {}, {}, {}, 0)
    made_px = row["params"].get("image_px", 224)
    assert len(Datasets(spec, tmp_path, images=ImageSettings(px=made_px)).open(row)) > 0
    wrong = rf"'birds': its images are made {made_px} x {made_px} px, and the backbone 'b' takes 48 x 48. Insert .*\"image_px\": 48"
    with pytest.raises(DatasetError, match=wrong):
        Datasets(spec, tmp_path, images=ImageSettings(px=48)).open(row)
