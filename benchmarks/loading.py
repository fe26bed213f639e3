"""`python benchmarks/loading.py [--quick] [--only FORMAT ...] [--out FILE]`: how fast pairs are read, beside torch's DataLoader.

Each format holds the same JPEGs. Weir reads them through a mixture and its loader (shuffled by epoch, resumable, unreadable items
replaced and counted); the alternative is a map-style Dataset as the documentation of torch has it, over the same files, with
torchvision's transforms of the same name, shuffled. One run after the other, best of `ROUNDS` each. Pairs per core are pairs by
second of processor time of all processes together. Then: the first batch, a cursor in the middle of a thousand shards, and memory
over a million pairs.
"""

import argparse
import io
import json
import os
import resource
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from measuring import load, surroundings
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from streams import open_pairs
from streams.loading import Loader
from streams.mixtures import Mixture

ROUNDS, BATCH_PAIRS, IMAGE_PX = 2, 64, 224
WORKERS = (0, 1, 2, 4)
MIXTURE = {"name": "m", "update_share": 1.0, "buffer_share": 0.0, "pretraining_share": 0.0, "buffer_pairs": None}
SHOWN = transforms.Compose(
    [
        transforms.Resize(IMAGE_PX, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(IMAGE_PX),
        transforms.PILToTensor(),
    ]
)


def jpeg(number: int, width: int, height: int) -> bytes:
    """A picture as busy as a photo: smooth colours with some noise."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse).astype(np.int16) + rng.integers(-12, 13, (height, width, 3))
    written = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(written, "JPEG", quality=90)
    return written.getvalue()


# ---------------------------------------------------------------- the same pictures in each format


def imagefolder(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """Ten classes."""
    for number, data in enumerate(pictures):
        path = folder / f"class {number % 10}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {"train": "", "test_share": 0.0}


def webdataset(folder: Path, pictures: list[bytes], shard: int = 250) -> dict[str, Any]:
    """Tar shards with captions beside the images."""
    folder.mkdir(parents=True)
    for first in range(0, len(pictures), shard):
        with tarfile.open(folder / f"{first // shard:05}.tar", "w") as tar:
            for number, data in enumerate(pictures[first : first + shard], first):
                for suffix, content in (("jpg", data), ("txt", f"picture {number}".encode())):
                    member = tarfile.TarInfo(f"{number:09}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return {}


def parquet(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """One file as the Hugging Face hub has it, in row groups of 100."""
    folder.mkdir(parents=True)
    images = [{"bytes": data, "path": None} for data in pictures]
    rows = pa.table({"image": images, "text": [f"picture {number}" for number in range(len(pictures))]})
    pq.write_table(rows, folder / "train.parquet", row_group_size=100)
    return {"train": "train.parquet", "test": "none.parquet", "caption": "text"}


def torchvision(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """Food101 as torchvision unpacks it."""
    names: dict[str, list[str]] = {}
    for number, data in enumerate(pictures):
        name = f"class_{number % 10}"
        path = folder / "food-101" / "images" / name / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        names.setdefault(name, []).append(f"{name}/{path.stem}")
    (folder / "food-101" / "meta").mkdir()
    for split in ("train", "test"):
        (folder / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(names))
    return {"set": "Food101"}


def fomo(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """A dataset of FoMo-in-Flux as its script leaves it, and the records of its code."""
    info = folder.parent / "00_info"
    (folder / "images").mkdir(parents=True)
    info.mkdir()
    records = {}
    for number, data in enumerate(pictures):
        (folder / "images" / f"{number:06}.jpg").write_bytes(data)
        said = f"picture {number}"
        records[f"images/{number:06}.jpg"] = {
            "classname": f"class {number % 10}", "target": number % 10, "default_caption": said, "primer_caption": said,
            "synthetic_caption": [said], "synthetic_merged_caption": [said],
        }  # fmt: skip
    (info / f"{folder.name}_train.json").write_text(json.dumps(records))
    (info / f"{folder.name}_classnames.json").write_text(json.dumps([f"class {n}" for n in range(10)]))
    return {"info": "../00_info"}


# ---------------------------------------------------------------- what a user would write instead


class Tars(Dataset[torch.Tensor]):
    """tarfile, its members listed once, each file opened by each worker."""

    def __init__(self, folder: Path) -> None:
        self.found = []
        for path in sorted(folder.glob("*.tar")):
            with tarfile.open(path) as tar:
                self.found += [(path, member) for member in tar.getmembers() if member.name.endswith(".jpg")]
        self.opened: dict[tuple[int, Path], tarfile.TarFile] = {}

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> torch.Tensor:
        path, member = self.found[index]
        key = (os.getpid(), path)  # a file that two processes share would be read by both at one place
        if key not in self.opened:
            self.opened[key] = tarfile.open(path)  # noqa: SIM115
        file = self.opened[key].extractfile(member)
        assert file is not None
        shown: torch.Tensor = SHOWN(Image.open(file).convert("RGB"))
        return shown


class Column(Dataset[torch.Tensor]):
    """The image column of a parquet file, all of it in memory."""

    def __init__(self, file: Path) -> None:
        self.images = pq.read_table(file, columns=["image"])["image"]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        shown: torch.Tensor = SHOWN(Image.open(io.BytesIO(self.images[index]["bytes"].as_py())).convert("RGB"))
        return shown


FORMATS: dict[str, tuple[Callable[..., dict[str, Any]], Callable[[Path], Dataset[Any]]]] = {
    "imagefolder": (imagefolder, lambda folder: datasets.ImageFolder(str(folder), transform=SHOWN)),
    "webdataset": (webdataset, Tars),
    "parquet": (parquet, lambda folder: Column(folder / "train.parquet")),
    "torchvision": (torchvision, lambda folder: datasets.Food101(str(folder), transform=SHOWN)),
    "fomo": (fomo, lambda folder: datasets.ImageFolder(folder, transform=SHOWN)),
}


# ---------------------------------------------------------------- measuring


def row_of(form: str, folder: Path, params: dict[str, Any], image_px: int = IMAGE_PX) -> dict[str, Any]:
    """A dataset row."""
    classes = [f"class {n}" for n in range(10)] if form in ("imagefolder", "fomo") else []
    wanted = {"name": form, "format": form, "location": str(folder), "classes": classes, "templates": []}
    return wanted | {"params": params | {"image_px": image_px}}


def loader(row: dict[str, Any], data: Path, workers: int) -> Loader:
    """Weir's, at the beginning of a task that brings all of a dataset."""
    pairs = open_pairs(row, "train", data)
    mixture = Mixture(MIXTURE, BATCH_PAIRS, 1, None)
    mixture.begin(1, [(pairs, np.arange(len(pairs)))], [])
    return Loader(mixture, workers)


def processor_s() -> float:
    """Seconds of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def speed(batches: Callable[[], Iterator[Any]], count: int) -> tuple[float, float]:
    """(pairs per second, pairs per second of processor time) of `count` batches.

    The best of ROUNDS, the start of workers included.
    """
    best = (0.0, 0.0)
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), processor_s()
        taken = batches()
        for _batch in islice(taken, count):
            pass
        del taken, _batch
        wall_s, cpu_s = time.perf_counter() - began, processor_s() - used
        best = max(best, (count * BATCH_PAIRS / wall_s, count * BATCH_PAIRS / cpu_s))
    return best


def weirs(row: dict[str, Any], data: Path, workers: int) -> Iterator[Any]:
    """Batches of Weir's loader."""
    made = loader(row, data, workers)
    while True:
        yield made.draw()


def plains(other: Dataset[Any], workers: int) -> Iterator[Any]:
    """Batches of torch's DataLoader."""
    return iter(DataLoader(other, BATCH_PAIRS, shuffle=True, num_workers=workers))


def compare(pictures: list[bytes], data: Path, table: Table, forms: list[str]) -> None:
    """Each format with every number of workers."""
    count = len(pictures) // BATCH_PAIRS
    for form in forms:
        write, plain = FORMATS[form]
        folder = data / form
        row = row_of(form, folder, write(folder, pictures))
        loader(row, data, 0).draw()  # the index of shards, made once
        other = plain(folder)
        for workers in WORKERS:
            mine = speed(partial(weirs, row, data, workers), count)
            theirs = speed(partial(plains, other, workers), count)
            shown = [f"{mine[0]:,.0f}", f"{mine[1]:,.0f}", f"{theirs[0]:,.0f}", f"{theirs[1]:,.0f}", f"{mine[0] / theirs[0]:.2f}"]
            table.add_row(form, str(workers), *shown)


def shards(data: Path, count: int, each: int) -> dict[str, Any]:
    """A row of so many tar shards of small pictures."""
    folder = data / "thousand"
    webdataset(folder, [jpeg(number % 500, 40, 32) for number in range(count * each)], each)
    return row_of("webdataset", folder, {}, 32)


def beginnings(row: dict[str, Any], data: Path) -> list[tuple[str, float]]:
    """Seconds to a first batch: of shards never read, read before, and from a cursor in the middle of an epoch."""
    found = []
    for what in ("first batch, shards never read", "first batch, shards read before"):
        began = time.perf_counter()
        made = loader(row, data, 0)
        made.draw()
        found.append((what, time.perf_counter() - began))
    pool = made.mixture.pools[0]
    state = made.state_dict() | {"drawn": 10**6, "pools": [[7, len(pool) // 2], [0, 0], [0, 0]]}
    began = time.perf_counter()
    made = loader(row, data, 0)
    made.load_state_dict(state)
    made.draw()
    return [*found, ("first batch from a cursor in the middle of the eighth epoch", time.perf_counter() - began)]


def resident_mb() -> float:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def memory(row: dict[str, Any], data: Path, pairs: int) -> list[tuple[int, float]]:
    """(pairs drawn, MB of this process) at tenths of the way."""
    made, found = loader(row, data, 0), list[tuple[int, float]]()
    batches = pairs // BATCH_PAIRS
    for number in range(1, batches + 1):
        made.draw()
        if number % max(1, batches // 10) == 0:
            found.append((number * BATCH_PAIRS, resident_mb()))
    return found


def of_shards(data: Path, small: int, console: Console) -> None:
    """What a thousand shards take to begin, and a million pairs to hold; a part of both if `small`."""
    row = shards(data, 1000 // small, 100)
    for what, seconds in beginnings(row, data):
        console.print(f"{what}, {1000 // small:,} shards of 100 pairs: {seconds:.2f} s")
    drawn = memory(row, data, 1_000_000 // small**2)
    console.print("memory: " + ", ".join(f"{mb:,.0f} MB after {pairs:,}" for pairs, mb in drawn))


def main() -> None:
    """Everything, in one run."""
    parser = argparse.ArgumentParser(prog="benchmarks/loading.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it, to see that it works")
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    parser.add_argument("--only", nargs="*", choices=list(FORMATS), help="these formats, and nothing of shards and memory")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores: that is to be measured too
    console = Console(record=True, width=130)
    small = 20 if given.quick else 1
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        console.print(f"load of the machine before: {load()}")
        table = Table("format", "workers", "Weir pairs/s", "per core", "DataLoader pairs/s", "per core", "ratio", box=None)
        compare([jpeg(number, 340, 256) for number in range(2560 // small)], data, table, given.only or list(FORMATS))
        console.print(table)
        if not given.only:
            of_shards(data, small, console)
    command = (
        "python benchmarks/loading.py"
        + (" --quick" if given.quick else "")
        + (" --only " + " ".join(given.only) if given.only else "")
    )
    for name, words in surroundings(command):
        console.print(f"{name}: {words}")
    if given.out:
        given.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
