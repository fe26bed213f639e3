"""Captions beside images: metadata of Hugging Face's ImageFolder, tables as open_clip trains from, shards of other endings."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams import DatasetError, open_pairs
from streams.formats._files import Files
from streams.pictures import pixels
from tests.layouts import CLASSES, encoded, picture, row, sample, shard, write


def opened(built: dict[str, object], data: Path, split: str = "train") -> Files:
    pairs = open_pairs(built, split, data)
    assert isinstance(pairs, Files)
    return pairs


def captions(pairs: Files) -> list[list[str]]:
    return [list(pairs.source.texts(int(item))) for item in pairs.items]


def metadata(folder: Path, ending: str, rows: list[tuple[str, object]]) -> None:
    """file_name and text of each row, as the library writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    names, texts = [name for name, _ in rows], [text for _, text in rows]
    if ending == "csv":
        lines = [f'{name},"{text}"' for name, text in rows]
        write(folder / "metadata.csv", "\ufefffile_name,text\n" + "\n".join(lines) + "\n")
    elif ending == "jsonl":
        records = [json.dumps({"file_name": name, "text": text}) for name, text in rows]
        write(folder / "metadata.jsonl", "\n".join(records))
    else:
        pq.write_table(pa.table({"file_name": names, "text": texts}), folder / "metadata.parquet")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_metadata_beside_the_images(ending: str, tmp_path: Path) -> None:
    """In the folder of the split and in one below it; an image may come in several rows."""
    train = tmp_path / "birds/train"
    for number in range(5):
        write(train / f"{number}.png", encoded(number))
    write(train / "more/5.png", encoded(5))
    rows = [
        ("1.png", "one, a bird"),
        ("0.png", "nought"),
        ("1.png", "one again"),
        ("9.png", "gone"),
    ]
    metadata(train, ending, [*rows, ("3.png", " ")])
    metadata(train / "more", ending, [("5.png", "five")])
    write(train / "notes.md", "x")
    built = row("imagefolder", "birds", train="train", test="test", caption="text")
    pairs = opened(built | {"classes": [], "kind": "captions"}, tmp_path)
    assert [pairs.name(n) for n in range(3)] == ["0.png", "1.png", "more/5.png"]
    assert captions(pairs) == [["nought"], ["one, a bird", "one again"], ["five"]]
    assert np.array_equal(pairs.images(np.array([2]))[0], pixels(picture(5), 24))
    assert pairs.unused.counts == {
        "named in a list and not there": 1,
        "no caption": 3,
        "not a kind of picture that is read": 1,
    }
    assert pairs.labels.tolist() == [-1, -1, -1]


def test_a_cell_may_hold_several_captions_and_a_folder_or_a_column_the_class(
    tmp_path: Path,
) -> None:
    records = []
    for number, name in enumerate(CLASSES):
        write(tmp_path / f"birds/{name}/{number}.png", encoded(number))
        record = {"file_name": f"{name}/{number}.png", "alt": [f"a {name}", "a bird"], "bird": name}
        records.append(json.dumps(record | {"n": 2 - number}))
    write(tmp_path / "birds/metadata.jsonl", "\n".join([*records, "[1]", "{"]))
    pairs = opened(row("imagefolder", "birds", caption="alt"), tmp_path)
    assert captions(pairs)[1] == ["a gull", "a bird"] and pairs.labels.tolist() == [0, 1, 2]
    assert pairs.unused.counts == {"not as many fields as the header": 2}
    for column, labels in (("bird", [0, 1, 2]), ("n", [2, 1, 0])):
        named = opened(row("imagefolder", "birds", caption="alt", label=column), tmp_path)
        assert named.labels.tolist() == labels
    with pytest.raises(
        DatasetError,
        match="has no column 'text', which `caption` in the row's params names. Its columns: file_name,",
    ):
        opened(row("imagefolder", "birds", caption="text"), tmp_path)
    with pytest.raises(
        DatasetError, match="label names a column of the metadata, and caption names"
    ):
        opened(row("imagefolder", "birds", label="bird"), tmp_path)
    (tmp_path / "birds/metadata.jsonl").unlink()
    with pytest.raises(
        DatasetError, match="there is no metadata.csv, .* in .*birds or below it, and"
    ):
        opened(row("imagefolder", "birds", caption="text"), tmp_path)


def test_numbers_in_a_csv_are_names_where_classes_are_called_so(tmp_path: Path) -> None:
    lines = ["file_name,text,bird", "0.png,x,2", "1.png,y,1", "2.png,z,"]
    write(tmp_path / "birds/metadata.csv", "\n".join(lines))
    for number in range(3):
        write(tmp_path / f"birds/{number}.png", encoded(number))
    built = row("imagefolder", "birds", caption="text", label="bird")
    assert opened(built, tmp_path).labels.tolist() == [2, 1, -1]
    assert opened(built | {"classes": ["1", "2"]}, tmp_path).labels.tolist() == [1, 0, -1]


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_open_clip_s_table(separator: str, tmp_path: Path) -> None:
    """`filepath` and `title`; a quoted cell may hold the separator, a line break and quotation marks."""
    write(tmp_path / "pairs/img/Krähe 1.png", encoded(0))
    write(tmp_path / "pairs/img/2.png", encoded(1))
    lines = [
        f"filepath{separator}title",
        f'img/Krähe 1.png{separator}"a ""crow""{separator}\nhere"',
        f"img/2.png{separator}a gull",
        f"img/2.png{separator}a gull again",
        f"img/2.png{separator}one{separator}too many",
        f"{separator}no path",
        "",
    ]
    write(tmp_path / "pairs/train.csv", "\n".join(lines))
    said = {} if separator in "\t," else {"separator": separator}
    pairs = opened(row("table", "pairs", train="train.csv", test="test.csv", **said), tmp_path)
    assert captions(pairs) == [["a gull", "a gull again"], [f'a "crow"{separator}\nhere']]
    assert [pairs.name(n) for n in range(2)] == ["img/2.png", "img/Krähe 1.png"]
    assert pairs.unused.counts == {"not as many fields as the header": 1, "no image": 1}


def test_where_the_paths_of_a_table_start(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/0.png", encoded(0))
    write(tmp_path / "pairs/images/1.png", encoded(1))
    absolute = tmp_path / "elsewhere/0.png"
    write(tmp_path / "pairs/lists/all.tsv", f"image\ttext\n{absolute}\tone\n1.png\ttwo\n")
    built = row("table", "pairs/lists/all.tsv", image="image", caption="text")
    assert captions(opened(built, tmp_path)) == [["one"]]
    built = row(
        "table", "pairs", train="lists/all.tsv", images="images", image="image", caption="text"
    )
    assert captions(opened(built, tmp_path)) == [["one"], ["two"]]
    with pytest.raises(DatasetError, match="has no column 'filepath', which `image` in the row's"):
        opened(row("table", "pairs/lists/all.tsv"), tmp_path)
    with pytest.raises(DatasetError, match="must hold one table for a split, and holds none"):
        opened(row("table", "pairs"), tmp_path)
    write(tmp_path / "pairs/lists/open.csv", 'filepath,title\n0.png,"' + "x" * (1 << 24) + "y\n")
    with pytest.raises(DatasetError, match="open.csv, line .*A quotation mark that is not closed"):
        opened(row("table", "pairs/lists/open.csv"), tmp_path)
    write(tmp_path / "pairs/lists/empty.csv", "")
    with pytest.raises(
        DatasetError, match="empty.csv is empty; its first line must name the columns"
    ):
        opened(row("table", "pairs/lists/empty.csv"), tmp_path)


def test_a_key_says_which_member_of_a_sample_is_the_image(tmp_path: Path) -> None:
    """As image-editing shards have them: `7.input.jpg` and `7.output.jpg`."""
    samples = []
    for number in range(4):
        key, parts = sample(number)
        parts["input.jpg"] = parts.pop("jpg")
        parts["output.jpg"] = encoded(10 + number, kind="JPEG")
        samples.append((key, parts))
    shard(tmp_path / "pool/00000.tar", samples)
    with pytest.raises(
        DatasetError,
        match=r"Their members end in .*\.input\.jpg.*\.output\.jpg.*`image` which member is the image",
    ):
        opened(row("webdataset", "pool"), tmp_path)
    pairs = opened(row("webdataset", "pool", image="input.jpg"), tmp_path)
    off = np.abs(pairs.images(np.arange(1))[0].astype(int) - pixels(picture(0), 24))
    assert len(pairs) == 4 and off.mean() < 4
    assert pairs.unused.counts == {"another picture of a sample that has one": 4}


def test_shards_by_numbers_in_braces(tmp_path: Path) -> None:
    for number in range(3):
        shard(tmp_path / f"pool/{number:05}.tar", [sample(number)])
    ranged = row("webdataset", "pool/{00000..00001}.tar")
    assert [opened(ranged, tmp_path).name(n) for n in range(2)] == [
        "00000/000000000",
        "00001/000000001",
    ]
    within = row("webdataset", "pool", train="{00001..00002}.tar", test="00000.tar")
    assert len(opened(within, tmp_path)) == 2 and len(opened(within, tmp_path, "test")) == 1
    assert len(opened(row("webdataset", "pool/*.tar"), tmp_path)) == 3
    with pytest.raises(
        DatasetError,
        match=r"2 of the 4 files of \{00001..00004\}.tar are not in .*pool: .*00003.tar, .*00004.tar. "
        r"Fetch them, write the numbers that are there, or a pattern such as \*.tar",
    ):
        opened(row("webdataset", "pool/{00001..00004}.tar"), tmp_path)


def test_members_of_one_name_are_counted_and_the_last_one_counts(tmp_path: Path) -> None:
    shard(tmp_path / "pool/0.tar", [("1", {"jpg": encoded(1, kind="JPEG"), "txt": b"first"})])
    with tarfile.open(tmp_path / "pool/0.tar", "a") as tar:
        write(tmp_path / "later.txt", "second")
        tar.add(tmp_path / "later.txt", "1.txt")
        link = tarfile.TarInfo("2.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "1.jpg"
        tar.addfile(link)
    pairs = opened(row("webdataset", "pool"), tmp_path)
    assert captions(pairs) == [["second"]]
    assert pairs.unused.counts == {
        "a name that comes again, of which the last counts": 1,
        "a link or a device in a tar": 1,
    }
