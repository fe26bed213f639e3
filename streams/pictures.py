"""Converts an encoded picture to the square that a model sees, for every format.

A picture is resized (bicubic) so that its shorter side is `image_px`, cropped to the square in the
middle, and made RGB: what CLIP's own preprocessing does before it normalises, in its order, so that
clear pixels do not bleed into their neighbours. A backbone may want another interpolation or
another way to a square (`schema/checks/preprocessing.py`). Where a recipe crops, the crop is cut
from the whole picture instead and made a square of that size, as FoMo-in-Flux
(https://arxiv.org/abs/2408.14471) and open_clip do. Of an animation the first image is taken, as
there. How a camera was held (EXIF) and on which colour a transparent picture lies are asked only
where a dataset's row says so.

JPEGs that a recipe wants decoded on a device go through `streams/decoding.py`, which makes the
same.

Shapes: B pictures, P = `image_px` pixels.
"""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from schema.checks.preprocessing import Preprocessing

# Kinds that Pillow tells by a file's first bytes and reads without another program. EPS and WMF run
# one, and stubs such as HDF5 hold no picture that it could read.
KINDS = (
    *("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF"),
    *("AVIF", "DDS", "DIB", "ICNS", "ICO", "JPEG2000", "PCX", "PSD", "QOI", "SGI", "SUN", "XPM"),
)
# Names of files that are taken for pictures; a shard whose sample has several takes the first of
# these.
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"),
    *(".jfif", ".jpe", ".mpo", ".apng", ".avif", ".pbm", ".pnm", ".dib", ".ico", ".icns"),
    *(".jp2", ".j2k", ".jpx", ".pcx", ".psd", ".qoi", ".sgi", ".ras", ".dds", ".xpm"),
)
# A JPEG is decoded at a half, quarter or eighth only if what is cut from it still is so many times
# the square.
FINER = 2
# Above so many pixels a resized picture is never made whole: 64 MiB at the four bytes that Pillow
# uses.
WHOLE_PIXELS = 1 << 24
# Modes that Pillow resizes directly; pictures in other modes are converted to RGB first.
RESIZED_AS_THEY_ARE = ("RGB", "L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr", "LAB", "HSV")
# The EXIF tag that says how the camera was held.
ORIENTATION = 0x0112
# Source pixels on each side that bicubic interpolation looks at, when it enlarges.
SUPPORT = 2

OPENAI = Preprocessing()
RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}

# In pixels: left, top, right, bottom.
Box = tuple[int, int, int, int]
# Red, green, blue, each from 0 to 255.
Colour = tuple[int, ...]
# Chooses the box of a picture of some width and height.
Crop = Callable[[tuple[int, int]], Box]


def pixels(
    picture: bytes | Image.Image,
    image_px: int,
    crop: Crop | None = None,
    background: Colour | None = None,
    upright: bool = False,
    preprocessing: Preprocessing = OPENAI,
) -> np.ndarray:
    """Return (3, P, P) uint8: a picture as a backbone wants it, or what a crop cuts from it.

    `background`: the colour that a transparent picture is put on; None: as open_clip, which drops
    the transparency after it has resized. `upright`: turn the picture as its EXIF says.
    `preprocessing`: how a whole picture is resized; a crop is always resized bicubically, as in
    open_clip.

    Raises:
        OSError, ValueError, and others: it cannot be decoded.
    """
    with opened_picture(picture) as opened:
        shown = ImageOps.exif_transpose(opened) if upright else opened
        if crop is None:
            square = _whole(_resizable(shown, background), image_px, preprocessing)
        else:
            square = _part(shown, image_px, crop(shown.size), background)
        return np.asarray(_rgb(square)).transpose(2, 0, 1)


@contextmanager
def opened_picture(picture: bytes | Image.Image) -> Iterator[Image.Image]:
    """Open a picture of which only the header is read until more is asked for.

    Raises:
        OSError, ValueError, and others: it is no picture.
    """
    if isinstance(picture, Image.Image):
        yield picture
        return
    with Image.open(io.BytesIO(picture), formats=KINDS) as opened:
        yield opened


def recut(images: np.ndarray, crops: Sequence[Crop] | None) -> np.ndarray:
    """Return (B, 3, P, P) uint8 that were drawn at the size they are wanted at, cropped."""
    if crops is None:
        return images
    cut = []
    for image, crop in zip(images, crops, strict=True):
        whole = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        cut.append(pixels(whole, images.shape[-1], crop))
    return np.stack(cut)


def middle(size: tuple[int, int], image_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size that a picture is resized to, and the corner of the square cut from it."""
    width, height = (image_px * side // min(size) for side in size)
    return (width, height), (round((width - image_px) / 2), round((height - image_px) / 2))


def padding(size: tuple[int, int], image_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size that a picture is resized to where its longer side is made the square's.

    And how much is filled to the left of it, and above.
    """
    ratio = max(size) / image_px
    width, height = (round(side / ratio) for side in size)
    return (width, height), ((image_px - width) // 2, (image_px - height) // 2)


def is_extreme(size: tuple[int, int], image_px: int) -> bool:
    """Tell whether a picture is so long and thin that it must not be resized whole."""
    (width, height), _ = middle(size, image_px)
    return width * height > WHOLE_PIXELS


def hides_colours(picture: bytes | Image.Image) -> bool:
    """Tell whether a picture has clear pixels with a colour other than black under them.

    Raises:
        OSError, ValueError, and others: it cannot be decoded.
    """
    with opened_picture(picture) as opened:
        if not opened.has_transparency_data:
            return False
        channels = np.asarray(opened.convert("RGBA"))
    clear = channels[..., 3] == 0
    return bool(channels[clear][:, :3].any())


def _whole(picture: Image.Image, image_px: int, preprocessing: Preprocessing) -> Image.Image:
    """Return the square that a backbone sees of a picture, in the picture's mode."""
    resample = RESAMPLING[preprocessing.interpolation]
    if preprocessing.resize_mode == "squash":
        return picture.resize((image_px, image_px), resample)
    if preprocessing.resize_mode == "longest":
        return _padded(picture, image_px, preprocessing)
    return _middle(picture, image_px, resample)


def _padded(picture: Image.Image, image_px: int, preprocessing: Preprocessing) -> Image.Image:
    """Return a picture whose longer side is made the square's, with the rest filled, as open_clip
    does (ResizeKeepRatio and CenterCropOrPad)."""
    (width, height), (right, down) = padding(picture.size, image_px)
    resized = picture.resize((width, height), RESAMPLING[preprocessing.interpolation])
    border = (right, down, image_px - width - right, image_px - height - down)
    # torchvision fills every channel, of an image with transparency that one too
    fill = preprocessing.fill_color
    return ImageOps.expand(resized, border, fill=tuple([fill] * len(resized.getbands())))


def _middle(picture: Image.Image, image_px: int, resample: Image.Resampling) -> Image.Image:
    """Return the square in the middle of a picture, in the picture's mode."""
    size, (left, top) = middle(picture.size, image_px)
    if size == picture.size:
        return picture.crop((left, top, left + image_px, top + image_px))
    if is_extreme(picture.size, image_px):
        return _needed(picture, size, (left, top), image_px, resample)
    whole = picture.resize(size, resample)
    return whole.crop((left, top, left + image_px, top + image_px))


def _needed(
    picture: Image.Image,
    size: tuple[int, int],
    corner: tuple[int, int],
    image_px: int,
    resample: Image.Resampling,
) -> Image.Image:
    """Return the square at a corner of the picture resized to a size, without making the rest.

    Only the pixels under the square, and those that interpolation looks at beside them, are read.
    Pillow takes the place of the square as 32-bit floats, so a level of 256 may differ from the
    whole.
    """
    window, within = [], []
    for side, resized, first in zip(picture.size, size, corner, strict=True):
        scale = side / resized
        begin, end = first * scale, (first + image_px) * scale
        reach = math.ceil(SUPPORT * max(scale, 1)) + 1
        low = max(0, math.floor(begin) - reach)
        window.append((low, min(side, math.ceil(end) + reach)))
        within.append((begin - low, end - low))
    (left, right), (top, bottom) = window
    part = picture.crop((left, top, right, bottom))
    (left_edge, right_edge), (top_edge, bottom_edge) = within
    box = (left_edge, top_edge, right_edge, bottom_edge)
    return part.resize((image_px, image_px), resample, box=box)


def _part(picture: Image.Image, image_px: int, box: Box, background: Colour | None) -> Image.Image:
    """Return a box of a picture as a square, in the picture's mode."""
    left, top, right, bottom = box
    width, size = picture.width, (image_px, image_px)
    spare = min(right - left, bottom - top) // (FINER * image_px)
    smaller = None
    if spare > 1:
        smaller = picture.draft(picture.mode, (width // spare, picture.height // spare))
    prepared = _resizable(picture, background)
    if smaller is None:
        return prepared.crop(box).resize(size, Image.Resampling.BICUBIC)
    scale = smaller[1][2] / width
    reduced = (left * scale, top * scale, right * scale, bottom * scale)
    return prepared.resize(size, Image.Resampling.BICUBIC, box=reduced)


def _resizable(picture: Image.Image, background: Colour | None) -> Image.Image:
    """Return the picture in a mode that Pillow resizes as it is, on its background if there is one.

    Raises:
        ValueError: values that are not those of 8 or 16 bits.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = _eight_bits(picture)
    if background is not None and picture.has_transparency_data:
        canvas = Image.new("RGBA", picture.size, (*background[:3], 255))
        canvas.alpha_composite(picture.convert("RGBA"))
        return canvas.convert("RGB")
    return picture if picture.mode in RESIZED_AS_THEY_ARE else _rgb(picture)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16 bits as one of 8; Pillow would show all that is above 255 as white."""
    values = np.asarray(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() >= 2**16:
        raise ValueError(
            f"its values, {values.min():.6g} to {values.max():.6g}, are not those of 8 or 16 bits"
        )
    return Image.fromarray((values // 257).astype(np.uint8))


def _rgb(picture: Image.Image) -> Image.Image:
    """Return the picture's colours, whatever is transparent in it."""
    if picture.mode == "RGB":
        return picture
    # A colour of a palette may be clear in part, of which Pillow warns.
    if picture.mode == "P" and isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")
    return picture.convert("RGB")
