"""JPEGs decoded and cut on the device that trains (`decode_on_device` of a recipe), so that the
host never holds their pixels.

torchvision decodes them, by nvJPEG on a GPU and by libjpeg-turbo on a CPU, where the same lines
run. The files are read, and what is cut from each is known from its header, on the host, by
whichever process reads ahead; only the one that trains asks a device. Pixels are not Pillow's to
the last bit: a device rounds otherwise when it resizes, decodes large JPEGs whole, and nvJPEG need
not decode as libjpeg does (by how much, as far as it has been measured: docs/cluster.md). Pillow
has the last word: it decodes what is no plain JPEG, may have been cut off, or is refused by the
device, so that what counts as unreadable is what it always was. (torchvision means to leave
decoding to TorchCodec in a later release.)

Shapes: H x W pixels of a whole picture, P = `image_px`.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from schema.checks.compute import Compute, ComputeError
from schema.checks.preprocessing import Preprocessing
from streams.pictures import OPENAI, ORIENTATION, Box, Colour, Crop, is_extreme, middle, pixels

# Markers that a whole JPEG begins and ends with.
START, END = b"\xff\xd8", b"\xff\xd9"
# So many JPEGs are decoded together: a device holds the pixels of all of them at a time.
AT_ONCE = 32


class Jpeg(NamedTuple):
    """A picture that a device is to decode."""

    data: bytes
    # The part that is cut out of it; None: the square in its middle.
    box: Box | None


def decoder(how: Compute, device: torch.device) -> torch.device | None:
    """Return where the JPEGs of a recipe are decoded; None: on the host, by Pillow, as all else.

    Raises:
        ComputeError: torchvision cannot do it there.
    """
    if not how.decode_on_device:
        return None
    written = io.BytesIO()
    Image.new("RGB", (16, 16)).save(written, "JPEG")
    try:
        (image,) = _at_once([Jpeg(written.getvalue(), None)], device)
        why = ""
        # What is neither of the two is decoded on the CPU without a word.
        if image.device.type != device.type:
            why = "it decodes on cpu and cuda"
    except RuntimeError as problem:
        why = str(problem).partition("\n")[0]
    if why:
        raise ComputeError(
            f"decode_on_device: torchvision decodes no JPEG on {device} ({why}). Leave "
            "decode_on_device out."
        )
    return device


def left(
    picture: bytes | Image.Image,
    image_px: int,
    crop: Crop | None = None,
    background: Colour | None = None,
    upright: bool = False,
    preprocessing: Preprocessing = OPENAI,
) -> Jpeg | np.ndarray:
    """Return a whole JPEG, gray or of the usual colours, as it is; of any other picture its pixels.

    A JPEG that has to be turned, is so long and thin that it must not be resized whole, or belongs
    to a backbone that wants its images otherwise than OpenAI's CLIP, is left to Pillow too.
    The pixels are (3, P, P) uint8, as `pixels` makes them.

    Raises:
        OSError, ValueError, and others: it cannot be decoded.
    """
    if isinstance(picture, bytes) and picture.startswith(START) and picture.endswith(END):
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as header:
            # Rare, and said in a place that not every decoder looks at.
            stored_as_rgb = header.info.get("adobe_transform") == 0
            plain = header.format == "JPEG" and header.mode in ("L", "RGB") and not stored_as_rgb
            turned = upright and header.getexif().get(ORIENTATION, 1) != 1
            whole = crop is None and (
                is_extreme(header.size, image_px) or not preprocessing.cuts_the_middle
            )
            if plain and not turned and not whole:
                box = None
                if crop is not None:
                    box = crop(header.size)
                return Jpeg(picture, box)
    return pixels(picture, image_px, crop, background, upright, preprocessing)


def opened(pairs: Any, indices: np.ndarray, crops: Sequence[Crop] | None) -> list[Any]:
    """Return of each image a `Jpeg`, its pixels if it is none, or why it is unreadable. Nothing is
    kept of it.
    """
    # Pairs that are drawn have no files, and nothing for a device to decode.
    if not hasattr(pairs, "opened"):
        return list(pairs.images(indices, crops))
    return list(pairs.opened(indices, crops, left))


def placed(
    pairs: Any,
    indices: np.ndarray,
    crops: Sequence[Crop] | None,
    images: list[Any],
    device: torch.device,
) -> Tensor:
    """Return (B, 3, P, P) uint8 on a device, of what the images were `opened` to; the unreadable
    ones are replaced and counted.

    Raises:
        DatasetError: too many items cannot be decoded.
    """
    if hasattr(pairs, "shown"):
        finished = _finished(images, pairs.image_px, device)
        images = list(pairs.shown(indices, crops, finished))
    tensors = []
    for image in images:
        if not isinstance(image, Tensor):
            image = torch.tensor(image, device=device)
        tensors.append(image)
    return torch.stack(tensors)


def _finished(images: Sequence[Any], image_px: int, device: torch.device) -> Iterator[Any]:
    """Yield what `images` holds, each `Jpeg` decoded; None where the device refuses it."""
    jpegs = decoded([one for one in images if isinstance(one, Jpeg)], image_px, device)
    for one in images:
        if isinstance(one, Jpeg):
            yield next(jpegs)
        else:
            yield one


def decoded(jpegs: Sequence[Jpeg], image_px: int, device: torch.device) -> Iterator[Tensor | None]:
    """Yield of each (3, P, P) uint8 on a device; None where the device refuses it."""
    for first in range(0, len(jpegs), AT_ONCE):
        some = jpegs[first : first + AT_ONCE]
        for jpeg, whole in zip(some, _whole(some, device), strict=True):
            if whole is None:
                yield None
            else:
                yield _cut(whole, jpeg.box, image_px)


def _whole(jpegs: Sequence[Jpeg], device: torch.device) -> Sequence[Tensor | None]:
    """Return (3, H, W) uint8 of each. One that is refused fails all, so each is tried alone."""
    try:
        return _at_once(jpegs, device)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        if len(jpegs) == 1:
            return [None]
    # One that is refused fails all that are decoded with it, so each is tried alone.
    alone: list[Tensor | None] = []
    for jpeg in jpegs:
        alone += _whole([jpeg], device)
    return alone


def _at_once(jpegs: Sequence[Jpeg], device: torch.device) -> list[Tensor]:
    """Return (3, H, W) uint8 of each.

    Raises:
        RuntimeError: one of them is refused.
    """
    # nvJPEG writes from a stream of its own, into memory that this one may not have done with.
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    files = [torch.frombuffer(bytearray(jpeg.data), dtype=torch.uint8) for jpeg in jpegs]
    images: list[Tensor] = decode_jpeg(files, ImageReadMode.RGB, device)
    return images


def _cut(picture: Tensor, box: Box | None, image_px: int) -> Tensor:
    """Return (3, P, P) of (3, H, W) uint8: what `pixels` cuts, by torchvision."""
    size, bicubic = [image_px, image_px], InterpolationMode.BICUBIC
    if box is not None:
        x, y, right, bottom = box
        square: Tensor = functional.resized_crop(
            picture, y, x, bottom - y, right - x, size, bicubic, antialias=True
        )
    else:
        (width, height), (x, y) = middle((picture.shape[2], picture.shape[1]), image_px)
        square = functional.crop(
            functional.resize(picture, [height, width], bicubic, antialias=True), y, x, *size
        )
    return square
