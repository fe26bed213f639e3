"""What each format reads of its own layout, and what it refuses."""

import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torchvision import datasets

from streams import DatasetError, open_pairs
from streams.formats._files import Files
from streams.pictures import pixels
from tests.layouts import CLASSES, LAYOUTS, Row, encoded, record, row, sample, shard, table, write


def opened(built: Row, data: Path, split: str = "train", **params: object) -> Files:
    """A split that is read from files."""
    pairs = open_pairs(built | {"params": built["params"] | params}, split, data)
    assert isinstance(pairs, Files)
    return pairs


def said(pairs: Files, seed: int = 0) -> list[str]:
    """A caption for every pair."""
    return pairs.captions(np.arange(len(pairs)), np.random.default_rng(seed))


def names(pairs: Files) -> list[str]:
    """What the items are called."""
    return [pairs.name(index) for index in range(len(pairs))]


def test_class_folders_are_the_row_s_classes_or_all_of_them_sorted(tmp_path: Path) -> None:
    built = LAYOUTS["imagefolder"](tmp_path, 6, set())
    write(tmp_path / "birds" / "train" / "auk" / "deep" / "er" / "1.JPG", encoded(1, kind="JPEG"))
    every = opened(built | {"classes": [], "templates": []}, tmp_path)
    birds = [
        "crow/00000.png",
        "crow/00003.png",
        "gull/00001.png",
        "gull/00004.png",
        "wren/00002.png",
        "wren/00005.png",
    ]
    assert names(every) == ["auk/deep/er/1.JPG", *birds]
    assert list(every.labels) == [0, 1, 1, 2, 2, 3, 3] and said(every)[:2] == [
        "a photo of a auk",
        "a photo of a crow",
    ]
    some = opened(built | {"classes": ["wren", "crow"]}, tmp_path)
    assert names(some)[0] == "wren/00002.png" and list(some.labels) == [0, 0, 1, 1]
    coded = opened(
        built | {"classes": ["winter wren", "carrion crow"]}, tmp_path, folders=["wren", "crow"]
    )
    assert names(coded) == names(some) and "winter wren" in said(coded)[0]


def test_class_folders_that_are_not_there_are_refused(tmp_path: Path) -> None:
    built = LAYOUTS["imagefolder"](tmp_path, 3, set())
    with pytest.raises(
        DatasetError,
        match=r"there is no .*train/dodo; it should contain the images of a class; `folders` in the",
    ):
        opened(built | {"classes": ["crow", "dodo"]}, tmp_path)
    with pytest.raises(DatasetError, match="2 folders are named for 3 classes; name one for each"):
        opened(built, tmp_path, folders=["crow", "gull"])
    with pytest.raises(
        DatasetError,
        match=r"there is no .*birds/test; it should contain a folder of images for each class",
    ):
        opened(built, tmp_path, "test")


def test_shards_are_indexed_once_and_read_by_seek(tmp_path: Path) -> None:
    """With every header of the shards wiped, and only the index to say where the members are."""
    built = LAYOUTS["webdataset"](tmp_path, 7, set())
    first = opened(built, tmp_path)
    images, captions = first.images(np.arange(7)), said(first)
    assert names(first) == [f"0000{n // 5}/0000{n // 5}{n % 5:04}" for n in range(7)]
    assert captions == [f"{CLASSES[n % 3]} number {n}" for n in range(7)] and list(
        first.labels
    ) == [n % 3 for n in range(7)]
    for file in sorted((tmp_path / "pool").glob("*.tar")):
        about, data = file.stat(), bytearray(file.read_bytes())
        with tarfile.open(file) as tar:
            for member in tar.getmembers():
                data[member.offset : member.offset_data] = b"x" * (
                    member.offset_data - member.offset
                )
        file.write_bytes(data)
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    second = opened(built, tmp_path)
    assert np.array_equal(second.images(np.arange(7)), images) and said(second) == captions
    os.utime(tmp_path / "pool" / "00000.tar", ns=(1, 1))
    with pytest.raises(
        DatasetError,
        match=r"00000.tar is not a whole, uncompressed tar file \(.*\). Fetch it again, or unpack it.",
    ):
        opened(built, tmp_path)


def test_captions_of_shards_come_from_the_text_a_key_or_templates(tmp_path: Path) -> None:
    built = LAYOUTS["webdataset"](tmp_path, 5, set())
    assert said(opened(built, tmp_path, caption="json:caption")) == said(opened(built, tmp_path))
    listed = opened(built, tmp_path, caption="json:alt")
    assert {caption for seed in range(20) for caption in said(listed, seed)[:1]} == {
        "crow number 0",
        "crow number 0, said otherwise",
    }
    assert said(opened(built | {"templates": []}, tmp_path, caption="templates")) == [
        f"a photo of a {CLASSES[n % 3]}" for n in range(5)
    ]
    with pytest.raises(
        DatasetError, match="caption is 'text'; it must be txt, json:KEY or templates"
    ):
        opened(built, tmp_path, caption="text")
    with pytest.raises(
        DatasetError,
        match="captions from templates need a class for every label, and 0 has none of the 0",
    ):
        opened(built | {"classes": []}, tmp_path, caption="templates")
    with pytest.raises(
        DatasetError,
        match=r"00000/000000002 has label 2, and the row has 2 classes. Labels run from 0 to 1",
    ):
        opened(built | {"classes": ["crow", "gull"]}, tmp_path)


def test_a_pair_without_a_caption_is_left_out_and_a_label_may_be_missing(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(4)]
    samples[0][1]["txt"] = b" \n"
    del samples[1][1]["txt"], samples[2][1]["jpg"], samples[3][1]["cls"]
    shard(
        tmp_path / "pool" / "deep" / "a.b.tar", [(f"./some/{key}", found) for key, found in samples]
    )
    pairs = opened(row("webdataset", "pool"), tmp_path)
    assert (
        names(pairs) == ["deep/a.b/some/000000003"]
        and said(pairs) == ["crow number 3"]
        and list(pairs.labels) == [-1]
    )
    assert names(opened(row("webdataset", "pool/deep/a.b.tar"), tmp_path)) == ["a.b/some/000000003"]
    assert names(opened(row("webdataset", "pool", caption="json:caption"), tmp_path))[0].endswith(
        "some/000000000"
    )
    with pytest.raises(
        DatasetError,
        match=r"no sample of the 1 shards in .* has an image and a caption \(json:captoin\). Their members end in \S.*: `caption` in",
    ):
        opened(row("webdataset", "pool", caption="json:captoin"), tmp_path)
    shard(
        tmp_path / "odd.tar",
        [("1", {"jpg": encoded(1, kind="JPEG"), "txt": b"one", "cls": b"crow"})],
    )
    with pytest.raises(
        DatasetError, match=r"odd.tar: 1.cls holds b'crow'; it must be the number of a class"
    ):
        opened(row("webdataset", "odd.tar"), tmp_path)
    shard(
        tmp_path / "bad.tar",
        [
            ("1", {"jpg": encoded(1), "json": b"{cut"}),
            ("2", {"jpg": encoded(2), "json": b'{"n": 7}'}),
        ],
    )
    assert said(opened(row("webdataset", "bad.tar", caption="json:n"), tmp_path)) == ["7"]


def test_shards_that_are_cut_off_or_absent_are_refused(tmp_path: Path) -> None:
    built = LAYOUTS["webdataset"](tmp_path, 5, set())
    file = tmp_path / "pool" / "00000.tar"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DatasetError, match="00000.tar is not a whole, uncompressed tar file"):
        opened(built, tmp_path)
    with pytest.raises(
        DatasetError,
        match=r"there are no .tar files at .*pool/no test shards. Say where with location, train and",
    ):
        opened(built, tmp_path, "test")


def test_columns_of_parquet_files(tmp_path: Path) -> None:
    built = LAYOUTS["parquet"](tmp_path, 11, set())
    listed = opened(built, tmp_path)
    assert names(listed)[4:6] == ["data/train-00000-of-00002/4", "data/train-00001-of-00002/0"]
    assert {caption for seed in range(20) for caption in said(listed, seed)[10:]} == {
        "gull number 10",
        "gull number 10, said otherwise",
    }
    assert said(opened(built, tmp_path, caption="text")) == [
        f"{CLASSES[n % 3]} number {n}" for n in range(11)
    ]
    templated = opened(built | {"classes": [], "templates": []}, tmp_path, caption="")
    assert said(templated) == [f"a photo of a {CLASSES[n % 3]}" for n in range(11)], (
        "the names in the file's metadata"
    )
    assert list(opened(built, tmp_path, label="").labels) == [-1] * 11
    with pytest.raises(
        DatasetError, match=r"has no label column 'lable'. Its columns: image, label, text, texts"
    ):
        opened(built, tmp_path, label="lable")
    with pytest.raises(
        DatasetError,
        match="name a caption column, or a label column, for captions from the row's templates",
    ):
        opened(built, tmp_path, label="", caption="")
    with pytest.raises(
        DatasetError, match=r"there are no .parquet files at .*data/test-\*.parquet"
    ):
        opened(built, tmp_path, "test")


def test_plain_bytes_and_class_names_in_parquet(tmp_path: Path) -> None:
    images = [encoded(0), None, encoded(2)]
    made = pa.table({"jpg": pa.array(images, pa.binary()), "bird": ["wren", "wren", "crow"]})
    write(tmp_path / "one.parquet", b"")
    pq.write_table(made, tmp_path / "one.parquet")
    pairs = opened(row("parquet", "one.parquet", image="jpg", label="bird"), tmp_path)
    assert list(pairs.labels) == [2, 2, 0] and names(pairs) == ["one/0", "one/1", "one/2"]
    assert np.array_equal(
        pairs.images(np.array([1]))[0], pixels(encoded(0), 24)
    ) and pairs.corrupt == ["one/1"]
    with pytest.raises(
        DatasetError, match="label 'wren' is not among the row's classes: crow, gull"
    ):
        opened(
            row("parquet", "one.parquet", image="jpg", label="bird")
            | {"classes": ["crow", "gull"]},
            tmp_path,
        )


def test_rows_without_a_caption_are_left_out(tmp_path: Path) -> None:
    images = pa.array([encoded(n) for n in range(6)], pa.binary())
    texts = [["one"], None, [], ["", "three"], [" "], ["five"]]
    pq.write_table(
        pa.table({"image": images, "text": texts, "label": list(range(6))}),
        tmp_path / "one.parquet",
    )
    pairs = opened(
        row("parquet", "one.parquet", caption="text", label="label") | {"classes": list("abcdef")},
        tmp_path,
    )
    assert names(pairs) == ["one/0", "one/3", "one/5"] and list(pairs.labels) == [0, 3, 5]
    assert said(pairs) == ["one", "three", "five"]
    assert np.array_equal(pairs.images(np.array([2]))[0], pixels(encoded(5), 24))


def test_parquet_is_copied_once_and_again_when_it_changes(tmp_path: Path) -> None:
    pq.write_table(table([0, 1, 2], set()), tmp_path / "one.parquet")
    built = row("parquet", "one.parquet", label="label")
    assert [len(opened(built, tmp_path)) for _ in range(2)] == [3, 3] and len(
        list((tmp_path / "parquet").iterdir())
    ) == 1
    pq.write_table(table([0, 1, 2, 3], set()), tmp_path / "one.parquet")
    assert (
        opened(built, tmp_path).images(np.arange(4)).shape[0] == 4
        and len(list((tmp_path / "parquet").iterdir())) == 2
    )
    (tmp_path / "one.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(
        DatasetError, match=r"one.parquet is not a whole Parquet file \(.*\). Fetch it again."
    ):
        opened(built, tmp_path)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as MNIST's files have it: two zeros, 8 (bytes), the dimensions, their sizes, the values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def mnist(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Nine training and three test digits; the digits and labels of the training split."""
    digits = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
    labels = np.arange(12) % 10
    for stem, some in (("train", slice(0, 9)), ("t10k", slice(9, 12))):
        write(data / "digits" / "MNIST" / "raw" / f"{stem}-images-idx3-ubyte", idx(digits[some]))
        write(data / "digits" / "MNIST" / "raw" / f"{stem}-labels-idx1-ubyte", idx(labels[some]))
    return digits[:9], labels[:9]


def test_torchvision_s_own_reading_is_what_is_read(tmp_path: Path) -> None:
    digits, labels = mnist(tmp_path)
    built = row("torchvision", "digits", set="MNIST", image_px=28) | {
        "classes": [str(n) for n in range(10)]
    }
    pairs = opened(built, tmp_path)
    assert list(pairs.labels) == list(labels) and len(opened(built, tmp_path, "test")) == 3
    assert np.array_equal(pairs.images(np.arange(9)), np.repeat(digits[:, None], 3, 1))
    assert (
        said(opened(built | {"classes": [], "templates": ["the digit {}"]}, tmp_path, "test"))[0]
        == "the digit 9 - nine"
    )
    held = [
        names(
            opened(
                built, tmp_path, split, train={"train": True}, test={"train": True}, test_share=0.4
            )
        )
        for split in ("train", "test")
    ]
    assert sorted(held[0] + held[1]) == [f"MNIST/all/{n}" for n in range(9)] and held[0] and held[1]


def test_the_arguments_of_a_torchvision_dataset(tmp_path: Path) -> None:
    built = LAYOUTS["torchvision"](tmp_path, 9, set())
    assert len(opened(built, tmp_path)) == 9 and len(opened(built, tmp_path, "test")) == 3
    assert len(opened(built, tmp_path, train={"split": "test"})) == 3
    with pytest.raises(
        DatasetError,
        match=r"torchvision's Food101 has no argument 'spilt' that a row may say. Allowed: split. Did you",
    ):
        opened(built, tmp_path, train={"spilt": "test"})
    with pytest.raises(
        DatasetError, match="torchvision's Food101 has no argument 'download' that a row may say"
    ):
        opened(built, tmp_path, train={"download": True})
    with pytest.raises(
        DatasetError,
        match=r"cannot open Food101 .* with \{'split': 'trainval'\} \(Unknown value 'trainval'",
    ):
        opened(built, tmp_path, train={"split": "trainval"})
    with pytest.raises(
        DatasetError, match=r"no class 'Fod101' that reads a folder. Did you mean 'Food101'"
    ):
        opened(built, tmp_path, set="Fod101")
    with pytest.raises(DatasetError, match="no class 'FakeData' that reads a folder"):
        opened(built, tmp_path, set="FakeData")
    with pytest.raises(
        DatasetError,
        match="the row names 3 classes .*, and torchvision's MNIST 10 .0 - zero, 1 - one",
    ):
        mnist(tmp_path)
        opened(row("torchvision", "digits", set="MNIST"), tmp_path)


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    for name in ("CIFAR10", "MNIST", "Food101", "SVHN", "DTD"):
        with pytest.raises(
            DatasetError, match=rf"torchvision cannot open {name} in .* Download it there first"
        ):
            opened(row("torchvision", ".", set=name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_most_of_torchvision_s_classifications_may_be_named() -> None:
    """Those of the usual suites take a root, so that a row can name them."""
    from streams.formats.torchvision import _takes

    suite = [
        "CIFAR100",
        "Caltech101",
        "Country211",
        "DTD",
        "EuroSAT",
        "FGVCAircraft",
        "Flowers102",
        "GTSRB",
        "ImageNet",
        "SUN397",
    ]
    assert all("download" not in _takes(name) and hasattr(datasets, name) for name in suite)
    assert _takes("DTD") == ["split", "partition"] and _takes("EuroSAT") == []


def test_the_published_rule_of_captions(tmp_path: Path) -> None:
    """The default one, else one of the merged ones, else the primer."""
    built = LAYOUTS["fomo"](tmp_path, 4, set())
    records = {f"cub-200-images-train/{n}.png": record(n) for n in range(4)}
    records["cub-200-images-train/0.png"]["default_caption"] = "as it came"
    records["cub-200-images-train/1.png"]["default_caption"] = ["one of five", "two of five"]
    records["cub-200-images-train/2.png"]["synthetic_merged_caption"] = None
    records["cub-200-images-train/3.png"]["synthetic_merged_caption"] = "merged, one"
    write(tmp_path / "fomo" / "00_info" / "CUB200_train.json", json.dumps(records))
    drawn = [{said(opened(built, tmp_path), seed)[n] for seed in range(20)} for n in range(4)]
    assert drawn == [
        {"as it came"}, {"one of five", "two of five"}, {"A photo of a wren, a type of bird."}, {"merged, one"}
    ]  # fmt: skip
    assert said(opened(built, tmp_path, "test", test="train", test_share=1))[1] == "one of five"
    assert (
        said(opened(built, tmp_path, captions="primer"))[0] == "A photo of a crow, a type of bird."
    )
    assert said(opened(built, tmp_path, captions="synthetic")) == ["a bird on a branch"] * 4
    with pytest.raises(
        DatasetError,
        match=r"images-train/2.png has no synthetic_merged_caption. Choose other captions \(published, ",
    ):
        opened(built, tmp_path, captions="merged")
    with pytest.raises(
        DatasetError,
        match="captions is 'mreged'; it must be one of published, primer, synthetic, merged, default",
    ):
        opened(built, tmp_path, captions="mreged")


def test_the_tar_of_a_dataset_is_the_same_dataset(tmp_path: Path) -> None:
    built = LAYOUTS["fomo"](tmp_path, 12, {4})
    folder = opened(built, tmp_path)
    images, captions = folder.images(np.arange(12)), said(folder)
    with tarfile.open(tmp_path / "fomo" / "CUB200.tar", "w") as tar:
        tar.add(tmp_path / "fomo" / "CUB200", "CUB200")
    packed = opened(built | {"location": "fomo/CUB200.tar"}, tmp_path)
    assert np.array_equal(packed.images(np.arange(12)), images) and said(packed) == captions
    assert packed.corrupt == folder.corrupt == ["cub-200-images-train/4.png"]


def test_an_image_that_is_recorded_and_not_there_is_unreadable(tmp_path: Path) -> None:
    built = LAYOUTS["fomo"](tmp_path, 12, set())
    with tarfile.open(tmp_path / "fomo" / "CUB200.tar", "w") as tar:
        for number in range(11):
            tar.add(
                tmp_path / "fomo" / "CUB200" / "cub-200-images-train" / f"{number}.png",
                f"CUB200/cub-200-images-train/{number}.png",
            )
    (tmp_path / "fomo" / "CUB200" / "cub-200-images-train" / "11.png").unlink()
    for location in ("fomo/CUB200", "fomo/CUB200.tar"):
        pairs = opened(built | {"location": location}, tmp_path)
        assert len(pairs.images(np.arange(12))) == 12 and pairs.corrupt == [
            "cub-200-images-train/11.png"
        ]


def test_resized_copies_other_folders_and_other_endings(tmp_path: Path) -> None:
    """`CUB200_train_24/...` inside the folder; MTSD's test records end in `val`; the records are in the code's folder."""
    built = LAYOUTS["fomo"](tmp_path, 3, set())
    write(
        tmp_path / "fomo" / "CUB200" / "CUB200_train_24" / "cub-200-images-train/0.png", encoded(8)
    )
    small = {"CUB200_train_24/cub-200-images-train/0.png": record(0)}
    write(tmp_path / "code" / "data_lib" / "00_info" / "CUB200_train_24.json", json.dumps(small))
    write(
        tmp_path / "fomo" / "00_info" / "CUB200_val.json",
        json.dumps({"cub-200-images-train/1.png": record(1)}),
    )
    resized = opened(built, tmp_path, resized=24, info="../../code/data_lib/00_info")
    assert names(resized) == list(small) and resized.images(np.arange(1)).shape == (1, 3, 24, 24)
    assert names(opened(built, tmp_path, "test", test="val")) == ["cub-200-images-train/1.png"]
    with pytest.raises(
        DatasetError,
        match=r"there is no .*CUB200_test.json; it should contain image path -> caption record; train,",
    ):
        opened(built, tmp_path, "test")
    with pytest.raises(
        DatasetError,
        match=r"there is no .*elsewhere; it should contain the records of FoMo-in-Flux, CUB200_train.json",
    ):
        opened(built, tmp_path, info="elsewhere")


def test_targets_index_into_the_class_list_of_the_file(tmp_path: Path) -> None:
    built = LAYOUTS["fomo"](tmp_path, 3, set())
    with pytest.raises(
        DatasetError,
        match="its classes are not those of CUB200_classnames.json, from 1 on: the row has 'wren', the file 'gull'; targets index into",
    ):
        opened(built | {"classes": ["crow", "wren", "gull"]}, tmp_path)
    assert list(opened(built | {"classes": []}, tmp_path).labels) == [2, 1, 0]
    (tmp_path / "fomo" / "00_info" / "CUB200_classnames.json").unlink()
    assert list(opened(built | {"classes": []}, tmp_path).labels) == [-1, -1, -1], (
        "Flickr30k and COCO have no classes"
    )
