"""One contract for every format: what an index gives depends on nothing but the row and the files."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from schema.checks import parts
from streams import DatasetError, open_pairs
from streams.formats._files import Files
from streams.formats.imagefolder import Imagefolder
from streams.pictures import pixels
from tests.layouts import CLASSES, LAYOUTS, Row, encoded, picture, row

FORMATS = parts.names("streams/formats")
OF_FILES = [name for name in FORMATS if "corrupt_share" in parts.keys("streams/formats", name)]


def opened(built: Row, data: Path, **params: object) -> Files:
    """The training split, read from files."""
    pairs = open_pairs(built | {"params": built["params"] | params}, "train", data)
    assert isinstance(pairs, Files)
    return pairs


def shown(pairs: Files) -> list[int]:
    """Which picture each index gives, told by its pixels alone."""
    pictures = np.stack([pixels(picture(number), 24) for number in range(40)]).astype(np.int64)
    images = pairs.images(np.arange(len(pairs)))
    far = [np.abs(pictures - image).mean((1, 2, 3)) for image in images]
    assert max(map(min, far)) < 4, "JPEG may change a picture so little"
    return [int(np.argmin(some)) for some in far]


def test_every_format_has_a_layout_here() -> None:
    assert sorted(LAYOUTS) == FORMATS and set(FORMATS) - set(OF_FILES) == {"world", "idsprites"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_gives_the_same_pairs_in_the_same_order_wherever_it_is_read(
    name: str, tmp_path: Path
) -> None:
    both = [
        open_pairs(LAYOUTS[name](tmp_path / folder, 12, set()), "train", tmp_path / folder)
        for folder in ("one", "two words")
    ]
    again = open_pairs(LAYOUTS[name](tmp_path / "one", 12, set()), "train", tmp_path / "one")
    every = np.arange(12)
    for pairs in (*both, again):
        assert len(pairs) == 12 and pairs.labels.dtype == np.int64 and pairs.labels.shape == (12,)
        assert pairs.labels.min() >= 0 and pairs.labels.max() < len(CLASSES)
        images = pairs.images(every)
        assert images.dtype == np.uint8 and images.shape == (12, 3, 24, 24)
        assert np.array_equal(images, both[0].images(every)) and np.array_equal(
            pairs.labels, both[0].labels
        )
        assert pairs.captions(every, np.random.default_rng(3)) == both[0].captions(
            every, np.random.default_rng(3)
        )


@pytest.mark.parametrize("bad", [set(), {1, 4, 7}], ids=["whole", "with unreadable images"])
@pytest.mark.parametrize("name", FORMATS)
def test_pairs_are_the_same_in_any_order_and_grouping(
    name: str, bad: set[int], tmp_path: Path
) -> None:
    """As many workers, each with its own copy and its own share of a batch, would ask for them."""
    built = LAYOUTS[name](tmp_path, 12, bad)
    images = open_pairs(built, "train", tmp_path).images(np.arange(12))
    order = np.random.default_rng(0).permutation(12)
    whole = open_pairs(built, "train", tmp_path)
    assert np.array_equal(whole.images(order), images[order])
    groups = [pickle.loads(pickle.dumps(open_pairs(built, "train", tmp_path))) for _ in range(5)]
    for worker, indices in zip(groups, np.array_split(order, 5), strict=True):
        assert np.array_equal(worker.images(indices), images[indices])
    if (
        name in OF_FILES
    ):  # each caption costs one draw, so a batch in two halves takes the same ones
        said, rng = whole.captions(order, np.random.default_rng(1)), np.random.default_rng(1)
        assert [
            one
            for worker in groups[:1]
            for some in np.split(order, [5])
            for one in worker.captions(some, rng)
        ] == said
        unread = open_pairs(built, "train", tmp_path)
        assert unread.captions(order, np.random.default_rng(1)) == said, (
            "though no image was read before"
        )


@pytest.mark.parametrize("name", OF_FILES)
def test_images_labels_and_captions_belong_together(name: str, tmp_path: Path) -> None:
    pairs = opened(LAYOUTS[name](tmp_path, 12, set()), tmp_path)
    numbers = shown(pairs)
    assert sorted(numbers) == list(range(12)) and list(pairs.labels) == [
        number % 3 for number in numbers
    ]
    for caption, number in zip(
        pairs.captions(np.arange(12), np.random.default_rng(0)), numbers, strict=True
    ):
        assert CLASSES[number % 3] in caption
        assert name in ("imagefolder", "torchvision") or str(number) in caption


@pytest.mark.parametrize("name", OF_FILES)
def test_an_unreadable_image_is_replaced_counted_and_named(name: str, tmp_path: Path) -> None:
    """By the next of its label: 0, 3, 6, 9 are one class, and 3 and 6 are unreadable, so both give 9 (or 0, in reverse)."""
    pairs = opened(LAYOUTS[name](tmp_path, 12, {3, 6, 11}), tmp_path)
    whole = opened(LAYOUTS[name](tmp_path / "whole", 12, set()), tmp_path / "whole")
    meant, given_instead = shown(whole), shown(pairs)
    assert np.array_equal(pairs.labels, whole.labels) and pairs.name(5) == whole.name(5)
    for index, (was, now) in enumerate(zip(meant, given_instead, strict=True)):
        if was not in (3, 6, 11):
            assert now == was
            continue
        alike = [
            meant[n % 12] for n in range(index + 1, index + 12) if meant[n % 12] % 3 == was % 3
        ]
        assert now == next(number for number in alike if number not in (3, 6, 11))
    assert sorted(pairs.corrupt) == sorted(whole.name(meant.index(number)) for number in (3, 6, 11))
    assert pairs.seen == 12 and whole.corrupt == []
    pairs.images(np.arange(12))
    assert len(pairs.corrupt) == 3, "counted once"
    for caption, number in zip(
        pairs.captions(np.arange(12), np.random.default_rng(0)), given_instead, strict=True
    ):
        assert name in ("imagefolder", "torchvision") or str(number) in caption


@pytest.mark.parametrize("name", OF_FILES)
def test_threads_change_nothing(name: str, tmp_path: Path) -> None:
    built, asked = (
        LAYOUTS[name](tmp_path, 30, {3, 4, 6, 11, 20}),
        np.random.default_rng(2).integers(0, 30, 60),
    )
    one, four = opened(built, tmp_path), opened(built, tmp_path)
    images, threads = one.images(asked), torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert np.array_equal(four.images(asked), images)
    finally:
        torch.set_num_threads(threads)
    assert (
        four.corrupt == one.corrupt
        and four.seen == one.seen
        and np.array_equal(four.instead, one.instead)
    )


@pytest.mark.parametrize("name", OF_FILES)
def test_too_many_unreadable_images_are_an_error_that_names_them(name: str, tmp_path: Path) -> None:
    built = LAYOUTS[name](tmp_path, 30, set(range(11)))
    with pytest.raises(
        DatasetError,
        match=r"11 of the \d+ images read so far cannot be read, and 10 may: .* \(the last one: .+\)\.",
    ) as refused:
        opened(built, tmp_path).images(np.arange(30))
    pairs = opened(built, tmp_path, corrupt_share=0.99)
    pairs.images(np.arange(30))
    assert len(pairs.corrupt) == 11 and all(item in str(refused.value) for item in pairs.corrupt)
    assert "Fetch them again, or raise corrupt_share" in str(refused.value)


@pytest.mark.parametrize("name", OF_FILES)
def test_a_label_without_a_readable_image_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match="dataset 'birds': none of the 4 images of label 1 can be read"
    ):
        opened(LAYOUTS[name](tmp_path, 12, {1, 4, 7, 10}), tmp_path).images(np.arange(12))


@pytest.mark.parametrize("name", OF_FILES)
def test_a_missing_location_is_refused_and_says_what_should_be_there(
    name: str, tmp_path: Path
) -> None:
    built = LAYOUTS[name](tmp_path, 3, set())
    with pytest.raises(
        DatasetError,
        match="there is no .*nowhere.*; it should contain .*Relative locations start at the data",
    ):
        open_pairs(built | {"location": "nowhere/at all"}, "train", tmp_path)
    with pytest.raises(DatasetError, match=f"format {name} needs a `location` that contains "):
        open_pairs(built | {"location": None}, "train", tmp_path)
    with pytest.raises(
        DatasetError, match="location 'az://birds/all' is an address, and nothing is downloaded"
    ):
        open_pairs(built | {"location": "az://birds/all"}, "train", tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_unknown_params_are_refused(name: str, tmp_path: Path) -> None:
    built = row(name, ".", imagepx=3)
    with pytest.raises(
        DatasetError,
        match=rf"{name} has no parameter 'imagepx'. Allowed: .*image_px.*Did you mean 'image_px'",
    ):
        open_pairs(built, "train", tmp_path)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.sampled_from(["RGB", "L", "RGBA", "LA", "P", "1", "CMYK", "YCbCr"]),
)
def test_a_square_is_what_clip_makes_of_an_image(
    width: int, height: int, px: int, mode: str
) -> None:
    """Against torchvision's transforms, which open_clip's preprocessing is made of, to the bit, in its order: RGB last."""
    noise = np.random.default_rng([width, height]).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    image = Image.fromarray(noise).convert(mode)
    bicubic = transforms.InterpolationMode.BICUBIC
    clip = transforms.Compose([transforms.Resize(px, bicubic), transforms.CenterCrop(px)])
    assert np.array_equal(
        pixels(image, px), np.asarray(clip(image).convert("RGB")).transpose(2, 0, 1)
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_half_a_file_is_unreadable_whatever_the_kind(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "birds" / "crow"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(encoded(0))
    whole = encoded(1, kind=kind)
    (folder / "1.png").write_bytes(whole[: len(whole) // 3])
    pairs = opened(row("imagefolder", "birds") | {"classes": ["crow"]}, tmp_path)
    assert shown(pairs) == [0, 0] and pairs.corrupt == ["crow/1.png"]


class Numbers:
    """Items that are only names, and a disk that fails."""

    def __init__(self, count: int) -> None:
        self.names, self.labels = [f"{n}.png" for n in range(count)], np.full(count, -1)

    def read(self, item: int) -> bytes:
        """Nothing."""
        raise OSError(errno.EIO, "Input/output error", self.names[item])

    def texts(self, item: int) -> list[str]:
        """Three."""
        return [f"{item} one", f"{item} two", f"{item} three"]


def split(count: int, which: str, **params: object) -> set[str]:
    """The names of the items in a split."""
    form = Imagefolder(**params)  # type: ignore[arg-type]
    pairs = Files(row("imagefolder", "birds") | {"classes": []}, form, which, Numbers(count))
    return {pairs.name(index) for index in range(len(pairs))}


def test_a_share_of_the_items_is_held_out_by_their_names() -> None:
    train, test = (split(3000, which, test_share=0.2) for which in ("train", "test"))
    assert not train & test and len(train | test) == 3000 and abs(len(test) - 600) < 70
    assert split(1000, "test", test_share=0.2) == {
        name for name in test if int(name[:-4]) < 1000
    }, "more items move none"
    assert test < split(3000, "test", test_share=0.3)
    assert split(9, "train") == split(9, "test", test_share=1.0) and len(split(9, "train")) == 9
    assert split(9, "test", train="a", test="b") == split(9, "train", train="a", test="b")


def test_splits_that_cannot_be_are_refused() -> None:
    with pytest.raises(
        DatasetError,
        match=r"its test split is empty \(9 items, test_share 0.0\). Name two places with train and",
    ):
        split(9, "test")
    with pytest.raises(
        DatasetError, match="train and test are two places, and test_share would split each"
    ):
        split(9, "test", train="a", test="b", test_share=0.1)
    for wrong in ({"test_share": 1.5}, {"corrupt_share": -1.0}, {"image_px": 0}):
        with pytest.raises(
            DatasetError, match="shares lie between 0 and 1, and image_px is above 0"
        ):
            split(9, "train", **wrong)


def test_a_disk_that_fails_is_no_unreadable_image() -> None:
    """Otherwise a moment of a busy disk would change the numbers of a trial."""
    pairs = Files(row("imagefolder", "birds") | {"classes": []}, Imagefolder(), "train", Numbers(3))
    with pytest.raises(OSError, match="Input/output error"):
        pairs.images(np.arange(3))
    assert pairs.corrupt == []


def test_one_of_several_captions_by_chance_in_training_and_the_first_in_the_test(
    tmp_path: Path,
) -> None:
    built = LAYOUTS["imagefolder"](tmp_path, 9, set())
    training = open_pairs(built, "train", tmp_path)
    every = np.arange(9)
    drawn = {
        caption
        for seed in range(9)
        for caption in training.captions(every, np.random.default_rng(seed))
    }
    assert drawn == {
        f"{form} {name}{rest}"
        for name in CLASSES
        for form, rest in (("a", ""), ("one", " in a tree"))
    }
    test = open_pairs(
        built | {"params": {"image_px": 24, "train": "train", "test": "train", "test_share": 1}},
        "test",
        tmp_path,
    )
    for seed in range(9):
        assert test.captions(every, np.random.default_rng(seed)) == [
            f"a {CLASSES[label]}" for label in test.labels
        ]
