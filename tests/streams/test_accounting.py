"""What lies at a place is used, or counted and named with the reason: places of random contents, never one thing lost."""

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import DatasetError, open_pairs
from streams.check import look
from streams.formats._files import Files
from streams.formats._unused import Unused
from tests.layouts import CLASSES, encoded, row, shard, write

SLOW = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
STEMS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0\n\r\t.,\"'"), min_size=1, max_size=6
)
KINDS = st.sampled_from([".png", ".PNG", ".jfif", ".md", ".csv", "", ".tar.gz"])
FOLDERS = st.sampled_from(["", "crow", "gull", "wren/deep", "dodo", ".hidden", "crow/.cache"])
FILES = st.lists(st.tuples(FOLDERS, STEMS, KINDS, st.booleans(), st.booleans()), max_size=12)
PICTURE, BROKEN = encoded(1), b"<html>404</html>"


def used_and_named(
    built: dict[str, object], data: Path, splits: tuple[str, ...]
) -> tuple[int, int]:
    """Pairs of the splits, and things that are named with a reason; where nothing is used, as the refusal has it."""
    used, unused = 0, Unused()
    for split in splits:
        try:
            pairs = open_pairs(built, split, data)
        except DatasetError as problem:
            if "split is empty" in str(problem):
                continue
            raise
        assert isinstance(pairs, Files)
        used, unused = used + len(pairs), pairs.unused
        assert unused.total == unused.counts.total()
        assert all(unused.names[reason] for reason in unused.counts), "each reason with a name"
        "\n".join(unused.lines()).encode()  # it can be printed
    return used, unused.total


@SLOW
@given(FILES, st.sampled_from([0.0, 0.5]))
def test_of_class_folders(files: list[tuple[str, str, str, bool, bool]], share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, written = Path(folder), {"crow/always.png", "gull/always.png", "wren/always.png"}
        for where, stem, kind, hidden, whole in files:
            name = f"{'.' if hidden else ''}{stem}{kind}"
            path = f"{where}/{name}".lstrip("/")
            if name in (".", "..") or (data / "birds" / path).is_dir():
                continue
            written.add(path)
            write(data / "birds" / path, PICTURE if whole else BROKEN)
        for path in ("crow", "gull", "wren"):
            write(data / "birds" / path / "always.png", PICTURE)
        there = sum(path.is_file() for path in (data / "birds").rglob("*"))
        built = row("imagefolder", "birds", test_share=share)
        used, named = used_and_named(built, data, ("train", "test") if share else ("train",))
        assert used + named == there == len(written)


PARTS = st.dictionaries(
    st.sampled_from(["jpg", "png", "txt", "json", "cls", "input.jpg", "npy"]),
    st.booleans(),
    max_size=5,
)


@SLOW
@given(st.lists(st.tuples(STEMS, PARTS), max_size=8, unique_by=lambda one: one[0]))
def test_of_shards(samples: list[tuple[str, dict[str, bool]]]) -> None:
    """Counted in pictures, and in samples that have none."""
    contents = {"txt": b"a bird", "json": b"{}", "cls": b"1", "npy": b"x"}
    with tempfile.TemporaryDirectory() as folder:
        data, members, there = Path(folder), [("always", {"jpg": PICTURE, "txt": b"a bird"})], 1
        for stem, parts in samples:
            if stem == "always" or not parts:
                continue
            whole = {part: contents.get(part, PICTURE) if ok else b"" for part, ok in parts.items()}
            whole |= {"cls": b"1"} if "cls" in parts else {}
            members.append((stem, whole))
            plain = {"jpg", "png"} & set(parts)
            pictures = plain | {"input.jpg"} & set(parts)
            there += len(pictures) if plain else 1
        shard(data / "pool/0.tar", members)
        used, named = used_and_named(row("webdataset", "pool"), data, ("train",))
        assert used + named == there


CELLS = st.one_of(st.none(), st.just(""), st.just(" "), st.just("a bird"), st.just("two\nlines"))
PATHS = st.sampled_from(["0.png", "1.png", "deep/2.png", "gone.png", "", "notes.md"])


@SLOW
@given(st.lists(st.tuples(PATHS, CELLS), max_size=10), st.sampled_from(["jsonl", "parquet"]))
def test_of_metadata_and_the_files_beside_it(
    rows: list[tuple[str, str | None]], ending: str
) -> None:
    """Counted in files, and in what the rows name and is not there, or do not name at all."""
    rows = [*rows, ("1.png", "always")]
    with tempfile.TemporaryDirectory() as folder:
        data, place = Path(folder), Path(folder) / "birds"
        for name in ("0.png", "1.png", "deep/2.png", "deep/3.png", ".4.png", "notes.md"):
            write(place / name, PICTURE)
        names, texts = [name for name, _ in rows], [text for _, text in rows]
        if ending == "jsonl":
            records = [json.dumps({"file_name": name, "text": text}) for name, text in rows]
            write(place / "metadata.jsonl", "\n".join(records))
        else:
            table = pa.table({"file_name": pa.array(names), "text": pa.array(texts, pa.string())})
            pq.write_table(table, place / "metadata.parquet")
        there = 6 + ("gone.png" in names) + names.count("")
        built = row("imagefolder", "birds", caption="text")
        used, named = used_and_named(built, data, ("train",))
        assert used + named == there


@SLOW
@given(st.lists(st.tuples(CELLS, st.sampled_from([PICTURE, BROKEN, None])), max_size=10))
def test_of_the_rows_of_parquet_files(cells: list[tuple[str | None, bytes | None]]) -> None:
    cells = [*cells, ("always", PICTURE)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        images = pa.array([image for _, image in cells], pa.binary())
        texts = pa.array([text for text, _ in cells], pa.string())
        pq.write_table(pa.table({"image": images, "text": texts}), data / "one.parquet")
        built = row("parquet", "one.parquet", caption="text")
        used, named = used_and_named(built, data, ("train",))
        assert used + named == len(cells)


@SLOW
@given(FILES)
def test_the_check_names_every_file_of_a_place(
    files: list[tuple[str, str, str, bool, bool]],
) -> None:
    """Of a dataset with two places for its splits, also those that lie in neither."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for split in ("train", "test"):
            for number, name in enumerate(CLASSES):
                write(data / f"birds/{split}/{name}/{number}.png", encoded(number + 9 * len(split)))
        for where, stem, kind, hidden, whole in files:
            path = data / "birds" / where / f"{'.' if hidden else ''}{stem}{kind}"
            if not path.is_dir() and path.name not in (".", "..", "train", "test"):
                write(path, PICTURE if whole else BROKEN)
        built = row("imagefolder", "birds", train="train", test="test")
        built |= {"splits": ["train", "test"], "train_pairs": None, "test_pairs": None}
        finding = look(built, data)
        files_there = [path for path in (data / "birds").rglob("*") if path.is_file()]
        beside = [
            path
            for path in files_there
            if path.relative_to(data / "birds").parts[0] not in ("train", "test")
        ]
        said = [one for one in finding.remarks if "belong to no split" in one]
        assert finding.state == "there", finding.remarks
        assert len(said) == bool(beside)
        if said:
            assert said[0].startswith(f"{len(beside):,} files at its place belong to no split")
