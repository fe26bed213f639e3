"""Batches decoded ahead by other processes are those that the trial would have made itself."""

from pathlib import Path

import numpy as np
import pytest
from layouts import LAYOUTS

from schema import parts
from streams import DatasetError, Draw, open_pairs
from streams.loading import Loader
from streams.mixtures import Mixture

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
FORMATS = parts.names("streams/formats")
ROW = {"name": "m", "update_share": 0.5, "buffer_share": 0.3, "pretraining_share": 0.2, "buffer_pairs": None}


def loader(name: str, folder: Path, workers: int, bad: set[int], count: int = 12) -> Loader:
    """Task 2 of a mixture over three copies of a layout: 16 pairs a batch, so that epochs end within batches."""
    sets = [open_pairs(LAYOUTS[name](folder / part, count, bad), "train", folder / part) for part in ("new", "old", "pool")]
    mixture = Mixture(ROW, 16, 5, sets[2])
    mixture.begin(2, [(sets[0], np.arange(count))], [[(sets[1], np.arange(count))]])
    return Loader(mixture, workers)


def same(one: Draw, other: Draw) -> bool:
    assert all(isinstance(array, np.ndarray) for array in (one.images, one.sources, other.images, other.sources))
    return (
        np.array_equal(one.images, other.images) and one.captions == other.captions and np.array_equal(one.sources, other.sources)
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
    first.load_state_dict(loader("imagefolder", tmp_path, 0, set()).state_dict())  # back to the beginning, its workers too
    assert same(first.draw(), batches[0])


def test_too_many_unreadable_items_are_an_error_wherever_they_are_read(tmp_path: Path) -> None:
    """Here each of two processes meets few enough; together they are too many."""
    bad = set(range(24))
    for workers in (0, 2):
        drawn = loader("imagefolder", tmp_path, workers, bad, count=60)
        with pytest.raises(DatasetError, match=r"11 of the \d+ images read so far cannot be read, and 10 may"):
            for _ in range(60):
                drawn.draw()
