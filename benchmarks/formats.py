"""Write the same pictures in every format of `streams/formats/`.

Beside each stands what a user of torch would write instead of Weir.

A writer puts pictures into a folder and gives the params of the row; the alternative is a map-style
Dataset as the documentation of torch has it, over the same files, with torchvision's transforms of
the same name. What `world` and `idsprites` draw has no files: beside them stands a Dataset over the
same array, or one that calls the same renderer, an image at a time.
"""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from open_clip_train.data import CsvDataset
from PIL import Image
from torch.utils.data import Dataset
from torchvision import datasets, transforms

from streams import Pairs, open_pairs
from streams.formats.idsprites import Sprites
from streams.formats.world import Drawn
from streams.world.rendering import render

IMAGE_PX, DRAWN_PX = 224, 32
DRAWN_TIMES = (
    10  # as many pairs of the formats that draw: a small image comes a hundred times as fast
)
CLASSES = [f"class {number}" for number in range(10)]
SHOWN = transforms.Compose(
    [
        transforms.Resize(IMAGE_PX, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(IMAGE_PX),
        transforms.PILToTensor(),
    ]
)


def jpeg(number: int, width: int, height: int) -> bytes:
    """Return a JPEG with as much detail as a photo: smooth colours with some noise."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(coarse).astype(np.int16) + rng.integers(-12, 13, (height, width, 3))
    written = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(written, "JPEG", quality=90)
    return written.getvalue()


# ---------------------------------------------------------------- the same pictures in each format


def imagefolder(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """Ten classes."""
    for number, data in enumerate(pictures):
        path = folder / CLASSES[number % 10] / f"{number:06}.jpg"
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
    rows = pa.table(
        {"image": images, "text": [f"picture {number}" for number in range(len(pictures))]}
    )
    pq.write_table(rows, folder / "train.parquet", row_group_size=100)
    return {"train": "train.parquet", "test": "none.parquet", "caption": "text"}


def table(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """A table of tabs as open_clip trains from, beside its images."""
    (folder / "images").mkdir(parents=True)
    lines = ["filepath\ttitle"]
    for number, data in enumerate(pictures):
        path = folder / "images" / f"{number:06}.jpg"
        path.write_bytes(data)
        lines.append(f"{path}\tpicture {number}")
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    return {"train": "train.tsv"}


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
            "classname": CLASSES[number % 10], "target": number % 10, "default_caption": said, "primer_caption": said,
            "synthetic_caption": [said], "synthetic_merged_caption": [said],
        }  # fmt: skip
    (info / f"{folder.name}_train.json").write_text(json.dumps(records))
    (info / f"{folder.name}_classnames.json").write_text(json.dumps(CLASSES))
    return {"info": "../00_info"}


def world(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """Nothing: the images are drawn once, into an array in the data folder."""
    return {"set": "blobs", "train": len(pictures) * DRAWN_TIMES, "image_px": DRAWN_PX}


def idsprites(folder: Path, pictures: list[bytes]) -> dict[str, Any]:
    """Nothing: the images are drawn when they are asked for."""
    return {"train": len(pictures) * DRAWN_TIMES, "image_px": DRAWN_PX}


# ---------------------------------------------------------------- what a user would write instead


class Tars(Dataset[torch.Tensor]):
    """tarfile, its members listed once, each file opened by each worker."""

    def __init__(self, folder: Path, transform: transforms.Compose = SHOWN) -> None:
        self.transform = transform
        self.found = []
        for path in sorted(folder.glob("*.tar")):
            with tarfile.open(path) as tar:
                self.found += [
                    (path, member) for member in tar.getmembers() if member.name.endswith(".jpg")
                ]
        self.opened: dict[tuple[int, Path], tarfile.TarFile] = {}

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> torch.Tensor:
        path, member = self.found[index]
        key = (
            os.getpid(),
            path,
        )  # a file that two processes share would be read by both at one place
        if key not in self.opened:
            self.opened[key] = tarfile.open(path)  # noqa: SIM115
        file = self.opened[key].extractfile(member)
        assert file is not None
        shown: torch.Tensor = self.transform(Image.open(file).convert("RGB"))
        return shown


class Column(Dataset[torch.Tensor]):
    """The image column of a parquet file, all of it in memory."""

    def __init__(self, file: Path) -> None:
        self.images = pq.read_table(file, columns=["image"])["image"]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        shown: torch.Tensor = SHOWN(
            Image.open(io.BytesIO(self.images[index]["bytes"].as_py())).convert("RGB")
        )
        return shown


class Array(Dataset[torch.Tensor]):
    """Drawn images in a file, as numpy maps it."""

    def __init__(self, drawn: Drawn) -> None:
        self.array = drawn.array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.array[index]))


class Sprite(Dataset[torch.Tensor]):
    """The renderer, called for one image."""

    def __init__(self, sprites: Sprites) -> None:
        self.sprites = sprites

    def __len__(self) -> int:
        return len(self.sprites)

    def __getitem__(self, index: int) -> torch.Tensor:
        factors = self.sprites.factors.some(np.array([index]))
        return torch.from_numpy(render(factors, self.sprites.tables, self.sprites.image_px)[0])


def listed(file: Path) -> CsvDataset:
    """Return open_clip's own reader of its table, with captions left as text."""
    return CsvDataset(file, SHOWN, "filepath", "title", tokenizer=list)


Write = Callable[[Path, list[bytes]], dict[str, Any]]
FORMATS: dict[str, tuple[Write, Callable[[Path, Any], Dataset[Any]]]] = {
    "fomo": (fomo, lambda folder, pairs: datasets.ImageFolder(folder, transform=SHOWN)),
    "idsprites": (idsprites, lambda folder, pairs: Sprite(pairs)),
    "imagefolder": (
        imagefolder,
        lambda folder, pairs: datasets.ImageFolder(folder, transform=SHOWN),
    ),
    "parquet": (parquet, lambda folder, pairs: Column(folder / "train.parquet")),
    "table": (table, lambda folder, pairs: listed(folder / "train.tsv")),
    "torchvision": (torchvision, lambda folder, pairs: datasets.Food101(folder, transform=SHOWN)),
    "webdataset": (webdataset, lambda folder, pairs: Tars(folder)),
    "world": (world, lambda folder, pairs: Array(pairs)),
}


def row_of(form: str, folder: Path, params: dict[str, Any]) -> dict[str, Any]:
    """Return a dataset row."""
    classes = [] if form in ("webdataset", "parquet", "table", "torchvision") else CLASSES
    wanted = {
        "name": form,
        "format": form,
        "location": str(folder),
        "classes": classes,
        "templates": [],
    }
    return wanted | {"params": {"image_px": IMAGE_PX} | params}


def both(form: str, data: Path, pictures: list[bytes]) -> tuple[Pairs, Dataset[Any]]:
    """Return the pictures in a format, as Weir reads them and as torch reads them."""
    write, plain = FORMATS[form]
    row = row_of(form, data / form, write(data / form, pictures))
    pairs = open_pairs(row, "train", data)
    return pairs, plain(data / form, pairs)
