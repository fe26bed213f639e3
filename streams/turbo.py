"""Pictures decoded faster than by Pillow alone: `decoder` `turbo` of a recipe's
`augmentation_params`.

A JPEG is decoded by libjpeg-turbo in one call (simplejpeg) and resized by torch, which takes eight
pixels at a time where Pillow takes one. Where what is cut from it is at least four times as wide
and high as what it becomes, it is decoded at a half, a quarter or an eighth of its size, in the
domain of its cosine transform. Other pictures whose colours are plain are decoded by Pillow and
resized by torch. All others (CMYK, 16 bit, palettes, transparency), and every JPEG that
libjpeg-turbo has anything to say about, are made by Pillow alone, as if the recipe named no
decoder, so what counts as unreadable is what it always was. They are counted.

By how much pixels differ from Pillow's is in docs/recipes.md. Nothing depends on which process or
thread decodes.

Shapes: H x W pixels of a picture, P = `image_px`.
"""

import io
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import simplejpeg
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from schema.checks.preprocessing import Preprocessing
from streams.pictures import (
    FINER,
    OPENAI,
    ORIENTATION,
    Box,
    Colour,
    Crop,
    is_extreme,
    middle,
    opened_picture,
    padding,
    pixels,
)

# What a JPEG begins with
START = b"\xff\xd8"
# How the colours of a JPEG are stored that libjpeg-turbo makes red, green and blue of
STORED_AS = ("YCbCr", "RGB", "Gray")
# Above so many pixels Pillow warns of a file that was made to fill the memory, and is asked
PIXELS_AT_MOST = Image.MAX_IMAGE_PIXELS or 0
# Sizes, as parts of the whole, at which libjpeg-turbo decodes with vector instructions
REDUCTIONS = (8, 4, 2)
# By EXIF's number for how the camera was held, what shows (H, W, 3) pixels upright
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, 3),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}
# From this number on, a picture that is shown upright has its sides exchanged
SIDEWAYS = 5


class TurboDecoder:
    """What decodes the pictures of a recipe, and how many of them it left to Pillow.

    Attributes:
        left: pictures that Pillow alone made since the last call of `news`.
    """

    def __init__(self) -> None:
        self.left = 0
        # Pictures are decoded by several threads
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, int]:
        """Return what another process needs, which has a lock of its own."""
        return {"left": self.left}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.left, self.lock = state["left"], threading.Lock()

    def news(self) -> int:
        """Return how many pictures were left to Pillow since the last call."""
        with self.lock:
            left, self.left = self.left, 0
        return left

    def pixels(
        self,
        picture: bytes | Image.Image,
        image_px: int,
        crop: Crop | None = None,
        background: Colour | None = None,
        upright: bool = False,
        preprocessing: Preprocessing = OPENAI,
    ) -> np.ndarray:
        """Return (3, P, P) uint8, as `streams.pictures.pixels` is asked for it.

        Raises:
            OSError, ValueError, and others: it cannot be decoded.
        """
        wanted = Wanted(image_px, crop, upright, preprocessing)
        square = None
        if isinstance(picture, bytes) and picture.startswith(START):
            square = _of_jpeg(picture, wanted)
        elif isinstance(picture, bytes):
            square = _of_other(picture, wanted)
        if square is None:
            square = pixels(picture, image_px, crop, background, upright, preprocessing)
            with self.lock:
                self.left += 1
        return square


class Wanted(NamedTuple):
    """What is to be made of a picture."""

    image_px: int
    crop: Crop | None
    upright: bool
    preprocessing: Preprocessing


class Plan(NamedTuple):
    """How a picture of a known size becomes a square; sides are (width, height)."""

    # The part that is resized; None: all of it
    box: Box | None
    # What it is resized to
    resized: tuple[int, int]
    mode: str

    def reduction(self, size: tuple[int, int]) -> int:
        """Return how many times smaller a JPEG may be decoded: 1, 2, 4 or 8."""
        if self.box is not None:
            left, top, right, bottom = self.box
            size = right - left, bottom - top
        spare = min(size[0] // self.resized[0], size[1] // self.resized[1])
        for times in REDUCTIONS:
            if spare >= times * FINER:
                return times
        return 1


def _of_jpeg(data: bytes, wanted: Wanted) -> np.ndarray | None:
    """Return (3, P, P) uint8 of a JPEG; None: it is left to Pillow."""
    try:
        height, width, stored_as, _ = simplejpeg.decode_jpeg_header(data)
        if stored_as not in STORED_AS or height * width > PIXELS_AT_MOST:
            return None
        turn = 1
        if wanted.upright:
            turn = _turn_of(data)
        size = width, height
        if turn >= SIDEWAYS:
            size = height, width
        plan = _plan(size, wanted)
        if plan is None:
            return None
        times = plan.reduction(size)
        least = -(-height // times), -(-width // times)
        if times == 1:
            least = 0, 0
        # Whatever it would only warn of is an error, so that Pillow decides
        image = simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1])
    except ValueError:
        return None
    if turn in TURNS:
        image = TURNS[turn](image)
    return _square(image, plan, times, wanted)


def _of_other(data: bytes, wanted: Wanted) -> np.ndarray | None:
    """Return (3, P, P) uint8 of a picture that is no JPEG; None: all of it is left to Pillow.

    Raises:
        OSError, ValueError, and others: it cannot be decoded.
    """
    with opened_picture(data) as opened:
        shown = ImageOps.exif_transpose(opened) if wanted.upright else opened
        if shown.mode != "RGB" or shown.has_transparency_data:
            return None
        plan = _plan(shown.size, wanted)
        if plan is None:
            return None
        return _square(np.array(shown), plan, 1, wanted)


def _turn_of(data: bytes) -> int:
    """Return EXIF's number for how the camera was held; 1: upright."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
        return int(header.getexif().get(ORIENTATION, 1))


def _plan(size: tuple[int, int], wanted: Wanted) -> Plan | None:
    """Return how a picture becomes a square, as Pillow's would; None: it is left to Pillow."""
    image_px, preprocessing = wanted.image_px, wanted.preprocessing
    square = image_px, image_px
    if wanted.crop is not None:
        # A crop is resized bicubically, whatever the backbone wants of whole pictures
        return Plan(wanted.crop(size), square, "bicubic")
    mode = preprocessing.interpolation
    if preprocessing.resize_mode == "squash":
        return Plan(None, square, mode)
    if preprocessing.resize_mode == "longest":
        resized, _ = padding(size, image_px)
        return Plan(None, resized, mode) if min(resized) else None
    if is_extreme(size, image_px):
        return None
    resized, _ = middle(size, image_px)
    return Plan(None, resized, mode)


def _square(image: np.ndarray, plan: Plan, times: int, wanted: Wanted) -> np.ndarray:
    """Return (3, P, P) uint8 of (H, W, 3) pixels, decoded `times` times smaller than they are."""
    if plan.box is not None:
        left, top, right, bottom = (round(side / times) for side in plan.box)
        image = image[top:bottom, left:right]
    resized = _resized(np.ascontiguousarray(image), plan.resized, plan.mode)
    if wanted.crop is not None:
        return resized.numpy()
    image_px, preprocessing = wanted.image_px, wanted.preprocessing
    width, height = plan.resized
    if preprocessing.resize_mode == "longest":
        right, down = (image_px - width) // 2, (image_px - height) // 2
        padded = np.full((3, image_px, image_px), preprocessing.fill_color, np.uint8)
        padded[:, down : down + height, right : right + width] = resized.numpy()
        return padded
    left, top = round((width - image_px) / 2), round((height - image_px) / 2)
    return resized.numpy()[:, top : top + image_px, left : left + image_px]


def _resized(image: np.ndarray, size: tuple[int, int], mode: str) -> Tensor:
    """Return (3, h, w) uint8 of (H, W, 3) pixels: a size of (w, h)."""
    # Channels stay side by side in memory, which is what torch's vector instructions take
    picture = torch.from_numpy(image).permute(2, 0, 1)
    width, height = size
    if picture.shape[1:] == (height, width):
        return picture
    resized: Tensor = interpolate(picture[None], (height, width), mode=mode, antialias=True)[0]
    return resized
