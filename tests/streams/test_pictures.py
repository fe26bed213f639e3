"""From a file to a square: transparency, EXIF, long and thin pictures, and every kind that is read."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from PIL import Image

from schema.checks.preprocessing import INTERPOLATIONS, RESIZE_MODES, Preprocessing
from streams import DatasetError, open_pairs, pictures
from streams.decoding import Jpeg, left
from streams.pictures import KINDS, SUFFIXES, hides_colours, is_extreme, middle, pixels
from tests.layouts import LAYOUTS, picture, row, write

ROOT = Path(__file__).resolve().parents[2]


def file(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def sticker(
    size: tuple[int, int] = (60, 44), hidden: tuple[int, int, int] = (255, 0, 255)
) -> Image.Image:
    """A disc that fades out, with a colour hidden under what is clear."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    far = np.hypot(x - width / 2, y - height / 2) / (min(size) / 2)
    alpha = (np.clip(1.2 - far, 0, 0.3) / 0.3 * 255).astype(np.uint8)
    colours = np.where(alpha[..., None] > 0, (20, 160, 40), hidden).astype(np.uint8)
    return Image.fromarray(np.dstack([colours, alpha]), "RGBA")


CASES = {
    "RGB": picture(1),
    "gray": picture(1).convert("L"),
    "alpha": sticker(),
    "gray and alpha": sticker().convert("LA"),
    "alpha, of the size": sticker((24, 24)),
    "palette": picture(1).convert("P"),
    "two colours": picture(1).convert("1"),
    "CMYK": picture(1).convert("CMYK"),
    "tall": picture(1).resize((30, 700)),
    "wide": picture(1).resize((700, 30)),
    "tiny": picture(1).resize((3, 2)),
    "one pixel": picture(1).resize((1, 1)),
    "large": picture(1).resize((3000, 2200)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_square_is_open_clip_s_to_the_last_bit(name: str) -> None:
    """Resized and cropped in its own mode, made RGB last: `image_transform` before it normalises."""
    transform = open_clip.image_transform(24, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    theirs = (transform(CASES[name]).numpy() * 255).round().astype(np.uint8)
    assert np.array_equal(pixels(CASES[name], 24), theirs)


WAYS = [
    Preprocessing(interpolation=interpolation, resize_mode=mode, fill_color=fill)
    for interpolation in INTERPOLATIONS
    for mode in RESIZE_MODES
    for fill in (0, 128)
]


@pytest.mark.parametrize(
    "way", WAYS, ids=lambda way: f"{way.interpolation} {way.resize_mode} {way.fill_color}"
)
@pytest.mark.parametrize("name", CASES)
def test_every_way_to_a_square_is_open_clip_s(name: str, way: Preprocessing) -> None:
    """Each interpolation and resize mode that a tag, a folder or a row may name."""
    transform = open_clip.image_transform(
        24,
        is_train=False,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        interpolation=way.interpolation,
        resize_mode=way.resize_mode,
        fill_color=way.fill_color,
    )
    theirs = (transform(CASES[name]).numpy() * 255).round().astype(np.uint8)
    assert np.array_equal(pixels(CASES[name], 24, preprocessing=way), theirs)


def test_a_dataset_is_opened_as_a_backbone_wants_its_images(tmp_path: Path) -> None:
    """Whole pictures of the test split, in every process that reads; a crop is as it always was."""
    for name in ("crow", "gull", "wren"):
        write(tmp_path / f"birds/{name}/0.png", file(sticker()))
    built = row("imagefolder", "birds")
    squashed = Preprocessing(resize_mode="squash", interpolation="bilinear")
    plain, other = (open_pairs(built, "train", tmp_path, how) for how in (None, squashed))
    indices = np.arange(2)
    assert not np.array_equal(plain.images(indices), other.images(indices))
    crops = [lambda size: (0, 0, size[0] // 2, size[1] // 2)] * 2
    assert np.array_equal(plain.images(indices, crops), other.images(indices, crops))


def test_a_background_is_the_colour_that_clear_pixels_get() -> None:
    clear = Image.new("RGBA", (60, 44), (255, 0, 255, 0))
    assert (pixels(file(clear), 24, background=(255, 255, 255)) == 255).all()
    white, black = (pixels(file(sticker()), 24, background=(level,) * 3) for level in (255, 0))
    assert (white[:, 0, 0] == 255).all() and (black[:, 0, 0] == 0).all()
    assert np.array_equal(white[:, 12, 12], black[:, 12, 12]), "what is not clear stays"
    for mode in ("LA", "PA"):
        made = pixels(sticker().convert(mode), 24, background=(255, 0, 0))
        assert made[:, 0, 0].tolist() == [255, 0, 0]
    drawn = picture(1).convert("P")
    ones = pixels(file(drawn, transparency=bytes([0] * 256)), 24, background=(1, 2, 3))
    assert (ones == np.array([1, 2, 3]).reshape(3, 1, 1)).all()
    plain = pixels(file(picture(1)), 24, background=(1, 2, 3))
    assert np.array_equal(plain, pixels(picture(1), 24)), "a picture without transparency"


def test_colours_that_are_hidden_are_noticed() -> None:
    assert hides_colours(file(sticker())) and hides_colours(sticker())
    assert not hides_colours(file(sticker(hidden=(0, 0, 0)))) and not hides_colours(picture(1))
    assert not hides_colours(file(picture(1), "JPEG"))


def test_a_row_names_the_background_and_whether_pictures_are_turned(tmp_path: Path) -> None:
    for name in ("crow", "gull", "wren"):
        write(tmp_path / f"birds/{name}/0.png", file(sticker()))
    built = row("imagefolder", "birds", background="red")
    images = open_pairs(built, "train", tmp_path).images(np.arange(3))
    assert (images[:, 0, 0, 0] == 255).all() and (images[:, 1:, 0, 0] == 0).all()
    hexed = open_pairs(row("imagefolder", "birds", background="#ff0000"), "train", tmp_path)
    assert np.array_equal(hexed.images(np.arange(3)), images)
    with pytest.raises(DatasetError, match="background 'rde' is no colour. Write a name such as"):
        open_pairs(row("imagefolder", "birds", background="rde"), "train", tmp_path)


def test_exif_is_asked_where_a_row_says_so(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    held = file(picture(1), "JPEG", quality=95, exif=exif)
    lying, turned = pixels(held, 24), pixels(held, 24, upright=True)
    off = np.abs(turned.astype(int) - np.rot90(lying, -1, (1, 2)))
    assert off.max() <= 1, "Pillow resizes one side after the other"
    crop = lambda size: (0, 0, size[0], size[1] // 2)  # noqa: E731
    assert not np.array_equal(pixels(held, 24, crop, upright=True), pixels(held, 24, crop))
    assert isinstance(left(held, 24), Jpeg), "a device turns nothing"
    by_pillow = left(held, 24, upright=True)
    assert isinstance(by_pillow, np.ndarray) and np.array_equal(by_pillow, turned)
    straight = file(picture(1), "JPEG")
    assert isinstance(left(straight, 24, upright=True), Jpeg)
    write(tmp_path / "birds/crow/0.jpg", held)
    built = row("imagefolder", "birds", upright=True) | {"classes": ["crow"]}
    assert np.array_equal(open_pairs(built, "train", tmp_path).images(np.arange(1))[0], turned)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
@pytest.mark.parametrize("size", [(900, 7), (5, 1300), (2000, 3), (300, 40)])
def test_the_part_that_is_needed_is_the_part_of_the_whole(
    mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a level: Pillow takes the place of a box as 32-bit floats."""
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    whole = pixels(image, 24)
    monkeypatch.setattr(pictures, "WHOLE_PIXELS", 0)
    part = pixels(image, 24)
    assert np.abs(part.astype(int) - whole).max() <= (1 if mode != "P" else 255)
    assert (part != whole).mean() < 0.02


def test_a_picture_of_20000_pixels_in_a_row_takes_little_memory() -> None:
    """Resized whole it would be 4,480,000 pixels wide, which takes gigabytes."""
    code = (
        "import io, resource, numpy as np\nfrom PIL import Image\nfrom streams.pictures import pixels\n"
        "row = np.random.default_rng(0).integers(0, 256, (1, 20000, 3), np.uint8)\n"
        "for image in (row, row.transpose(1, 0, 2)):\n"
        "    out = io.BytesIO(); Image.fromarray(np.ascontiguousarray(image)).save(out, 'PNG')\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    assert pixels(out.getvalue(), 224).shape == (3, 224, 224)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert max(map(int, done.stdout.split())) < 200 * 1024, "KiB more than before"


def test_a_device_leaves_a_long_thin_jpeg_to_pillow() -> None:
    long = file(picture(1).resize((60000, 3)), "JPEG")
    assert is_extreme((60000, 3), 224) and isinstance(left(long, 224), np.ndarray)
    assert isinstance(left(file(picture(1), "JPEG"), 224), Jpeg) and not is_extreme((60, 44), 224)


KIND_OF = {
    ".jfif": "JPEG",
    ".avif": "AVIF",
    ".jp2": "JPEG2000",
    ".qoi": "QOI",
    ".pcx": "PCX",
    ".sgi": "SGI",
    ".dds": "DDS",
    ".ico": "ICO",
    ".mpo": "MPO",
    ".pnm": "PPM",
    ".dib": "DIB",
}


@pytest.mark.parametrize("ending", KIND_OF)
def test_what_pillow_reads_is_read(ending: str, tmp_path: Path) -> None:
    assert ending in SUFFIXES
    write(tmp_path / f"birds/crow/1{ending}", file(picture(1), KIND_OF[ending]))
    built = row("imagefolder", "birds") | {"classes": ["crow"]}
    pairs = open_pairs(built, "train", tmp_path)
    off = np.abs(pairs.images(np.arange(1))[0].astype(int) - pixels(picture(1), 24))
    assert off.mean() < 12, "an icon is square, and AVIF and JPEG change a picture a little"


def test_what_would_run_another_program_is_not_read() -> None:
    assert not {"EPS", "WMF", "HDF5", "GRIB", "BUFR", "MPEG"} & set(KINDS)
    with pytest.raises(OSError, match="cannot identify"):
        pixels(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 24)


def test_the_middle_is_where_it_was() -> None:
    assert middle((60, 44), 24) == ((32, 24), (4, 0)) and middle((1, 3), 24) == ((24, 72), (0, 24))


def test_the_check_says_what_is_hidden_and_what_lies_on_its_side(tmp_path: Path) -> None:
    from streams.check import look

    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 3
    built = LAYOUTS["imagefolder"](tmp_path, 9, set())
    write(tmp_path / "birds/train/crow/hidden.png", file(sticker()))
    write(tmp_path / "birds/train/gull/held.jpg", file(picture(2), "JPEG", exif=exif))
    wanted = {"splits": ["train"], "train_pairs": None, "test_pairs": None}
    said = "\n".join(look(built | wanted, tmp_path).remarks)
    assert "train: 1 of the 11 images tried hide colours under clear pixels" in said
    assert "crow/hidden.png" in said and '"background": "white"' in said
    assert "train: 1 of the 11 images tried are stored on their side" in said
    assert "gull/held.jpg" in said and '"upright": true' in said
    params = built["params"] | {"background": "white", "upright": True}
    assert "tried" not in "\n".join(look(built | wanted | {"params": params}, tmp_path).remarks)
