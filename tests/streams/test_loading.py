"""Batches decoded ahead by other processes are those that the trial would have made itself."""

import errno
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from streams import EVERY, DatasetError, Draw, open_pairs
from streams.formats._files import Files
from streams.loading import Loader
from streams.mixtures import Mixture
from tests.layouts import FORMATS, LAYOUTS, ROW

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create"
)  # more workers than cores


def loader(
    name: str, folder: Path, workers: int, bad: set[int], count: int = 12, own: slice | None = None
) -> Loader:
    """Task 2 of a mixture over three copies of a layout: 16 pairs a batch, so that epochs end within batches."""
    sets = [
        open_pairs(LAYOUTS[name](folder / part, count, bad), "train", folder / part)
        for part in ("new", "old", "pool")
    ]
    mixture = Mixture(ROW, 16, 5, [(sets[2], np.arange(count))])
    mixture.begin(2, [(sets[0], np.arange(count))], [[(sets[1], np.arange(count))]])
    return Loader(mixture, workers, own)


def same(one: Draw, other: Draw) -> bool:
    return (
        torch.equal(one.images, other.images)
        and one.captions == other.captions
        and np.array_equal(one.sources, other.sources)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_pairs_whatever_the_number_of_workers(name: str, tmp_path: Path) -> None:
    """Unreadable items are replaced, counted and named alike, and the cursor stands where it would."""
    bad = {3, 6} if name not in ("world", "idsprites") else set[int]()
    alone = loader(name, tmp_path, 0, bad)
    expected = [alone.draw() for _ in range(6)]
    for workers in (1, 3):
        several = loader(name, tmp_path, workers, bad)
        assert all(same(several.draw(), batch) for batch in expected)
        assert several.state_dict() == alone.state_dict()
        for mine, its in zip(several.mixture.pools, alone.mixture.pools, strict=True):
            for met, own in zip(mine.pairs, its.pairs, strict=True):
                assert sorted(getattr(met, "corrupt", [])) == sorted(getattr(own, "corrupt", []))


@pytest.mark.parametrize("name", FORMATS)
def test_each_of_several_reads_its_own_pairs_and_no_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the first epoch, where captions of unreadable items are those of others; the cursor is that of the whole batch."""
    bad = {3} if name not in ("world", "idsprites") else set[int]()
    alone, parts = loader(name, tmp_path, 0, bad), [slice(0, 5), slice(5, 11), slice(11, 16)]
    whole = [alone.draw() for _ in range(4)]
    several = [
        loader(name, tmp_path, workers, bad, own=own)
        for own, workers in zip(parts, (0, 2, 0), strict=True)
    ]
    for batch in whole[:3]:
        drawn = [one.draw() for one in several]
        assert np.array_equal(np.concatenate([draw.images for draw in drawn]), batch.images)
        assert [caption for draw in drawn for caption in draw.captions] == batch.captions
        assert all(np.array_equal(draw.sources, batch.sources) for draw in drawn)
    fewer = loader(name, tmp_path, 0, bad)
    fewer.load_state_dict(several[1].state_dict())
    assert same(fewer.draw(), whole[3])
    if name not in ("world", "idsprites"):
        read = list[int]()
        real = Files._decoded
        monkeypatch.setattr(
            Files,
            "_decoded",
            lambda pairs, index, *how, **by: read.append(index) or real(pairs, index, *how, **by),
        )
        loader(name, tmp_path, 0, set(), own=slice(3, 9)).draw()
        assert len(read) == 6


def test_a_cursor_goes_on_with_another_number_of_workers(tmp_path: Path) -> None:
    """What was made ahead of the cursor is made again."""
    alone = loader("imagefolder", tmp_path, 0, set())
    batches = [alone.draw() for _ in range(5)]
    first = loader("imagefolder", tmp_path, 2, set())
    for batch in batches[:2]:
        assert same(first.draw(), batch)
    for workers in (0, 1, 2):
        second = loader("imagefolder", tmp_path, workers, set())
        second.load_state_dict(first.state_dict())
        assert all(same(second.draw(), batch) for batch in batches[2:])
    first.load_state_dict(
        loader("imagefolder", tmp_path, 0, set()).state_dict()
    )  # back to the beginning, its workers too
    assert same(first.draw(), batches[0])


class Noted:
    """Pairs that note in a file, which all processes share, how often they were asked for images."""

    def __init__(self, file: Path) -> None:
        self.file, self.labels = file, np.zeros(100, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: np.ndarray, crops: object = None) -> np.ndarray:
        with self.file.open("a") as file:
            file.write("asked\n")
        return np.repeat(indices.astype(np.uint8), 3).reshape(-1, 3, 1, 1)

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        return [f"{rng.random()}" for _ in indices][part]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_batch_is_made_in_vain(workers: int, tmp_path: Path) -> None:
    """Not beyond the steps of the task, from wherever they begin; an objective that looks back still goes on with the next."""

    def noted(workers: int, steps: int | None = None) -> Loader:
        mixture = Mixture(
            ROW | {"update_share": 1.0, "buffer_share": 0.0, "pretraining_share": 0.0}, 8, 5, None
        )
        mixture.begin(1, [(Noted(tmp_path / f"{workers}"), np.arange(100))], [])
        return Loader(mixture, workers, steps=steps)

    alone = noted(0)
    batches = [alone.draw() for _ in range(9)]
    several = noted(workers, 7)
    several.load_state_dict(several.state_dict() | {"drawn": 2, "pools": [[0, 16], [0, 0], [0, 0]]})
    assert all(same(several.draw(), batch) for batch in batches[2:7])
    time.sleep(0.2)  # in which others could be made
    assert (tmp_path / f"{workers}").read_text().splitlines() == ["asked"] * 5
    assert all(same(several.draw(), batch) for batch in batches[7:])


def test_too_many_unreadable_items_are_an_error_wherever_they_are_read(tmp_path: Path) -> None:
    """Here each of two processes meets few enough; together they are too many."""
    bad = set(range(24))
    for workers in (0, 2):
        drawn = loader("imagefolder", tmp_path, workers, bad, count=60)
        with pytest.raises(
            DatasetError,
            match=r"^dataset 'birds': 11 of the \d+ images read so far cannot be read, and 10 may",
        ):
            for _ in range(60):
                drawn.draw()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_reason_is_said_first_and_once_whoever_reads(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a class without one readable image, and of a disk that fails: a receipt keeps the first words of a message."""
    drawn = loader("imagefolder", tmp_path / "bad", workers, set(range(12)))
    with pytest.raises(
        DatasetError, match=r"^dataset 'birds': none of the 4 images of label \d can be read: "
    ):
        drawn.draw()
    drawn = loader("imagefolder", tmp_path / "good", workers, set())
    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(OSError, match=r"^\[Errno 5\] Input/output error: 'disk'$"):
        drawn.draw()


def fails(path: Path) -> bytes:
    raise OSError(errno.EIO, "Input/output error", "disk")
