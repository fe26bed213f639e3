"""What a row says and what the files at its place say: the same, or followed by name, or refused with both sides named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams import ContradictionError, DatasetError, open_pairs
from streams.check import contradictions, look
from streams.formats._labels import order_of, renamed
from tests.layouts import CLASSES, LAYOUTS, encoded, row, write

WANTED = {"train_pairs": None, "test_pairs": None}


def hub(file: Path, names: list[str] | None, labels: list[int], first: int = 0) -> None:
    """A Parquet file whose label column is a ClassLabel of these names, as the Hub writes it."""
    images = [encoded(first + number) for number in range(len(labels))]
    made = pa.table({"image": pa.array(images, pa.binary()), "label": labels})
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    if names is not None:
        made = made.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, file)


def opened(data: Path, classes: list[str], split: str = "train", **params: object) -> list[int]:
    built = row("parquet", "birds", label="label", **params) | {"classes": classes}
    return open_pairs(built, split, data).labels.tolist()


def test_crows_are_not_taught_as_gulls(tmp_path: Path) -> None:
    """The names differ in an underscore, so they are not the same set, and stand at other numbers."""
    hub(tmp_path / "birds/0.parquet", ["crow", "gull", "house_wren"], [0, 1, 2])
    with pytest.raises(
        ContradictionError,
        match="class number 0 is 'gull' in the row and 'crow' in 0.parquet. The row has gull, house "
        "wren, crow; 0.parquet has crow, gull, house_wren. Write the row's names in the order of the",
    ):
        opened(tmp_path, ["gull", "house wren", "crow"])
    assert opened(tmp_path, ["crow", "gull", "house wren"]) == [0, 1, 2]
    assert opened(tmp_path, ["house_wren", "crow", "gull"]) == [1, 2, 0], "followed by name"
    assert opened(tmp_path, ["Rabenkraehe", "Moewe", "Zaunkoenig"]) == [0, 1, 2], "renamed"
    with pytest.raises(
        ContradictionError, match=r"names 2 classes \(crow, gull\), and 0.parquet 3"
    ):
        opened(tmp_path, ["crow", "gull"])


def test_each_file_of_a_split_is_followed_by_its_own_names(tmp_path: Path) -> None:
    hub(tmp_path / "birds/0.parquet", ["crow", "gull", "wren"], [0, 1, 2])
    hub(tmp_path / "birds/1.parquet", ["wren", "crow", "gull"], [0, 1, 2], 3)
    assert opened(tmp_path, CLASSES) == [0, 1, 2, 2, 0, 1]
    hub(tmp_path / "birds/1.parquet", ["house wren", "crow", "gull"], [0, 1, 2], 3)
    with pytest.raises(ContradictionError, match="'crow' in the row and 'house wren' in 1.parquet"):
        opened(tmp_path, CLASSES)


def test_files_are_compared_where_the_row_names_no_classes(tmp_path: Path) -> None:
    hub(tmp_path / "birds/0.parquet", ["crow", "gull", "wren"], [0, 1, 2])
    hub(tmp_path / "birds/1.parquet", ["wren", "crow", "gull"], [0, 1, 2], 3)
    assert opened(tmp_path, []) == [0, 1, 2, 2, 0, 1]
    hub(tmp_path / "birds/1.parquet", ["gull", "house_wren"], [0, 1], 3)
    with pytest.raises(ContradictionError, match="the row names 3 classes .*, and 1.parquet 2"):
        opened(tmp_path, [])


def test_the_splits_are_each_compared_with_the_row(tmp_path: Path) -> None:
    hub(tmp_path / "birds/train.parquet", ["crow", "gull", "house_wren"], [0, 1, 2])
    hub(tmp_path / "birds/test.parquet", ["gull", "crow", "house_wren"], [0, 1, 2], 3)
    built = row("parquet", "birds", label="label", train="train.parquet", test="test.parquet")
    built |= {"classes": ["crow", "gull", "house wren"], "splits": ["train", "test"]} | WANTED
    finding = look(built, tmp_path)
    assert finding.state == "refused" and "in test.parquet" in finding.remarks[0]
    assert list(contradictions([built], tmp_path)) == ["birds"]
    hub(tmp_path / "birds/test.parquet", ["crow", "gull", "house_wren"], [0, 1, 2], 3)
    assert contradictions([built], tmp_path) == {}
    absent = built | {"location": "elsewhere"}
    assert contradictions([absent], tmp_path) == {}, "it may be there where the job runs"


@pytest.mark.parametrize(
    ("classes", "refused"),
    [
        (["annual crop land", "forest", "sea or lake"], False),
        (["forest", "annual crop land", "sea or lake"], True),
        (["sea or lake", "annual crop land", "forest"], True),
    ],
)
def test_eurosat_by_torchvision(classes: list[str], refused: bool, tmp_path: Path) -> None:
    for number, name in enumerate(("AnnualCrop", "Forest", "SeaLake")):
        write(tmp_path / f"eurosat/2750/{name}/{name}_1.jpg", encoded(number, kind="JPEG"))
    built = row("torchvision", ".", set="EuroSAT", test_share=0.0) | {"classes": classes}
    if not refused:
        pairs = open_pairs(built, "train", tmp_path)
        assert pairs.labels.tolist() == [0, 1, 2]
        assert "'annual crop land' is 'AnnualCrop'" in pairs.remarks[0]  # type: ignore[attr-defined]
        return
    with pytest.raises(ContradictionError, match="in the row and '(AnnualCrop|SeaLake)' in torch"):
        open_pairs(built, "train", tmp_path)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["zero", "one", "two"], ["0 - zero", "1 - one", "2 - two"]),
        (["tench", "crane bird", "construction crane"], ["tench, Tinca tinca", "crane", "crane"]),
        (["Boeing 737-200", "Boeing 737-300"], ["737-200", "737-300"]),
        (["T-shirt", "trouser"], ["T-shirt/top", "Trouser"]),
        (["a house", "something else"], ["home", "green house"]),
    ],
)
def test_a_new_name_for_a_class_is_no_contradiction(ours: list[str], theirs: list[str]) -> None:
    assert order_of("birds", ours, theirs, "a file") == list(range(len(ours)))
    assert len(renamed(ours, theirs, "a file")) == 1


def test_captions_that_are_a_list_in_one_text_are_noticed(tmp_path: Path) -> None:
    images = pa.array([encoded(number) for number in range(3)], pa.binary())
    texts = ['["a crow", "a bird"]', "['a gull', 'a bird']", "a wren [sic]"]
    pq.write_table(pa.table({"image": images, "text": texts}), tmp_path / "one.parquet")
    built = row("parquet", "one.parquet", caption="text") | {"kind": "captions", "classes": []}
    (said,) = look(built | {"splits": ["train"]} | WANTED, tmp_path).remarks
    assert said.startswith(
        "train: the captions of 2 of the 3 pairs looked at are one text that reads"
    )


def test_images_of_both_splits_are_found_by_their_bytes(tmp_path: Path) -> None:
    for number in range(40):
        for split in ("train", "test"):
            shared = number % 10 == 0 or split == "train"
            name = f"birds/{split}/{CLASSES[number % 3]}/{split}{number}.png"
            write(tmp_path / name, encoded(number if shared else 100 + number))
    built = row("imagefolder", "birds", train="train", test="test")
    built |= {"splits": ["train", "test"]} | WANTED
    finding = look(built, tmp_path, every=True)
    assert finding.state == "there"
    (said,) = [one for one in finding.remarks if "byte for byte" in one]
    assert said.startswith("test: 4 of the 40 images looked at lie in the training split too")
    assert "crow/test0.png" in said
    same = built | {"params": built["params"] | {"test": "./train"}}
    finding = look(same, tmp_path)
    assert (
        finding.state == "refused" and "all 32 test images looked at are tr" in finding.remarks[-1]
    )


def test_a_batch_larger_than_the_data_is_said(tmp_path: Path) -> None:
    built = (
        LAYOUTS["fomo"](tmp_path, 12, set()) | {"splits": ["train"], "batch_pairs": 512} | WANTED
    )
    assert "its 12 pairs are fewer than a batch of 512" in look(built, tmp_path).remarks[0]
    assert look(built | {"batch_pairs": 12}, tmp_path).remarks == []


def test_names_that_differ_in_case_alone_are_said(tmp_path: Path) -> None:
    for name in ("crow", "Crow"):
        write(tmp_path / f"birds/{name}/0.png", encoded(len(name)))
    built = row("imagefolder", "birds") | {"classes": ["crow", "Crow"], "splits": ["train"]}
    assert (
        "classes 'crow' and 'Crow' differ in case or blanks alone"
        in look(built | WANTED, tmp_path).remarks
    )


def test_whatever_is_wrong_with_one_dataset_the_look_goes_on(tmp_path: Path) -> None:
    """A row of a kind that nothing foresaw: named, and not a traceback."""
    built = LAYOUTS["fomo"](tmp_path, 3, set()) | {"splits": ["train"]} | WANTED
    odd = look(built | {"location": 7}, tmp_path)
    assert odd.state == "absent" and "location is 7; it must be the text" in odd.remarks[0]
    numbers = look(built | {"classes": [1, 2, 3]}, tmp_path)
    assert numbers.state == "absent" and "class number 0 is 1" in numbers.remarks[0]
    write(tmp_path / "fomo/00_info/CUB200_train.json", "[" * 100_000)
    assert look(built, tmp_path).state == "absent"


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    hub(tmp_path / "birds/0.parquet", None, [0, 1, 3])
    with pytest.raises(DatasetError, match="and 3 has none of the 3. Name every class"):
        opened(tmp_path, CLASSES)
