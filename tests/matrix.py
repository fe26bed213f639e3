"""What is read and what is refused, case by case: the matrix of docs/datasets.md, each line of it carried out."""

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streams import DatasetError, open_pairs
from streams.formats._files import Files
from tests.layouts import CLASSES, Row, encoded, row, sample, shard, write

Builder = Callable[[Path], Row]


@dataclass(frozen=True)
class Case:
    """A place, what the page says lies there, and what becomes of it.

    Attributes:
        outcome: `read`, `counted` (used in part, the rest named with the reason) or `refused`.
        words: the reason, or words of the refusal.
    """

    form: str
    there: str
    build: Builder
    outcome: str
    words: str = ""

    @property
    def line(self) -> str:
        """The line of the matrix."""
        return f"| `{self.form}` | {self.there} | {self.outcome} | {self.words} |"

    def carried_out(self, data: Path) -> tuple[str, str]:
        """What becomes of the place, and the words that go with it."""
        try:
            pairs = open_pairs(self.build(data), "train", data)
        except DatasetError as problem:
            return "refused", str(problem)
        assert isinstance(pairs, Files) and len(pairs)
        lines = [*pairs.unused.lines(), *pairs.remarks]
        return ("counted" if lines else "read"), "; ".join(lines)


def folders(*names: str, **params: object) -> Builder:
    def build(data: Path) -> Row:
        for name in ("crow/0.png", "gull/1.png", "wren/2.png", *names):
            write(data / "birds" / name, encoded(1))
        return row("imagefolder", "birds", **params)

    return build


def without_a_folder(data: Path) -> Row:
    return folders()(data) | {"classes": [*CLASSES, "dodo"]}


def listed(ending: str, **params: object) -> Builder:
    def build(data: Path) -> Row:
        folders()(data)
        paths = ["crow/0.png", "crow/0.png", "gull/1.png", "wren/2.png"]
        place, texts = data / "birds", [f"a bird, number {n}" for n in range(4)]
        if ending == "csv":
            lines = [f'{path},"{text}"' for path, text in zip(paths, texts, strict=True)]
            write(place / "metadata.csv", "\n".join(["file_name,text", *lines]))
        elif ending == "jsonl":
            pairs = zip(paths, texts, strict=True)
            records = [json.dumps({"file_name": path, "text": text}) for path, text in pairs]
            write(place / "metadata.jsonl", "\n".join(records))
        elif ending == "parquet":
            pq.write_table(
                pa.table({"file_name": paths, "text": texts}), place / "metadata.parquet"
            )
        return row("imagefolder", "birds", caption="text") | {
            "params": {"caption": "text"} | params
        }

    return build


def pool(change: Callable[[dict[str, bytes]], object] | None = None, **params: object) -> Builder:
    def build(data: Path) -> Row:
        samples = [sample(number) for number in range(6)]
        if change is not None:
            change(samples[0][1])
        shard(data / "pool/00000.tar", samples)
        return row("webdataset", params.pop("location", "pool"), **params)  # type: ignore[arg-type]

    return build


def zipped(data: Path) -> Row:
    (data / "pool").mkdir()
    tarfile.open(data / "pool/0.tar", "w:gz").close()
    return row("webdataset", "pool")


def edited(data: Path, **params: object) -> Row:
    key, parts = sample(0)
    parts["input.jpg"] = parts.pop("jpg")
    shard(data / "pool/0.tar", [(key, parts)])
    return row("webdataset", "pool", **params)


def columns(names: list[str] | None = None, **made: object) -> Builder:
    def build(data: Path) -> Row:
        images = pa.array([encoded(number) for number in range(3)], pa.binary())
        table = pa.table({"image": images, "label": [0, 1, 2]} | made)
        if names is not None:
            features = {"label": {"names": names, "_type": "ClassLabel"}}
            noted = {"huggingface": json.dumps({"info": {"features": features}})}
            table = table.replace_schema_metadata(noted)
        pq.write_table(table, data / "one.parquet")
        caption = "text" if "text" in made else ""
        return row("parquet", "one.parquet", label="label", caption=caption)

    return build


def paths(header: str, *lines: str, **params: object) -> Builder:
    def build(data: Path) -> Row:
        write(data / "pairs/0.png", encoded(0))
        write(data / "pairs/train.csv", "\n".join([header, *lines]))
        return row("table", "pairs/train.csv", **params) | {"classes": []}

    return build


def lists_of_texts() -> pa.Array:
    return pa.array([["a crow", "a bird"], ["a gull"], ["a wren"]], pa.list_(pa.string()))


FOLDER, SHARD, HUB, TABLE = "imagefolder", "webdataset", "parquet", "table"
NAME = "row's classes"
CASES = [
    Case(FOLDER, "a folder of images for each class", folders(), "read"),
    Case(FOLDER, "folders within class folders", folders("crow/deep/er/3.png"), "read"),
    Case(FOLDER, "`.jfif`, `.avif`, `.jp2`, `.ico`, `.psd` and others", folders("crow/3.avif"), "read"),
    Case(FOLDER, "files that are no pictures", folders("crow/a.md"), "counted", "not a kind of picture that is read"),
    Case(FOLDER, "hidden files and folders", folders("crow/.3.png"), "counted", "hidden"),
    Case(FOLDER, "a folder of no class", folders("dodo/3.png"), "counted", "in a folder of no class of the row"),
    Case(FOLDER, "images beside the class folders", folders("3.png"), "counted", "outside of every class folder"),
    Case(FOLDER, "a class without a folder", without_a_folder, "refused", "it should contain the images of a class"),
    Case(FOLDER, "`metadata.csv` with several rows an image", listed("csv"), "read"),
    Case(FOLDER, "`metadata.jsonl`", listed("jsonl"), "read"),
    Case(FOLDER, "`metadata.parquet`", listed("parquet"), "read"),
    Case(FOLDER, "no metadata, and `caption` in the row", listed(""), "refused", "Put one there, or leave caption out"),
    Case(SHARD, "samples of an image, `.txt`, `.json`, `.cls`", pool(), "read"),
    Case(SHARD, "a sample without a text", pool(lambda parts: parts.pop("txt")), "counted", "no caption"),
    Case(SHARD, "a sample without an image", pool(lambda parts: parts.pop("jpg")), "counted", "no image"),
    Case(SHARD, "a sample with two images", pool(lambda parts: parts.update(png=encoded(1))), "counted", "another picture of a sample that has one"),
    Case(SHARD, "images called `key.input.jpg`", edited, "refused", "`image` which member is the image"),
    Case(SHARD, 'the same with `"image": "input.jpg"`', lambda data: edited(data, image="input.jpg"), "read"),
    Case(SHARD, "a location with numbers in braces", pool(location="pool/{00000..00000}.tar"), "read"),
    Case(SHARD, "numbers in braces, and a shard missing", pool(location="pool/{00000..00009}.tar"), "refused", "Fetch them, write the numbers that are there, or a pattern"),
    Case(SHARD, "a compressed or cut off shard", zipped, "refused", "is not a whole, uncompressed tar file"),
    Case(SHARD, "`.cls` with a name", pool(lambda parts: parts.update(cls=b"crow")), "refused", "it must be the number of a class"),
    Case(HUB, "images as bytes, labels as numbers", columns(), "read"),
    Case(HUB, "lists of captions", columns(text=lists_of_texts()), "read"),
    Case(HUB, "rows without a caption", columns(text=["a", None, "c"]), "counted", "no caption"),
    Case(HUB, "class names in another order", columns(["wren", "gull", "crow"]), "read"),
    Case(HUB, "other names for the same numbers", columns(["Rabe", "Möwe", "König"]), "counted", "classes of the row have other names"),
    Case(HUB, "a name of the row at another number", columns(["gull", "a_crow", "Crow"]), "refused", "Write the row's names in the order of the files"),
    Case(HUB, "another number of class names", columns(["crow", "gull"]), "refused", "Name every class of the files in the row"),
    Case(HUB, "paths for images", columns(image=["a.png"] * 3), "refused", "Name another column, or convert the file"),
    Case(TABLE, "`filepath` and `title`, a tab between", paths("filepath\ttitle", "0.png\ta bird"), "read"),
    Case(TABLE, "the same with commas", paths("filepath,title", "0.png,a bird"), "read"),
    Case(TABLE, "a path that is not there", paths("filepath\ttitle", "0.png\ta", "9.png\tb"), "counted", "named in a list and not there"),
    Case(TABLE, "a line of more fields than the header", paths("filepath\ttitle", "0.png\ta", "0.png\tb\tc"), "counted", "not as many fields as the header"),
    Case(TABLE, "columns of other names", paths("image\ttext", "0.png\ta"), "refused", "which `image` in the row's params names"),
]  # fmt: skip
HEAD = ["| format | at the place | outcome | in words |", "|---|---|---|---|"]


def table() -> str:
    """The matrix as the page has it."""
    return "\n".join([*HEAD, *[case.line for case in CASES]])
