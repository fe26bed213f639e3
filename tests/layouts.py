"""Small datasets, written as the tools write them: one builder for each format that reads files.

A builder writes `count` items of three classes, item n being picture n of class n % 3, those in `bad` spoiled, and gives the row.
"""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from schema.checks import parts

FORMATS = parts.names("streams/formats")
# A mixture of three pools
ROW = {
    "name": "m",
    "update_share": 0.5,
    "buffer_share": 0.3,
    "pretraining_share": 0.2,
    "buffer_pairs": None,
}
CLASSES = ["crow", "gull", "wren"]
Row = dict[str, Any]


def picture(number: int) -> Image.Image:
    """(60, 44) or (44, 60) pixels, smooth, and unlike any other number's."""
    rng = np.random.default_rng([7, number])
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((60, 44) if number % 2 else (44, 60), Image.Resampling.BILINEAR)


def encoded(number: int, bad: bool = False, kind: str = "PNG") -> bytes:
    """The picture's file; a bad one is empty, no image, or cut off."""
    out = io.BytesIO()
    picture(number).save(out, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return (
        (b"", b"<html>404</html>", out.getvalue()[: len(out.getvalue()) // 2])[number % 3]
        if bad
        else out.getvalue()
    )


def row(form: str, location: str | None, **params: Any) -> Row:
    """A dataset row as the definition has it."""
    said = {
        "params": {"image_px": 24} | params,
        "classes": CLASSES,
        "templates": ["a {}", "one {} in a tree"],
    }
    return {"name": "birds", "format": form, "location": location, "kind": "classification"} | said


def write(path: Path, data: bytes | str) -> None:
    """A file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def imagefolder(data: Path, count: int, bad: set[int]) -> Row:
    """train/crow/00003.png, written in an order that is not the sorted one."""
    for number in np.random.default_rng(count).permutation(count).tolist():
        write(
            data / "birds" / "train" / CLASSES[number % 3] / f"{number:05}.png",
            encoded(number, number in bad),
        )
    write(data / "birds" / "train" / "crow" / ".DS_Store.png", "Mac")
    write(data / "birds" / "train" / "crow" / "Thumbs.db", "Windows")
    return row("imagefolder", "birds", train="train", test="test")


def shard(file: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """A shard as webdataset's TarWriter leaves it: members of a sample sorted by ending, read-only, owned by bigdata."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for key, parts in samples:
            for ending in sorted(parts):
                about = tarfile.TarInfo(f"{key}.{ending}")
                about.size, about.mode, about.mtime = len(parts[ending]), 0o444, 1700000000
                about.uname = about.gname = "bigdata"
                tar.addfile(about, io.BytesIO(parts[ending]))


def sample(number: int, bad: bool = False) -> tuple[str, dict[str, bytes]]:
    """What img2dataset writes for a pair: the shard's five digits and four more, the image again as JPEG, text and record."""
    said = f"{CLASSES[number % 3]} number {number}"
    record = {
        "caption": said,
        "url": f"u/{number}.jpg",
        "key": f"{number // 5:05}{number % 5:04}",
        "status": "success",
    }
    record |= {
        "error_message": None,
        "width": 60,
        "height": 44,
        "exif": "{}",
        "alt": [f"{said}, said otherwise", said],
    }
    parts = {
        "jpg": encoded(number, bad, "JPEG"),
        "json": json.dumps(record, indent=4).encode(),
        "txt": said.encode(),
    }
    return record["key"], parts | {"cls": str(number % 3).encode()}


def webdataset(data: Path, count: int, bad: set[int]) -> Row:
    """Shards 00000.tar of five pairs, and img2dataset's tables and statistics beside them."""
    for first in range(0, count, 5):
        numbers = range(first, min(first + 5, count))
        shard(
            data / "pool" / f"{first // 5:05}.tar",
            [sample(number, number in bad) for number in numbers],
        )
        write(
            data / "pool" / f"{first // 5:05}_stats.json", json.dumps({"count": 5, "successes": 5})
        )
    return row("webdataset", "pool", test="no test shards")


def table(numbers: list[int], bad: set[int]) -> pa.Table:
    """Rows as the Hub's converter writes them: an image struct, a class by number, and the features noted in the metadata."""
    images = [
        {"bytes": encoded(number, number in bad), "path": f"{number}.png"} for number in numbers
    ]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    said = [f"{CLASSES[number % 3]} number {number}" for number in numbers]
    columns: dict[str, Any] = {
        "image": pa.array(images, struct),
        "label": pa.array([number % 3 for number in numbers], pa.int64()),
    }
    columns |= {"text": said, "texts": [[one, f"{one}, said otherwise"] for one in said]}
    features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    return pa.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def parquet(data: Path, count: int, bad: set[int]) -> Row:
    """data/train-00000-of-00002.parquet, in row groups of four."""
    (data / "birds" / "data").mkdir(parents=True, exist_ok=True)
    half = count // 2
    for part, numbers in enumerate((range(half), range(half, count))):
        name = f"train-{part:05}-of-00002.parquet"
        pq.write_table(table(list(numbers), bad), data / "birds" / "data" / name, row_group_size=4)
    return row(
        "parquet",
        "birds",
        train="data/train-*.parquet",
        test="data/test-*.parquet",
        label="label",
        caption="texts",
    )


def torchvision(data: Path, count: int, bad: set[int]) -> Row:
    """Food101: images/crow/3.jpg, and which of them are whose in meta/train.json and meta/test.json."""
    root = data / "food-101"
    said = {
        name: [f"{name}/{number}" for number in range(count) if CLASSES[number % 3] == name]
        for name in CLASSES
    }
    for number in range(count):
        write(
            root / "images" / CLASSES[number % 3] / f"{number}.jpg",
            encoded(number, number in bad, "JPEG"),
        )
    write(root / "meta" / "train.json", json.dumps(said))
    write(root / "meta" / "test.json", json.dumps({name: some[:1] for name, some in said.items()}))
    return row("torchvision", ".", set="Food101")


def record(number: int) -> Row:
    """What FoMo-in-Flux records of an image."""
    name = CLASSES[number % 3]
    return {
        "classname": name,
        "default_caption": None,
        "primer_caption": f"A photo of a {name}, a type of bird.",
        "synthetic_caption": ["a bird on a branch"],
        "synthetic_merged_caption": [
            f"A photo of {name} {number}.",
            f"{name} {number}, a type of bird, on a branch.",
        ],
        "target": number % 3,
    }


def fomo(data: Path, count: int, bad: set[int]) -> Row:
    """CUB200/cub-200-images-train/0.png; 00_info/CUB200_train.json in an order that is not the sorted one."""
    records = {}
    for number in reversed(range(count)):
        write(
            data / "fomo" / "CUB200" / f"cub-200-images-train/{number}.png",
            encoded(number, number in bad),
        )
        records[f"cub-200-images-train/{number}.png"] = record(number)
    write(data / "fomo" / "00_info" / "CUB200_train.json", json.dumps(records, indent=4))
    write(data / "fomo" / "00_info" / "CUB200_classnames.json", json.dumps(CLASSES, indent=4))
    return row("fomo", "fomo/CUB200")


def table_of_paths(data: Path, count: int, bad: set[int]) -> Row:
    """pairs/train.csv, a tab between filepath and title, as open_clip trains from; images/00003.png beside it."""
    lines = ["filepath\ttitle\tbird"]
    for number in range(count):
        write(data / "pairs" / "images" / f"{number:05}.png", encoded(number, number in bad))
        name = CLASSES[number % 3]
        lines.append(f"images/{number:05}.png\t{name} number {number}\t{name}")
    write(data / "pairs" / "train.csv", "\n".join(lines) + "\n")
    return row("table", "pairs", train="train.csv", test="test.csv", label="bird")


def world(data: Path, count: int, bad: set[int]) -> Row:
    """Nothing to write, and nothing that could be unreadable."""
    made = row("world", None, set="shape", train=count, test=9)
    return made | {"classes": ["circle", "oval", "square"]}


def idsprites(data: Path, count: int, bad: set[int]) -> Row:
    """Nothing to write here either."""
    return row("idsprites", None, train=count, test=9)


LAYOUTS: dict[str, Callable[[Path, int, set[int]], Row]] = {
    form.__name__: form
    for form in (imagefolder, webdataset, parquet, torchvision, fomo, world, idsprites)
}
LAYOUTS["table"] = table_of_paths
