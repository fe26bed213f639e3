"""Test images that are decoded when they are encoded: the same numbers, and never held together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evals._matching import same_pixels
from runner.run_files import Assignment
from runner.worker.backbone import Backbone, build
from runner.worker.decoded_images import AT_ONCE, DecodedImages, asked_ahead
from runner.worker.pixel_store import HEADERS_BYTES, PixelStore, open_pixels
from runner.worker.suites import load_test, part_of
from streams import open_pairs
from streams.formats._files import Files
from tests import layouts
from tests.toy import ARCHITECTURE

PX = 16
COUNT = 600


def place(store: Path, decoded_gb: float = 1.0) -> Assignment:
    return Assignment(
        trial=1, attempt=1, batch="b", position=0, data="", store=str(store), decoded_gb=decoded_gb
    )


def opened_store(folder: Path, decoded_gb: float = 1.0) -> PixelStore:
    store = open_pixels(place(folder, decoded_gb), PX)
    assert store is not None
    return store


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build(ARCHITECTURE, 0)


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> layouts.Row:
    """Tar shards of 600 pairs, of which three cannot be read."""
    data = tmp_path_factory.mktemp("data")
    made = layouts.webdataset(data, COUNT, bad={7, 300, 301})
    made |= {"location": str(data / "pool"), "kind": "retrieval"}
    made["params"] = {"image_px": PX, "test": ""}
    return made


@pytest.fixture
def pairs(row: layouts.Row, tmp_path: Path) -> Files:
    made = row | {"params": {"image_px": PX, "test_share": 1.0}}
    found = open_pairs(made, "test", tmp_path)
    assert isinstance(found, Files)
    return found


def test_embeddings_are_those_of_the_images_in_memory(
    backbone: Backbone, pairs: Files, tmp_path: Path
) -> None:
    """To the bit, decoded anew, written to the store, and read from it; a part of them too."""
    everything = pairs.images(np.arange(COUNT))
    expected = backbone.encode_images(everything)
    plain = DecodedImages(pairs, np.arange(COUNT))
    assert torch.equal(backbone.encode_images(plain), expected)
    for _ in range(2):
        store = opened_store(tmp_path / "store")
        images = DecodedImages(pairs, np.arange(COUNT), store)
        assert torch.equal(backbone.encode_images(images), expected)
        store.publish()
    some = np.arange(3, COUNT, 2)
    part = backbone.encode_images(plain.some(some))
    assert torch.equal(part, backbone.encode_images(everything[some]))


def test_a_test_set_says_of_images_in_memory_the_same(pairs: Files, row: layouts.Row) -> None:
    """Captions of those that stand in for unreadable images, and which images are the same."""
    test = load_test(row, pairs)
    every = np.arange(COUNT)
    everything = pairs.images(every)
    assert test.captions == pairs.captions(every, np.random.default_rng(0))
    assert test.every_caption == pairs.every_caption()
    assert len(pairs.corrupt) == 3
    assert torch.equal(same_pixels(test.images), same_pixels(everything))
    items = part_of(test, 0.5)
    half = test.some(items)
    assert len(half.images) == len(items) == len(half.captions)
    assert torch.equal(same_pixels(half.images), same_pixels(everything[items]))


class Watched:
    """Images that count how many of their parts are held at a time."""

    def __init__(self, count: int) -> None:
        self.count, self.handed = count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> np.ndarray:
        self.handed += 1
        return np.full((part.stop - part.start, 3, 2, 2), part.start // AT_ONCE, np.uint8)


def test_at_most_one_part_is_decoded_ahead() -> None:
    images = Watched(10 * AT_ONCE)
    parts = [range(first, first + AT_ONCE) for first in range(0, 10 * AT_ONCE, AT_ONCE)]
    with ThreadsAhead(images, parts) as taken:
        for number, pixels in enumerate(taken, 1):
            assert pixels[0, 0, 0, 0] == number - 1
            assert images.handed <= number + 1


class ThreadsAhead:
    """The parts of some images, closed at the end of the block."""

    def __init__(self, images: Watched, parts: list[range]) -> None:
        self.parts = asked_ahead(images, parts)

    def __enter__(self) -> "ThreadsAhead":
        return self

    def __iter__(self) -> "ThreadsAhead":
        return self

    def __next__(self) -> np.ndarray:
        return next(self.parts)

    def __exit__(self, *_: object) -> None:
        self.parts.close()


def packs(folder: Path) -> list[Path]:
    return sorted(folder.glob("store/decoded/*/[0-9a-f]*"))


def test_a_picture_is_decoded_once_for_all(pairs: Files, tmp_path: Path) -> None:
    """What another process left is read, and nothing is written again; unreadable files are not."""
    images = DecodedImages(pairs, np.arange(COUNT), opened_store(tmp_path / "store"))
    expected = images[0:COUNT]
    assert images.store is not None
    images.store.publish()
    (pack,) = packs(tmp_path)
    assert len(np.load(pack / "keys.npy")) == COUNT - 3
    later = opened_store(tmp_path / "store")
    assert np.array_equal(DecodedImages(pairs, np.arange(COUNT), later)[0:COUNT], expected)
    assert later.writing is None


def test_what_the_disk_has_changed_is_decoded_again(pairs: Files, tmp_path: Path) -> None:
    store = opened_store(tmp_path / "store")
    expected = DecodedImages(pairs, np.arange(10), store)[0:10]
    store.publish()
    (pack,) = packs(tmp_path)
    damaged = bytearray((pack / "pixels").read_bytes())
    damaged[5] ^= 1
    (pack / "pixels").write_bytes(damaged)
    later = opened_store(tmp_path / "store")
    assert np.array_equal(DecodedImages(pairs, np.arange(10), later)[0:10], expected)
    assert later.writing is not None and len(later.writing.rows) == 1
    np.save(pack / "sums.npy", np.zeros(3, np.uint32))
    assert opened_store(tmp_path / "store").packs == {}, "fewer sums than keys"
    for content in (b"torn", b"", bytes(200)):
        (pack / "keys.npy").write_bytes(content)
        assert opened_store(tmp_path / "store").packs == {}


def test_the_store_keeps_to_its_budget(pairs: Files, tmp_path: Path) -> None:
    """What was used last stays, and a suite does not evict its own pictures of 768 bytes."""
    ten = (HEADERS_BYTES + 10 * (3 * PX * PX + 20) + 1) / 1e9
    store = opened_store(tmp_path / "store", ten)
    everything = DecodedImages(pairs, np.arange(COUNT), store)
    expected = everything[0:COUNT]
    store.publish()
    (pack,) = packs(tmp_path)
    assert len(np.load(pack / "keys.npy")) == 10
    later = opened_store(tmp_path / "store", ten)
    assert np.array_equal(DecodedImages(pairs, np.arange(COUNT), later)[0:COUNT], expected)
    later.publish()
    assert packs(tmp_path) == [pack]
    assert open_pixels(place(tmp_path / "store", 0.0), PX) is None
