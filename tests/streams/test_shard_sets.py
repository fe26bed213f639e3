"""The joined index of a set of shards: small in memory, made once, and the same pairs as ever."""

import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streams import DatasetError, open_pairs
from streams.formats._files import Files
from streams.formats._shards import ShardSet
from streams.formats._splits import share_of
from tests import layouts

SPAWN = multiprocessing.get_context("spawn")


def pool(data: Path, count: int, labels: bool) -> layouts.Row:
    """Shards of five pairs."""
    for first in range(0, count, 5):
        samples = []
        for number in range(first, min(first + 5, count)):
            key, parts = layouts.sample(number)
            # A shard without classes among others that have them
            if not labels or first == 5:
                del parts["cls"]
            samples.append((key, parts))
        layouts.shard(data / "pool" / f"{first // 5:05}.tar", samples)
    return layouts.row("webdataset", str(data / "pool"), test="none")


def opened(row: layouts.Row, cache: Path, split: str = "train") -> Files:
    pairs = open_pairs(row, split, cache)
    assert isinstance(pairs, Files)
    return pairs


def shards_of(pairs: Files) -> ShardSet:
    found: ShardSet = pairs.source.shards  # type: ignore[attr-defined]
    return found


def test_what_is_the_same_for_all_pairs_is_not_stored(tmp_path: Path) -> None:
    """No number per pair but two bytes of bookkeeping, whose pages are taken as pairs are read."""
    row = pool(tmp_path, 23, labels=False)
    pairs = opened(row, tmp_path)
    assert pairs.labels.shape == (23,) and not any(pairs.labels.strides)
    assert set(pairs.labels.tolist()) == {-1}
    assert isinstance(pairs.items, range)
    assert isinstance(shards_of(pairs).spans, np.memmap)
    (folder,) = (tmp_path / "sets").glob("[0-9a-f]*")
    assert sorted(file.name for file in folder.iterdir()) == ["about.json", "spans.npy"]


def test_pairs_lie_where_their_shards_say(tmp_path: Path) -> None:
    """Names, images, captions and classes by shard, then as in the shard; some have no class."""
    row = pool(tmp_path, 23, labels=True)
    pairs = opened(row, tmp_path)
    for number in range(23):
        key, parts = layouts.sample(number)
        assert pairs.name(number) == f"{number // 5:05}/{key}"
        assert pairs.source.read(number) == parts["jpg"]
        assert pairs.source.texts(number) == [parts["txt"].decode()]
    classes = [-1 if 5 <= number < 10 else number % 3 for number in range(23)]
    assert pairs.labels.tolist() == classes
    assert list(pairs.source.names) == [pairs.name(number) for number in range(23)]


def test_another_process_maps_the_files_itself(tmp_path: Path) -> None:
    pairs = opened(pool(tmp_path, 23, labels=True), tmp_path)
    shards = shards_of(pairs)
    assert shards.spans.shape == (23, 4)
    sent = pickle.dumps(shards)
    assert "spans" not in vars(pickle.loads(sent))
    assert np.array_equal(pickle.loads(sent).spans, shards.spans)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_split_is_by_the_hash_of_a_name(share: float, tmp_path: Path) -> None:
    """Hashed once on a machine, and not at all where one split has everything."""
    row = pool(tmp_path, 40, labels=False)
    names = list(opened(row, tmp_path).source.names)
    row["params"] = {"image_px": 24, "test_share": share}
    expected = [name for name in names if share_of(name) < share]
    splits = {True: "train", False: "test"}
    for is_other, split in splits.items():
        wanted = [name for name in names if (name not in expected) == is_other]
        if not wanted:
            continue
        for _ in range(2):
            pairs = opened(row, tmp_path, split)
            assert [pairs.name(index) for index in range(len(pairs))] == wanted
    hashed = list((tmp_path / "sets").glob("*/shares.npy"))
    assert len(hashed) == (0 < share < 1)


def _open(row: layouts.Row, cache: Path) -> None:
    assert len(open_pairs(row, "train", cache)) == 23


def test_processes_that_open_a_set_together_index_it_once(tmp_path: Path) -> None:
    row = pool(tmp_path, 23, labels=True)
    processes = [SPAWN.Process(target=_open, args=(row, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(list((tmp_path / "sets").glob("[0-9a-f]*"))) == 1
    assert len(list((tmp_path / "shards").glob("*.npz"))) == 5
    assert not list((tmp_path / "sets").glob(".aside-*"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda file: file.unlink(),
    "emptied": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "another": lambda file: file.write_text('{"counts": {"a": [[]]}, "unused": 3}'),
    "of bytes": lambda file: file.write_bytes(bytes(range(256))),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["about.json", "spans.npy", "labels.npy", "shares.npy", "index"])
def test_a_damaged_index_is_made_again(name: str, damage: str, tmp_path: Path) -> None:
    """What is derived from shards is never worth a trial."""
    row = pool(tmp_path, 23, labels=True)
    row["params"] = {"image_px": 24, "test_share": 0.4}
    before = opened(row, tmp_path)
    names = [before.name(number) for number in range(len(before))]
    files = list((tmp_path / "sets").glob(f"[0-9a-f]*/{name}"))
    if name == "index":
        files = list((tmp_path / "shards").glob("00001-*.npz"))
        for folder in (tmp_path / "sets").glob("[0-9a-f]*"):
            shutil.rmtree(folder)
    (file,) = files
    DAMAGES[damage](file)
    after = opened(row, tmp_path)
    assert [after.name(number) for number in range(len(after))] == names
    assert after.labels.tolist() == before.labels.tolist()
    for number in range(len(names)):
        assert after.source.read(int(after.items[number])) == before.source.read(
            int(before.items[number])
        )


def test_a_shard_that_is_not_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    row = pool(tmp_path, 23, labels=True)
    shard = tmp_path / "pool" / "00002.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DatasetError):
        opened(row, tmp_path)
    assert not list(tmp_path.rglob(".aside-*"))


def test_a_file_in_the_place_of_an_index_goes(tmp_path: Path) -> None:
    row = pool(tmp_path, 23, labels=True)
    opened(row, tmp_path)
    (folder,) = (tmp_path / "sets").glob("[0-9a-f]*")
    shutil.rmtree(folder)
    folder.write_text("no folder")
    assert len(opened(row, tmp_path)) == 23


def test_a_shard_that_changes_is_indexed_anew(tmp_path: Path) -> None:
    row = pool(tmp_path, 10, labels=False)
    assert len(opened(row, tmp_path)) == 10
    layouts.shard(tmp_path / "pool/00001.tar", [layouts.sample(number) for number in (7, 8)])
    assert len(opened(row, tmp_path)) == 7
