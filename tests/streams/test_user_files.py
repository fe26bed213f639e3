"""What users really have: pictures of every mode, odd names, broken records, params of the wrong kind. No traceback, nothing silent."""

import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from streams import DatasetError, Pairs, open_pairs
from streams.check import Finding, look, sheets
from streams.formats._files import Files
from streams.pictures import pixels
from tests import layouts
from tests.layouts import LAYOUTS, encoded, picture, row, sample, shard, write

RAMP = np.linspace(0, 65535, 60 * 44).reshape(44, 60)
SHADES = np.repeat(np.linspace(0, 255, 60 * 44).reshape(1, 44, 60), 3, 0)


def file(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def held() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    return exif


def read(built: layouts.Row, data: Path, **params: Any) -> Pairs:
    """All images and captions of the training split are asked for."""
    pairs = open_pairs(built | {"params": built["params"] | params}, "train", data)
    every = np.arange(len(pairs))
    assert pairs.images(every).shape == (len(pairs), 3, 24, 24)
    assert all(
        isinstance(said, str) and said.strip()
        for said in pairs.captions(every, np.random.default_rng(0))
    )
    return pairs


@pytest.mark.parametrize(
    "data",
    [
        file(picture(1).convert("CMYK"), "JPEG", quality=95),
        file(picture(1).convert("YCbCr"), "JPEG", quality=95),
        file(picture(1).convert("LAB"), "TIFF"),
        file(picture(1).convert("RGBA"), "PNG"),
        file(picture(1), "PNG", transparency=(1, 2, 3)),
        file(picture(1), "JPEG", quality=95, exif=held()),
        file(picture(1), "PNG", save_all=True, append_images=[picture(3)]),
        file(picture(1), "WEBP", save_all=True, append_images=[picture(3)], lossless=True),
        file(picture(1), "MPO", save_all=True, append_images=[picture(3)], quality=95),
    ],
    ids=[
        "CMYK",
        "YCbCr",
        "LAB",
        "RGBA",
        "transparent",
        "EXIF",
        "animated PNG",
        "animated WebP",
        "MPO",
    ],
)
def test_a_picture_of_any_mode_is_the_picture(data: bytes) -> None:
    """The first of several, as it lies: what FoMo-in-Flux and open_clip see."""
    assert np.abs(pixels(data, 24).astype(int) - pixels(picture(1), 24)).mean() < 4


def test_half_transparent_palettes_give_their_colours_without_a_warning() -> None:
    drawn = picture(1).convert("P")
    assert np.array_equal(
        pixels(file(drawn, "PNG", transparency=bytes(range(256))), 24), pixels(drawn, 24)
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "int32 TIFF", "PGM"])
def test_sixteen_bits_are_brought_to_eight(kind: str) -> None:
    """Pillow alone shows all that is above 255 as white."""
    if kind == "PGM":
        data = b"P5\n60 44\n65535\n" + RAMP.astype(">u2").tobytes()
    else:
        data = file(
            Image.fromarray(RAMP.astype(np.int32 if "32" in kind else np.uint16)),
            kind.rpartition(" ")[2],
        )
    assert np.abs(pixels(data, 44).astype(int) - SHADES[:, :, 8:52]).max() <= 1


@pytest.mark.parametrize(
    "values", [RAMP / 65535, RAMP.astype(np.int32) - 1, RAMP.astype(np.int32) * 2]
)
def test_numbers_of_another_range_are_no_picture(values: np.ndarray) -> None:
    image = Image.fromarray(values.astype(np.float32) if values.dtype == np.float64 else values)
    with pytest.raises(ValueError, match="its values, .*, are not those of 8 or 16 bits"):
        pixels(file(image, "TIFF"), 24)


@pytest.mark.parametrize(
    "name", [b"kr\xc3\xa4he \xe9\xb3\xa5 & 'co'.png", b"not \xff\xfe utf-8.png"]
)
def test_files_may_be_called_anything(name: bytes, tmp_path: Path) -> None:
    built = LAYOUTS["imagefolder"](tmp_path, 12, set())
    crows = tmp_path / "birds/train/crow"
    (crows / "00000.png").rename(crows / os.fsdecode(name))
    counts = [len(read(built, tmp_path, test="train", test_share=share)) for share in (0.0, 0.4)]
    assert counts[0] == 12 > counts[1]
    (crows / os.fsdecode(name)).write_bytes(b"")
    pairs = read(built, tmp_path)
    assert isinstance(pairs, Files) and len(pairs.corrupt) == 1
    pairs.corrupt[0].encode()  # it will be printed


def test_members_of_a_tar_may_lie_anywhere_and_be_called_anything(tmp_path: Path) -> None:
    shard(
        tmp_path / "pool/a b/0.tar",
        [(f"鳥/{number} x/{key}", said) for number in range(3) for key, said in [sample(number)]],
    )
    shard(tmp_path / "pool/1.tar", [("\udcff/0", sample(3)[1])])
    shard(tmp_path / "pool/2.tar", [])
    pairs = read(row("webdataset", "pool", test="no"), tmp_path)
    assert len(pairs) == 4 and list(pairs.labels) == [0, 0, 1, 2]
    assert 0 < len(read(row("webdataset", "pool", test_share=0.5), tmp_path)) < 4


def spoiled(params: dict[str, Any], form: str = "imagefolder") -> Callable[[Path], object]:
    return lambda data: read(LAYOUTS[form](data, 12, set()), data, **params)


def shards(change: dict[str, bytes], caption: str = "txt") -> Callable[[Path], object]:
    def given(data: Path) -> object:
        shard(data / "pool/0.tar", [(key, said | change) for key, said in map(sample, range(5))])
        return read(row("webdataset", "pool", test="no"), data, caption=caption)

    return given


def column(**columns: Any) -> Callable[[Path], object]:
    def given(data: Path) -> object:
        images = pa.array([encoded(number) for number in range(6)], pa.binary())
        pq.write_table(
            pa.table({"image": images, "label": [0, 1, 2] * 2} | columns), data / "one.parquet"
        )
        return read(
            row(
                "parquet", "one.parquet", label="label", caption="text" if "text" in columns else ""
            ),
            data,
        )

    return given


def records(
    change: Callable[[dict[str, Any]], Any], names: str | None = None
) -> Callable[[Path], object]:
    def given(data: Path) -> object:
        built, info = LAYOUTS["fomo"](data, 6, set()), data / "fomo/00_info"
        made = change(json.loads((info / "CUB200_train.json").read_text()))
        (info / "CUB200_train.json").write_text(made if isinstance(made, str) else json.dumps(made))
        if names is not None:
            (info / "CUB200_classnames.json").write_text(names)
        return read(built, data)

    return given


def vision(name: str) -> Callable[[Path], object]:
    return lambda data: read(row("torchvision", ".", set=name), data)


def unpacked(data: Path) -> object:
    write(data / "birds", b"PK")
    return read(row("imagefolder", "birds"), data)


def bare(data: Path) -> object:
    (data / "birds/crow").mkdir(parents=True)
    return read(row("imagefolder", "birds") | {"classes": ["crow"]}, data)


def zipped(data: Path) -> object:
    (data / "pool").mkdir()
    tarfile.open(data / "pool/0.tar", "w:gz").close()
    return read(row("webdataset", "pool", test="no"), data)


HUB = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a number as a text": (
        spoiled({"image_px": "24"}),
        'image_px of imagefolder must be a whole number, not "24"',
    ),
    "half a pixel": (
        spoiled({"image_px": 24.5}),
        "image_px of imagefolder must be a whole number, not 24.5",
    ),
    "yes": (spoiled({"test_share": True}), "test_share of imagefolder must be a number, not true"),
    "nothing": (
        spoiled({"corrupt_share": None}),
        "corrupt_share of imagefolder must be a number, not null",
    ),
    "a number as a place": (spoiled({"train": 3}), "train of imagefolder must be a text, not 3"),
    "a text as a list": (
        spoiled({"folders": "abc"}),
        'folders of imagefolder must be a list, each a text, not "abc"',
    ),
    "fewer than none": (
        spoiled({"train": -3}, "world"),
        "train of world must be 0 or more, not -3",
    ),
    "a list as an object": (
        spoiled({"values": ["red"]}, "idsprites"),
        "values of idsprites must be an object, each value a list, each a text, not ",
    ),
    "a file for a folder": (
        unpacked,
        "birds is a file; it must be a folder of images for each class. Unpack it",
    ),
    "no images": (
        bare,
        r"no pairs were found for its train split: no images \(.jpg, .*See what is at its location",
    ),
    "a zipped shard": (
        zipped,
        r"0.tar is not a whole, uncompressed tar file .*Fetch it again, or unpack it",
    ),
    "a record that is a list": (
        shards({"json": b"[1]"}, "json:caption"),
        r"no sample of the 1 shards .*\(json:caption\)",
    ),
    "a caption that is an object": (
        shards({"json": b'{"caption": {"en": "x"}}'}, "json:caption"),
        "no sample of the 1 shards",
    ),
    "a record without the key": (
        shards({}, "json:said"),
        r"no sample of the 1 shards in .* has an image and a caption \(json:said\)",
    ),
    "a class by name": (
        shards({"cls": b"wren"}),
        "cls holds b'wren'; it must be the number of a class",
    ),
    "paths for images": (
        column(image=["a.png"] * 6),
        "its image column 'image' holds string, and images are bytes, or .*convert the file",
    ),
    "images that lie elsewhere": (
        column(image=pa.array([{"bytes": None, "path": "a.png"}] * 6, HUB)),
        "no row of one.parquet holds the bytes of an image, only where it once lay. Write the files anew",
    ),
    "numbers for captions": (
        column(text=[1] * 6),
        "its caption column 'text' holds int64, and captions are texts, or lists of them",
    ),
    "lists for labels": (
        column(label=[[0]] * 6),
        "its label column 'label' holds list.*, and labels are numbers or names",
    ),
    "half a label": (
        column(label=[0.5] * 6),
        "label 0.5 is neither the name of a class nor its number",
    ),
    "records in a list": (
        records(lambda found: list(found.values())),
        "CUB200_train.json holds a list; it should hold image path -> caption",
    ),
    "half a file of records": (
        records(lambda found: "{"),
        r"CUB200_train.json is no JSON \(.*\); it should hold .*Fetch it again",
    ),
    "no records": (records(lambda found: {}), "no pairs were found for its train split"),
    "records without targets": (
        records(lambda found: {name: said | {"target": "crow"} for name, said in found.items()}),
        "the record of cub-200-images-train/5.png has no `target`, the number of its class",
    ),
    "classes in an object": (
        records(lambda found: found, '{"0": "crow"}'),
        "classnames.json holds a dict; it should hold a list of class",
    ),
    "what torchvision reads otherwise": (
        vision("CocoCaptions"),
        "torchvision cannot open CocoCaptions .*annFile.*params say what it is called",
    ),
    "what torchvision builds upon": (
        vision("VisionDataset"),
        "torchvision cannot open VisionDataset",
    ),
    "what torchvision is not asked for": (
        vision(""),
        "no class '' that reads a folder. Name one as `set`: Food101",
    ),
    "what torchvision needs a package for": (
        vision("LSUN"),
        r"torchvision cannot open LSUN .*\(.*lmdb.*\).* the packages it needs",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_refused_by_name(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)  # not installed
    given, message = WRONG[what]
    with pytest.raises(DatasetError, match=message):
        given(tmp_path)


def test_captions_that_are_empty_fall_to_the_next_field(tmp_path: Path) -> None:
    empty = records(
        lambda found: {name: said | {"default_caption": ["", None]} for name, said in found.items()}
    )(tmp_path / "empty")
    none = records(lambda found: found)(tmp_path / "none")
    assert isinstance(empty, Files) and isinstance(none, Files)
    said = [pairs.captions(np.arange(6), np.random.default_rng(1)) for pairs in (empty, none)]
    assert said[0] == said[1] and "wren 5" in said[0][0]


@pytest.mark.parametrize("name", ["parquet", "torchvision"])
def test_classes_in_another_order_than_the_files_are_followed_by_name(
    name: str, tmp_path: Path
) -> None:
    """Labels are numbers there, and the names are known: crow, gull, wren."""
    built = LAYOUTS[name](tmp_path, 12, set())
    straight, turned = (
        open_pairs(built | {"classes": classes}, "train", tmp_path)
        for classes in (layouts.CLASSES, ["wren", "crow", "gull"])
    )
    assert list(turned.labels) == [(label + 1) % 3 for label in straight.labels]


def test_the_check_says_what_lacks_captions_images_and_labels(tmp_path: Path) -> None:
    pairs = [sample(number) for number in range(9)]
    for number in (4, 7):  # every gull but one has no text, and the last has no class
        del pairs[number][1]["txt"]
    del pairs[8][1]["cls"], pairs[1][1]["jpg"]
    shard(tmp_path / "pool/0.tar", pairs)
    built = row("webdataset", "pool", test="no") | {
        "splits": ["train"],
        "train_pairs": 9,
        "test_pairs": None,
    }
    found = look(built, tmp_path)
    assert found.state == "there" and found.count("train") == "6 of 9"
    assert found.remarks == [
        "train: 1 of 6 pairs have no label: they are of no class",
        "train: no images of 1 of the 3 classes: gull",
        "train: 1 not used, no image: 0/000000001",
        "train: 2 not used, no caption: 0/000000004, 0/000010002",
    ]
    images = pa.array([encoded(number) for number in range(3)], pa.binary())
    pq.write_table(pa.table({"image": images, "text": ["a", None, " "]}), tmp_path / "one.parquet")
    texts = row("parquet", "one.parquet", caption="text") | {
        "splits": ["train"],
        "kind": "captions",
        "classes": [],
    }
    assert look(texts | {"train_pairs": None, "test_pairs": None}, tmp_path).remarks == [
        "train: 2 not used, no caption: one/1, one/2"
    ]


def test_a_sheet_that_cannot_be_drawn_does_not_end_the_check(tmp_path: Path) -> None:
    good, bad = (
        LAYOUTS["imagefolder"](tmp_path / name, 60, spoilt)
        for name, spoilt in (("good", set()), ("bad", set(range(40))))
    )
    findings = [Finding(one | {"name": name}) for one, name in ((bad, "bad"), (good, "good"))]
    for found, name in zip(findings, ("bad", "good"), strict=True):
        found.pairs["train"] = open_pairs(found.row, "train", tmp_path / name)
    names = sheets(findings, tmp_path / "sheets")
    assert names[0].startswith("none of bad (dataset 'bad': 11 of the") and names[1] == "good.png"


def test_hidden_folders_are_no_classes_and_links_are_followed(tmp_path: Path) -> None:
    built = LAYOUTS["imagefolder"](tmp_path, 12, set()) | {"classes": []}
    (tmp_path / "birds/train/wren").rename(tmp_path / "elsewhere")
    (tmp_path / "birds/train/wren").mkdir()
    (tmp_path / "birds/train/wren/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "birds/train/.ipynb_checkpoints").mkdir()
    pairs = read(built, tmp_path)
    assert sorted(pairs.labels) == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize(
    "wide", [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)
def test_columns_may_be_written_by_other_tools(wide: pa.DataType, tmp_path: Path) -> None:
    """As Polars and pandas write texts and categories."""
    images = pa.array([encoded(number) for number in range(3)], pa.large_binary())
    birds = pa.array(layouts.CLASSES).cast(wide)
    pq.write_table(
        pa.table({"image": images, "bird": birds, "text": birds}), tmp_path / "one.parquet"
    )
    assert list(
        read(row("parquet", "one.parquet", label="bird", caption="text"), tmp_path).labels
    ) == [0, 1, 2]
