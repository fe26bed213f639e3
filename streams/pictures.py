"""From a picture as it lies on the disk to the square that a model sees: the one place, for every format. (Of JPEGs, where a
recipe wants it, `streams/decoding.py` makes the same on a device.)

A picture is made RGB, resized (bicubic) so that its shorter side is `image_px`, and cropped to the square in the middle: what
CLIP's own preprocessing does before it normalises. Where a recipe crops, the crop is cut from the whole picture instead and made
a square of that size, as FoMo-in-Flux (https://arxiv.org/abs/2408.14471) and open_clip do. How a camera was held (EXIF) is not
asked, and of an animation the first image is taken, as there.

Shapes: B pictures, P = `image_px` pixels.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")  # what Pillow may take bytes for
FINER = 2  # a JPEG is decoded at a half, quarter or eighth only if what is cut from it still is so many times the square
Box = tuple[int, int, int, int]  # left, top, right, bottom
Crop = Callable[[Image.Image], Box]  # of a picture of which only the size is looked at


def pixels(picture: bytes | Image.Image, image_px: int, crop: Crop | None = None) -> np.ndarray:
    """(3, P, P) uint8: the middle of a picture, or what a crop cuts from it.

    Raises:
        OSError, ValueError, and others: it cannot be decoded.
    """
    if isinstance(picture, bytes):
        with Image.open(io.BytesIO(picture), formats=KINDS) as opened:
            return pixels(opened, image_px, crop)
    shown = (
        _middle(_rgb(picture), image_px)
        if crop is None
        else _part(picture, image_px, crop(picture))
    )
    return np.asarray(shown).transpose(2, 0, 1)


def recut(images: np.ndarray, crops: Sequence[Crop] | None) -> np.ndarray:
    """(B, 3, P, P) uint8 that were drawn at the size they are wanted at, to the same, cropped."""
    if crops is None:
        return images
    whole = [Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images]
    return np.stack(
        [
            pixels(picture, images.shape[-1], crop)
            for picture, crop in zip(whole, crops, strict=True)
        ]
    )


def middle(size: tuple[int, int], image_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of a picture of a width and height: those it is resized to, and the left and top of the square that is cut from it then."""
    width, height = (image_px * side // min(size) for side in size)
    return (width, height), (round((width - image_px) / 2), round((height - image_px) / 2))


def _middle(picture: Image.Image, image_px: int) -> Image.Image:
    size, (left, top) = middle(picture.size, image_px)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return picture.crop((left, top, left + image_px, top + image_px))


def _part(picture: Image.Image, image_px: int, box: Box) -> Image.Image:
    left, top, right, bottom = box
    width, size = picture.width, (image_px, image_px)
    spare = min(right - left, bottom - top) // (FINER * image_px)
    smaller = (
        picture.draft(picture.mode, (width // spare, picture.height // spare))
        if spare > 1
        else None
    )
    if smaller is None:
        return _rgb(picture).crop(box).resize(size, Image.Resampling.BICUBIC)
    scale = smaller[1][2] / width
    reduced = (left * scale, top * scale, right * scale, bottom * scale)
    return _rgb(picture).resize(size, Image.Resampling.BICUBIC, box=reduced)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode == "F" or picture.mode.startswith(
        "I"
    ):  # Pillow would show all that is above 255 as white
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() >= 2**16:
            raise ValueError(
                f"its values, {values.min():.6g} to {values.max():.6g}, are not those of 8 or 16 bits"
            )
        picture = Image.fromarray((values // 257).astype(np.uint8))
    if picture.mode == "P" and isinstance(
        picture.info.get("transparency"), bytes
    ):  # a colour may be half there; Pillow warns
        picture = picture.convert("RGBA")
    return picture.convert("RGB")
