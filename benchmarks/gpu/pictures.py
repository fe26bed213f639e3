"""JPEGs decoded on the GPU (nvJPEG, `decode_on_device`) and by Pillow: how far apart, how fast."""

import io
import time

import numpy as np
import torch
from PIL import Image

from benchmarks.formats import jpeg
from benchmarks.gpu.parts import Answer, Row, Size
from streams import decoding
from streams.pictures import pixels

IMAGE_PX = 224
SIZES = ((500, 400), (2000, 1500))


def run(size: Size) -> Answer:
    """Decode pictures of two sizes both ways."""
    rows: list[Row] = []
    device = torch.device(size.device)
    for width, height in SIZES:
        files = [jpeg(number, width, height) for number in range(size.of(256, 2))]
        began = time.perf_counter()
        by_pillow = np.stack([_by_pillow(file) for file in files])
        pillow_s = time.perf_counter() - began
        jpegs = [decoding.Jpeg(file, None) for file in files]
        # Once before the clock starts, as the first call makes the decoder
        list(decoding.decoded(jpegs[:2], IMAGE_PX, device))
        _wait(size)
        began = time.perf_counter()
        answers = list(decoding.decoded(jpegs, IMAGE_PX, device))
        _wait(size)
        device_s = time.perf_counter() - began
        by_device = torch.stack([answer for answer in answers if answer is not None]).cpu().numpy()
        row: Row = {"picture": f"{width} x {height}", "pictures": len(files)}
        row["refused"] = len(files) - len(by_device)
        if not row["refused"]:
            apart = np.abs(by_device.astype(int) - by_pillow.astype(int))
            row |= {"levels_apart": round(float(apart.mean()), 4), "at_most": int(apart.max())}
        row["pillow_per_s"] = round(len(files) / pillow_s)
        row["device_per_s"] = round(len(files) / device_s)
        rows.append(row)
    return Answer(rows=rows, remarks=["Pillow decodes on one core here, the GPU with one thread"])


def _by_pillow(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return pixels(image, IMAGE_PX)


def _wait(size: Size) -> None:
    if not size.rehearsal:
        torch.cuda.synchronize()
