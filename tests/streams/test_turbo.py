"""The decoder `turbo`: its pixels beside Pillow's, what it leaves to Pillow, and the same batches however they are read."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from schema.checks import rows
from schema.checks.augmentation import Augmentation, AugmentationError
from schema.checks.parts import PartError
from schema.checks.preprocessing import Preprocessing
from schema.spec import Spec
from streams import DatasetError, open_pairs
from streams.batch_images import LEFT
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pictures import pixels
from streams.turbo import TurboDecoder
from tests import layouts
from tests.decoders import CROPS, DRAWN, file, met, off, same
from tests.layouts import FORMATS, LAYOUTS, ROW
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought, spec_of
from tests.streams.test_crops import HARD, how, photo
from tests.streams.test_pictures import sticker

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create"
)  # more workers than cores


def by_turbo(data: bytes, *how_to: Any, left: int = 0, **more: Any) -> np.ndarray:
    """A picture by the decoder, of which it leaves so many to Pillow."""
    decoder = TurboDecoder()
    made = decoder.pixels(data, *how_to, **more)
    assert decoder.news() == left and decoder.news() == 0
    assert made.dtype == np.uint8 and made.shape == (3, how_to[0], how_to[0])
    return made


def flower(width: int, height: int) -> Image.Image:
    """Hard edges between full colours, which is what resizing rounds most."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 2, (-(-height // 4), -(-width // 4), 3), np.uint8) * 255
    return Image.fromarray(blocks.repeat(4, 0).repeat(4, 1)[:height, :width])


def ended(data: bytes) -> bytes:
    """A JPEG that ends in the middle, as if that were right, of which libjpeg-turbo warns."""
    return data[: len(data) // 2] + data[-2:]


# Ten kinds that are not left to Pillow
KINDS: dict[str, Callable[[int, int], bytes]] = {
    "jpeg": lambda *size: file(photo(*size)),
    "jpeg, gray": lambda *size: file(photo(*size).convert("L")),
    "jpeg, progressive": lambda *size: file(photo(*size), progressive=True),
    "jpeg, whole colours": lambda *size: file(photo(*size), subsampling=0),
    "jpeg, half colours": lambda *size: file(photo(*size), subsampling=1),
    "jpeg, stored as rgb": lambda *size: file(photo(*size), keep_rgb=True),
    "jpeg, restarts": lambda *size: file(photo(*size), restart_marker_rows=1),
    "jpeg, hard edges": lambda *size: file(flower(*size)),
    "png": lambda *size: file(photo(*size), "PNG"),
    "webp": lambda *size: file(photo(*size), "WEBP"),
    "bmp": lambda *size: file(photo(*size), "BMP"),
}
SIZES = [(500, 400), (256, 340), (224, 224), (60, 44), (1, 1), (3, 2), (900, 20), (7, 300)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", CROPS)
def test_it_is_pillows_picture_to_a_few_levels_of_256(kind: str, cut: str) -> None:
    """Tall, wide, tiny, enlarged and made smaller: the same pixels, rounded otherwise when resized."""
    for size in SIZES:
        data = KINDS[kind](*size)
        off_by = off(by_turbo(data, 224, CROPS[cut]), pixels(data, 224, CROPS[cut]))
        assert off_by.max() <= (16 if kind == "jpeg, hard edges" else 3), size
        assert off_by.mean() < (0.6 if kind == "jpeg, hard edges" else 0.3), size


@pytest.mark.parametrize("size", [(1500, 1000), (2000, 1500), (4001, 3003)])
@pytest.mark.parametrize("cut", CROPS)
def test_a_large_jpeg_is_decoded_smaller(size: tuple[int, int], cut: str) -> None:
    """In the domain of its cosine transform, to no less than twice what is wanted of it."""
    data = file(photo(*size))
    off_by = off(by_turbo(data, 224, CROPS[cut]), pixels(data, 224, CROPS[cut]))
    assert off_by.max() <= 8 and 0 < off_by.mean() < 0.8


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("size", [(340, 256), (1500, 1000)])
def test_a_picture_is_turned_as_its_exif_says_where_the_row_asks(
    turn: int, size: tuple[int, int]
) -> None:
    tags = Image.Exif()
    tags[0x0112] = turn
    for kind in ("JPEG", "PNG"):
        data = file(photo(*size), kind, exif=tags)
        for crop in CROPS.values():
            for upright in (True, False):
                made = by_turbo(data, 64, crop, upright=upright)
                expected = pixels(data, 64, crop, upright=upright)
                assert off(made, expected).mean() < 0.7
        stored, shown = (by_turbo(data, 64, upright=upright) for upright in (False, True))
        assert np.array_equal(stored, shown) == (turn == 1)


OTHERS: dict[str, Callable[[], bytes | Image.Image]] = {
    "cmyk": lambda: file(photo(60, 44).convert("CMYK")),
    "16 bit": lambda: file(
        Image.fromarray(np.arange(60 * 44, dtype=np.uint16).reshape(44, 60) * 20), "PNG"
    ),
    "transparent": lambda: file(sticker(), "PNG"),
    "transparent webp": lambda: file(sticker(), "WEBP", lossless=True),
    "a clear colour": lambda: file(photo(60, 44), "PNG", transparency=(1, 2, 3)),
    "palette": lambda: file(photo(60, 44).convert("P"), "PNG"),
    "gray png": lambda: file(photo(60, 44).convert("L"), "PNG"),
    "gif": lambda: file(photo(60, 44).convert("P"), "GIF"),
    "two colours": lambda: file(photo(60, 44).convert("1"), "PNG"),
    "decoded": lambda: photo(60, 44),
    "ended early": lambda: ended(file(photo(60, 44))),
    "very wide": lambda: file(photo(20000, 2)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_it_cannot_read_is_pillows_to_the_bit_and_counted(kind: str) -> None:
    picture: Any = OTHERS[kind]()
    for background in (None, (255, 255, 255)):
        made = by_turbo(picture, 224, background=background, left=1)
        assert np.array_equal(made, pixels(picture, 224, background=background))


@pytest.mark.parametrize("spoiled", ["empty", "a page", "half", "a header", "no picture"])
def test_pillow_alone_decides_what_is_unreadable(spoiled: str) -> None:
    """With the same error."""
    whole = file(photo(300, 200))
    data = {
        "empty": b"",
        "a page": b"<html>404</html>",
        "half": whole[: len(whole) // 2],
        "a header": whole[:40],
        "no picture": b"\xff\xd8" + b"\0" * 600,
    }[spoiled]
    words = []
    for decode in (TurboDecoder().pixels, pixels):
        with pytest.raises((OSError, ValueError, SyntaxError)) as error:
            decode(data, 224)
        words.append((error.type, str(error.value).partition("0x")[0]))
    assert words[0] == words[1]


def test_a_file_made_to_fill_the_memory_is_pillows_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.turbo.PIXELS_AT_MOST", 60 * 44 - 1)
    data = file(photo(60, 44))
    assert np.array_equal(by_turbo(data, 24, left=1), pixels(data, 24))


def tags() -> set[tuple[str, str, int]]:
    """How open_clip's tags want their images resized."""
    default, ways = open_clip.transform.PreprocessCfg(), set()
    for architecture, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(architecture, tag)
        merged = open_clip.transform.merge_preprocess_dict(default, config)
        ways.add((merged["interpolation"], merged["resize_mode"], merged["fill_color"]))
    return ways


def test_every_tag_of_open_clip_is_read() -> None:
    """Each interpolation and resize mode that a tag names, whole pictures of ordinary, tall and wide shape."""
    ways = tags()
    assert len(ways) >= 3
    for interpolation, mode, fill in sorted({*ways, ("bilinear", "longest", 128)}):
        wanted = Preprocessing(interpolation=interpolation, resize_mode=mode, fill_color=fill)
        for size in [(500, 400), (60, 200), (33, 12), (1500, 1000)]:
            data = file(photo(*size))
            made = by_turbo(data, 64, preprocessing=wanted)
            off_by = off(made, pixels(data, 64, preprocessing=wanted))
            assert off_by.mean() < (0.7 if size[0] == 1500 else 0.3)


def test_an_unknown_decoder_is_refused_with_those_there_are() -> None:
    for value in ("torbo", True, 3, ["turbo"]):
        with pytest.raises(AugmentationError, match="decoder is one of pillow, turbo, not "):
            Augmentation.of({"decoder": value}, "recipe 'r'")
    assert Augmentation.of({"decoder": "turbo"}, "recipe 'r'").decoder == "turbo"
    assert not Augmentation.of({"decoder": "turbo"}, "recipe 'r'").changes_by_chance
    assert Augmentation.of({"gray_scale_prob": 0.5}, "recipe 'r'").changes_by_chance


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    monkeypatch.delitem(sys.modules, "streams.turbo")
    with pytest.raises(DatasetError, match=r"decoder 'turbo' needs simplejpeg.*Install it"):
        Mixture(
            ROW | {"pretraining_share": 0},
            16,
            5,
            None,
            how({"decoder": "turbo"} | {"scale": [0.5, 1]}),
        )
    Mixture(ROW | {"pretraining_share": 0, "update_share": 0.7}, 16, 5, None)


def test_two_decoders_are_refused() -> None:
    recipe = dict(spec_of("toy_ema").recipe)
    recipe |= {
        "augmentation_params": {"decoder": "turbo"},
        "compute_params": {"decode_on_device": True},
    }
    with pytest.raises(PartError, match="decode_on_device of compute_params on the device. Leave"):
        rows.check_recipe(recipe)


def test_the_decoder_is_part_of_the_definition() -> None:
    plain = spec_of("toy_ema")
    said = json.loads(plain.to_json())
    said["recipe"]["augmentation_params"] = {"decoder": "turbo"}
    assert Spec.from_row(said).id != plain.id


def loader(
    name: str,
    folder: Path,
    decoder: str = "turbo",
    workers: int = 0,
    part: slice | None = None,
    params: dict[str, Any] = HARD,
) -> Loader:
    """Task 2 of a mixture over a layout, the drawn world and shards of JPEGs: 16 pairs a batch."""
    spoiled = {3, 6} if name not in DRAWN else set[int]()
    built = [LAYOUTS[name](folder / "new", 12, spoiled)]
    built += [LAYOUTS["world"](folder / "old", 12, set())]
    built += [LAYOUTS["webdataset"](folder / "pool", 12, {3, 6})]
    sets = [
        open_pairs(row, "train", folder / place)
        for row, place in zip(built, ("new", "old", "pool"), strict=True)
    ]
    pool = [(sets[2], np.arange(12))]
    mixture = Mixture(ROW, 16, 5, pool, how(params | {"decoder": decoder}))
    mixture.begin(2, [(sets[0], np.arange(12))], [[(sets[1], np.arange(12))]])
    return Loader(mixture, workers, part)


@pytest.mark.parametrize("name", FORMATS)
def test_batches_are_those_that_pillow_makes_next_to_rounding(name: str, tmp_path: Path) -> None:
    """Pairs, captions, crops, colours, and which items are replaced, by which others."""
    plain, quick = (loader(name, tmp_path, decoder) for decoder in ("pillow", "turbo"))
    for _ in range(4):
        one, other = plain.draw(), quick.draw()
        assert one.images.shape == other.images.shape and other.images.dtype == torch.uint8
        assert one.captions == other.captions and np.array_equal(one.sources, other.sources)
        off_by = off(one.images.numpy(), other.images.numpy())
        assert off_by.max() <= 8 and off_by.mean() < 0.2, "colours that are jittered differ more"
    assert met(plain) == met(quick)
    state = quick.state_dict()
    assert LEFT not in plain.state_dict() and state.pop(LEFT) >= 0
    assert state == plain.state_dict()


@pytest.mark.parametrize("name", ["webdataset", "imagefolder", "torchvision", "idsprites"])
def test_the_same_however_they_are_read(name: str, tmp_path: Path) -> None:
    """By processes ahead, from a cursor, and a part of the batch by each of two; and what is counted."""
    alone = loader(name, tmp_path)
    batches, state = [alone.draw() for _ in range(3)], alone.state_dict()
    expected = alone.draw()
    for workers in (1, 3):
        ahead = loader(name, tmp_path, workers=workers)
        assert all(same(ahead.draw(), batch) for batch in [*batches, expected])
        assert met(ahead) == met(alone) and ahead.state_dict() == alone.state_dict()
    again = loader(name, tmp_path, workers=2)
    again.load_state_dict(json.loads(json.dumps(state)))
    assert same(again.draw(), expected) and again.state_dict() == alone.state_dict()
    halves = [
        loader(name, tmp_path, workers=workers, part=part)
        for part, workers in ((slice(0, 7), 0), (slice(7, 16), 2))
    ]
    drawn = [one.draw() for one in halves]
    assert torch.equal(torch.cat([draw.images for draw in drawn]), batches[0].images)
    if name == "torchvision":
        assert state[LEFT] >= 3 * 6, "it decodes its images itself"


def test_what_a_worker_decoded_is_not_copied(tmp_path: Path) -> None:
    """Its batch lies in memory that both processes see, and may be written to by the one that trains."""
    ahead = loader("webdataset", tmp_path, workers=1)
    images = ahead.draw().images
    assert images.is_shared() and images.is_contiguous()
    images.add_(1)


def test_threads_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = loader("webdataset", tmp_path)
    expected = alone.draw()
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    several = loader("webdataset", tmp_path)
    assert same(several.draw(), expected) and several.state_dict() == alone.state_dict()


def trained(folder: Path, decoder: str) -> Spec:
    """A toy trial that replays JPEGs from shards, two of which are cut off, cropped and coloured; half of each batch is drawn."""
    said = json.loads(spec_of("toy_ema").to_json())
    row = layouts.webdataset(folder, 30, {2, 5}) | {"name": "pool"}
    row["params"] |= {"image_px": 16}
    said["mixture"] |= {"pretraining_dataset": row}
    said["recipe"]["augmentation_params"] = {
        "scale": [0.4, 0.9],
        "color_jitter": [0.2, 0.2, 0.2, 0.1],
        "decoder": decoder,
    }
    return Spec.from_row(said)


@pytest.mark.slow
def test_a_trial_killed_and_resumed_comes_to_the_same_bits(tmp_path: Path) -> None:
    """And to other ones than with Pillow, by rounding; what it left to Pillow is a statistic."""
    data = tmp_path / "data"
    quick, plain = trained(data, "turbo"), trained(data, "pillow")
    for runs, what, point in (
        ("whole", quick, None),
        ("plain", plain, None),
        ("killed", quick, "step:6"),
    ):
        folder = attempt(tmp_path / runs, what, 1, data)
        assert run_trial(folder, crash_at=point) == (-9 if point else 0)
    assert run_trial(attempt(tmp_path / "killed", quick, 2, data)) == 0
    whole, other = brought(tmp_path / "whole"), brought(tmp_path / "plain")
    assert brought(tmp_path / "killed") == whole
    assert whole["weights 2"] != other["weights 2"]
    assert whole["result 0"] == other["result 0"], "measured on the same pixels"
