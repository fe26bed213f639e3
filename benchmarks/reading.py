"""Measure how fast pictures of photos' sizes are read, beside torch's DataLoader with Pillow.

    python -m benchmarks.reading [--quick] [--out FILE]

The pictures lie in tar shards. Weir reads them through a mixture and its loader, with Pillow
(`decoder` `pillow`, the default) and without (`turbo`); torch's DataLoader reads what a user would
write, with Pillow and torchvision's transforms. The three take turns, the best of `ROUNDS` each.
Pairs per core are pairs by second of processor time of all processes together. Middle: the square
in the middle, as CLIP's preprocessing; crop: RandomResizedCrop of 0.9 to 1 of the picture, as in
FoMo-in-Flux. Then: by how much the pixels of the two decoders differ, in levels of 256.
"""

import argparse
import io
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import simplejpeg
import torch
import torchvision
from PIL import Image
from rich.console import Console
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.formats import IMAGE_PX, SHOWN, Tars, jpeg, row_of, webdataset
from benchmarks.measuring import load, surroundings
from benchmarks.streams import BATCH_PAIRS, MIXTURE, speed
from schema.checks.augmentation import DECODERS, PILLOW, TURBO, Augmentation
from streams import Pairs, open_pairs
from streams.augmentation import box
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pictures import pixels
from streams.turbo import TurboDecoder

ROUNDS = 3
WORKERS = (0, 2)
CROP: dict[str, Any] = {"scale": [0.9, 1.0]}
# Kind, sides, how many, and how they are cut
CASES = (
    ("JPEG", (500, 400), 512, "middle"),
    ("JPEG", (500, 400), 512, "crop"),
    ("JPEG", (2000, 1500), 128, "middle"),
    ("JPEG", (2000, 1500), 128, "crop"),
    ("PNG", (500, 400), 256, "middle"),
    ("WEBP", (500, 400), 256, "middle"),
)
CUTS = {
    "middle": SHOWN,
    "crop": transforms.Compose(
        [
            transforms.RandomResizedCrop(
                IMAGE_PX, (0.9, 1.0), interpolation=transforms.InterpolationMode.BICUBIC
            ),
            transforms.PILToTensor(),
        ]
    ),
}
HEAD = (
    "| pictures | cut | workers | DataLoader pairs/s | per core | Weir, pillow | per core "
    "| Weir, turbo | per core | turbo to DataLoader | per core |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def encoded(kind: str, number: int, size: tuple[int, int]) -> bytes:
    """A picture as busy as a photo."""
    data = jpeg(number, *size)
    if kind == "JPEG":
        return data
    written = io.BytesIO()
    Image.open(io.BytesIO(data)).save(written, kind)
    return written.getvalue()


def augmentation(decoder: str, cut: str) -> Augmentation:
    """The augmentation of a recipe."""
    params = {"decoder": decoder} | (CROP if cut == "crop" else {})
    return Augmentation.of(params, "recipe")


def batches(pairs: Pairs, how: Augmentation, workers: int, steps: int) -> Iterator[Any]:
    """Batches of Weir's loader, told how many are wanted, as a trial tells it."""
    mixture = Mixture(MIXTURE, BATCH_PAIRS, 1, None, how)
    mixture.begin(1, [(pairs, np.arange(len(pairs)))], [])
    made = Loader(mixture, workers, steps=steps)
    while True:
        yield made.draw()


def plains(other: Dataset[Any], workers: int) -> Iterator[Any]:
    """Batches of torch's DataLoader."""
    return iter(DataLoader(other, BATCH_PAIRS, shuffle=True, num_workers=workers))


def compare(
    case: tuple[str, tuple[int, int], int, str], data: Path, small: int, rounds: int
) -> Iterator[str]:
    """One kind of pictures with every number of workers: lines of a Markdown table."""
    kind, size, number, cut = case
    number = max(number // small, BATCH_PAIRS)
    folder = data / f"{kind}-{size[0]}-{cut}"
    pictures = [encoded(kind, place, size) for place in range(number)]
    params = webdataset(folder, pictures)
    pairs = open_pairs(row_of("webdataset", folder, params), "train", data)
    steps = len(pairs) // BATCH_PAIRS
    shown = f"{kind} {size[0]} x {size[1]}"
    for workers in WORKERS:
        ways = {"plain": partial(plains, Tars(folder, CUTS[cut]), workers)}
        for decoder in DECODERS:
            how = augmentation(decoder, cut)
            ways[decoder] = partial(batches, pairs, how, workers, steps)
        best = dict.fromkeys(ways, (0.0, 0.0))
        for _ in range(rounds):
            for name, way in ways.items():
                taken = speed(way, steps, 1)
                best[name] = (max(best[name][0], taken[0]), max(best[name][1], taken[1]))
        numbers = [best["plain"], best[PILLOW], best[TURBO]]
        cells = [f"{value:,.0f}" for pair in numbers for value in pair]
        cells += [f"{best[TURBO][place] / best['plain'][place]:.2f}" for place in (0, 1)]
        yield f"| {shown} | {cut} | {workers} | {' | '.join(cells)} |"


def apart(case: tuple[str, tuple[int, int], int, str], count: int) -> str:
    """How far the pixels of the two decoders are apart: a line of a Markdown table."""
    kind, size, _, cut = case
    turbo, mean, most = TurboDecoder(), [], 0
    for number in range(count):
        data = encoded(kind, number, size)
        crop = partial(box, augmentation(TURBO, cut), number) if cut == "crop" else None
        one, other = (decode(data, IMAGE_PX, crop) for decode in (turbo.pixels, pixels))
        differences = np.abs(one.astype(int) - other)
        mean.append(float(differences.mean()))
        most = max(most, int(differences.max()))
    shown = f"{kind} {size[0]} x {size[1]}"
    return f"| {shown} | {cut} | {np.mean(mean):.4f} ({max(mean):.4f}) | {most} | {turbo.news()} |"


def main() -> None:
    """Everything, in one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a part of it, to see that it works")
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    # More workers than cores are to be measured, too
    warnings.filterwarnings("ignore", "This DataLoader will create")
    console = Console(record=True, width=200, highlight=False, markup=False)
    small, rounds, looked_at = (8, 1, 2) if options.quick else (1, ROUNDS, 24)
    with tempfile.TemporaryDirectory() as place:
        console.print(f"load of the machine before: {load()}\n\n{HEAD}")
        for case in CASES:
            for line in compare(case, Path(place), small, rounds):
                console.print(line)
    console.print(
        "\n| pictures | cut | apart on average (of the worst) | at most | left to Pillow |"
    )
    console.print("|---|---|--:|--:|--:|")
    for case in CASES:
        console.print(apart(case, looked_at))
    console.print()
    words = "python -m benchmarks.reading" + (" --quick" if options.quick else "")
    for name, value in surroundings(words):
        console.print(f"{name}: {value}")
    console.print(
        f"Pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}, "
        f"torchvision {torchvision.__version__}"
    )
    if options.out:
        options.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
