"""Crops, as FoMo-in-Flux and open_clip have them: of the whole picture, where a recipe says so, and by a seed alone."""

import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from schema.checks.augmentation import Augmentation
from streams import Draw, open_pairs
from streams.augmentation import box
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pictures import pixels
from tests.layouts import FORMATS, LAYOUTS, ROW

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create"
)  # more workers than cores
FOMO: dict[str, Any] = {"scale": [0.9, 1.0], "ratio": [0.75, 1.3333]}
HARD: dict[str, Any] = {
    "scale": [0.1, 0.6],
    "color_jitter": [0.4, 0.4, 0.4, 0.1],
    "gray_scale_prob": 0.3,
}


def how(params: dict[str, Any]) -> Augmentation:
    return Augmentation.of(params, "recipe 'r'")


def photo(width: int, height: int, noise: float = 12) -> Image.Image:
    """Smooth colours with some noise."""
    rng = np.random.default_rng([width, height])
    smooth = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return Image.fromarray(
        (np.asarray(smooth) + rng.normal(0, noise, (height, width, 3)))
        .clip(0, 255)
        .astype(np.uint8)
    )


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.integers(0, 2**63 - 1),
    st.sampled_from([FOMO, HARD]),
)
def test_a_crop_is_what_torchvision_makes_of_the_whole_picture(
    width: int, height: int, seed: int, params: dict[str, Any]
) -> None:
    """To the bit, from the same random numbers; torch's own state stays as it was."""
    picture, said = photo(width, height), how(params)
    assert said.scale is not None
    before = torch.get_rng_state()
    found = pixels(picture, 24, partial(box, said, seed))
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        theirs = RandomResizedCrop(24, said.scale, said.ratio, InterpolationMode.BICUBIC)(picture)
    assert np.array_equal(found, np.asarray(theirs).transpose(2, 0, 1))


@settings(deadline=None, max_examples=100)
@given(
    st.integers(20, 900),
    st.integers(20, 900),
    st.integers(0, 2**63 - 1),
    st.sampled_from([FOMO, HARD]),
)
def test_a_box_lies_in_the_picture_and_has_the_area_and_ratio_that_is_said(
    width: int, height: int, seed: int, params: dict[str, Any]
) -> None:
    """As far as whole pixels can; where no such box fits, it is the largest in the middle of an allowed ratio."""
    said = how(params)
    assert said.scale is not None
    left, top, right, bottom = box(said, seed, (width, height))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    wide, high = right - left, bottom - top
    assert (wide - 1) / (high + 1) < said.ratio[1] and (wide + 1) / (high - 1) > said.ratio[0]
    if (left, top) != ((width - wide) // 2, (height - high) // 2):
        assert (wide - 1) * (high - 1) < said.scale[1] * width * height
        assert (wide + 1) * (high + 1) > said.scale[0] * width * height


def test_boxes_are_spread_over_what_is_allowed() -> None:
    boxes = np.array([box(how({"scale": [0.2, 0.8]}), seed, (400, 400)) for seed in range(1500)])
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = wide * high / 400**2, np.log(wide / high)
    assert abs(area.mean() - 0.5) < 0.02 and area.min() < 0.22 and area.max() > 0.76
    assert (
        abs(ratio.mean()) < 0.02
        and ratio.min() < 0.9 * math.log(3 / 4)
        and ratio.max() > 0.9 * math.log(4 / 3)
    )
    assert (
        abs((boxes[:, 0] / (401 - wide)).mean() - 0.5) < 0.04
        and len(np.unique(boxes, axis=0)) > 1490
    )


@pytest.mark.parametrize("size", [(340, 256), (500, 375), (880, 700)])
def test_a_file_is_decoded_whole_where_the_crop_needs_it(size: tuple[int, int]) -> None:
    crop = partial(box, how(FOMO), 5)
    left, top, right, bottom = crop(size)
    data = jpeg(photo(*size))
    theirs = resized_crop(
        Image.open(io.BytesIO(data)),
        top,
        left,
        bottom - top,
        right - left,
        [224, 224],
        InterpolationMode.BICUBIC,
    )
    assert np.array_equal(pixels(data, 224, crop), np.asarray(theirs).transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(1500, 1000), (2000, 2400)])
def test_a_large_jpeg_is_decoded_smaller_and_loses_next_to_nothing(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a shade of 256 on average, on noise of twelve; never to less than twice what is wanted."""
    crop, picture = partial(box, how(FOMO), 7), photo(*size)
    data, decoded = jpeg(picture), list[tuple[int, int]]()
    whole = Image.open(io.BytesIO(data)).convert("RGB")

    draft = JpegImageFile.draft

    def drafted(opened: JpegImageFile, mode: str | None, wanted: tuple[int, int] | None) -> Any:
        made = draft(opened, mode, wanted)
        decoded.append(opened.size)
        return made

    monkeypatch.setattr(JpegImageFile, "draft", drafted)
    off = np.abs(pixels(data, 224, crop).astype(int) - pixels(whole, 224, crop))
    assert len(decoded) == 1 and decoded[0][0] < size[0] and min(decoded[0]) > 0.8 * 2 * 224
    assert off.mean() < 0.6 and off.max() <= 12


def loader(
    name: str, folder: Path, workers: int, params: dict[str, Any], part: slice | None = None
) -> Loader:
    """Task 2 of a mixture over three copies of a layout: 16 pairs a batch, so that epochs end within batches."""
    bad = {3, 6} if name not in ("world", "idsprites") else set[int]()
    sets = [
        open_pairs(LAYOUTS[name](folder / place, 12, bad), "train", folder / place)
        for place in ("new", "old", "pool")
    ]
    mixture = Mixture(ROW, 16, 5, [(sets[2], np.arange(12))], how(params))
    mixture.begin(2, [(sets[0], np.arange(12))], [[(sets[1], np.arange(12))]])
    return Loader(mixture, workers, part)


def same(one: Draw, other: Draw) -> bool:
    return np.array_equal(one.images, other.images) and one.captions == other.captions


@pytest.mark.parametrize("name", FORMATS)
def test_crops_are_the_same_however_they_are_read(name: str, tmp_path: Path) -> None:
    """By another process, from a cursor, and half by each of two; and they are no middle squares."""
    alone = loader(name, tmp_path, 0, HARD)
    batches, state = [alone.draw() for _ in range(3)], alone.state_dict()
    expected = alone.draw()
    ahead = loader(name, tmp_path, 2, HARD)
    assert all(same(ahead.draw(), batch) for batch in batches)
    again = loader(name, tmp_path, 0, HARD)
    again.load_state_dict(state)
    assert same(again.draw(), expected)
    halves = [loader(name, tmp_path, 0, HARD, part) for part in (slice(0, 8), slice(8, 16))]
    assert np.array_equal(
        np.concatenate([half.draw().images for half in halves]), batches[0].images
    )
    plain = loader(name, tmp_path, 0, {}).draw()
    assert plain.captions == batches[0].captions, "the order of the pairs is that without crops"
    assert all(
        not np.array_equal(one, other)
        for one, other in zip(plain.images, batches[0].images, strict=True)
    )


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"world", "idsprites"}))
def test_a_crop_sees_what_lies_beside_the_middle_square(name: str, tmp_path: Path) -> None:
    """Pictures of 60 by 44 pixels, all of whose area is taken: their left edge is in the crop, and not in the square."""
    pairs = open_pairs(LAYOUTS[name](tmp_path, 12, set()), "train", tmp_path)
    everything = partial(box, how({"scale": [1, 1], "ratio": [1.2, 1.4]}), 3)
    whole = pairs.images(np.arange(12), [everything] * 12)
    assert whole.shape == (12, 3, 24, 24)
    for number in range(12):
        with_crop, without = (
            whole[number].astype(int),
            pairs.images(np.array([number]))[0].astype(int),
        )
        assert np.abs(with_crop - without).mean() > 1


def test_crops_are_new_in_each_epoch_and_for_each_seed(tmp_path: Path) -> None:
    pairs = open_pairs(LAYOUTS["imagefolder"](tmp_path, 12, set()), "train", tmp_path)
    row = ROW | {"update_share": 1.0, "buffer_share": 0.0, "pretraining_share": 0.0}
    seen: dict[str, list[np.ndarray]] = {}
    for seed in (1, 2):
        mixture = Mixture(row, 12, seed, None, how({"scale": [0.1, 0.6]}))
        mixture.begin(1, [(pairs, np.arange(12))], [])
        for _ in range(2):
            pools = mixture.next()
            images = mixture.read(pools).images.numpy()
            for index, image in zip(pools[0][1].tolist(), images, strict=True):
                seen.setdefault(str(index), []).append(image)
    for images in seen.values():
        assert len(images) == 4 and len({image.tobytes() for image in images}) == 4
