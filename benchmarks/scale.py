"""Measure what grows with the number of pairs, test images and trials.

    python -m benchmarks.scale [--quick] [--code FOLDER] [--out FILE]

Four things are measured, each size in a process of its own: the memory that a suite's test images
take while they are measured, the tables that a source of pairs holds, streams of shards
(`shard_streams.py`), and the resolving of trials over a stream of many classes. `--code` measures
another checkout with this one's script, so that two commits can be compared; both must open
datasets and measure suites by the same names.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measuring import surroundings

ROOT = Path(__file__).resolve().parents[1]
MB = 1e6
# Of a suite: test sets, and images of each
SUITES = ((2, 500), (4, 500), (8, 500))
# Pairs of a source, in shards of SHARD_PAIRS; the first index of more takes minutes to hours
SOURCES = (10_000, 100_000, 1_000_000)
SHARD_PAIRS = 10_000
# What a rehearsal has in place of these
QUICK_IMAGES, QUICK_SOURCES, QUICK_SHARD_PAIRS = 20, (1_000,), 100
ENDINGS = {"webdataset": "tar", "parquet": "parquet"}
PARTS = ("evaluation", "tables", "streams", "resolving")
# Trials over a stream of 63 datasets with 300 classes each
TRIALS = (1, 100, 1000)
CLASSES, DATASETS = 300, 63
ARCHITECTURE = json.dumps(
    {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 224,
            "patch_size": 56,
            "width": 32,
            "layers": 1,
            "head_width": 16,
        },
        "text_cfg": {"context_length": 8, "width": 32, "heads": 2, "layers": 1},
        "words": ["a", "photo", "of", "class", "picture"],
    }
)


# ---------------------------------------------------------------- what is measured, in a child


def memory_mb(key: str) -> float:
    """Return a value of this process' status: VmRSS is its memory now, VmHWM the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / MB
    raise ValueError(f"no {key} in /proc/self/status")


def forget_peak() -> float:
    """Reset the peak of the memory, and return the memory held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mb("VmRSS")


def evaluation(folder: Path, sets: int, store: bool) -> dict[str, Any]:
    """Measure a suite twice; with `store`, decoded images are kept on the disk."""
    from runner.worker.backbone import build
    from runner.worker.datasets import Datasets
    from runner.worker.evaluation import SuiteTests, measure_suite
    from schema.spec import Spec

    rows = json.loads((folder / "rows.json").read_text())[:sets]
    members = []
    for row in rows:
        metric = "top1" if row["kind"] == "classification" else "r1"
        place = {"dataset": row["name"], "metric": metric}
        members.append(place | {"role": "retain", "weight": 1.0, "label_space": "all"})
    suite = {"name": "suite", "members": members}
    stream: dict[str, Any] = {"name": "s", "datasets": rows, "tasks": 1, "suite": suite}
    stream["sequence"] = {"name": "s", "concepts": [[rows[0]["name"], "*"]]}
    backbone = build(ARCHITECTURE, 0)
    wanted: dict[str, Any] = {}
    if store:
        from runner.run_files import Assignment
        from runner.worker.datasets import ImageSettings
        from runner.worker.pixel_store import open_pixels

        assignment = Assignment(
            trial=1,
            attempt=1,
            batch="b",
            position=0,
            data="",
            store=str(folder / "store"),
            decoded_gb=64,
        )
        wanted["images"] = ImageSettings(px=224, decoded=open_pixels(assignment, 224))
    spec = Spec({"name": "b"}, stream, {}, {}, {"name": "r"}, {}, 0)
    held, began = forget_peak(), time.perf_counter()
    datasets = Datasets(spec, folder, **wanted)
    measured = SuiteTests(suite=suite, tests=datasets.tests, brought=datasets.brought)
    seconds, results = [], []
    for _ in range(2):
        results.append(measure_suite(backbone, measured, (1.0,), 0, 0))
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        if store:
            datasets.publish_decoded()
    assert results[0] == results[1]
    values = [row["value"] for row in results[0]]
    return {"peak_mb": memory_mb("VmHWM") - held, "seconds": seconds, "values": values}


def table(folder: Path, form: str, pairs: int) -> dict[str, Any]:
    """Open a source of pairs, and read a batch of it."""

    from streams import open_pairs

    place = folder / f"{form}-{pairs}"
    row: dict[str, Any] = {
        "name": "d",
        "format": form,
        "location": str(place),
        "classes": [],
        "templates": [],
    }
    params: dict[str, Any] = {"image_px": 32, "test": "none"}
    if form == "parquet":
        params["caption"] = "text"
    row["params"] = params
    # What is imported on first use is no table of pairs
    small = row | {"location": str(folder / f"{form}-small")}
    batch(open_pairs(small, "train", folder / "cache"))
    held, began, work = forget_peak(), time.perf_counter(), time.process_time()
    pairs_there = open_pairs(row, "train", folder / "cache")
    seconds = [time.perf_counter() - began]
    work_s = time.process_time() - work
    assert len(pairs_there) == pairs
    held_mb = memory_mb("VmRSS") - held
    began = time.perf_counter()
    batch(pairs_there)
    seconds.append(time.perf_counter() - began)
    peak_mb = memory_mb("VmHWM") - held
    return {"held_mb": held_mb, "peak_mb": peak_mb, "seconds": seconds, "work_s": work_s}


def batch(pairs: Any) -> None:
    """Read 64 pairs from everywhere."""
    import numpy as np

    rng = np.random.default_rng(0)
    indices = rng.integers(0, len(pairs), 64)
    pairs.images(indices)
    pairs.captions(indices, rng)


def resolving(trials: int) -> dict[str, Any]:
    """Resolve trials of several methods and seeds over one stream, and take their identities."""
    import duckdb

    from runner.scheduler.resolve import Resolver
    from schema.catalog import Catalog
    from schema.migrations import prepare

    with tempfile.TemporaryDirectory() as place:
        catalog = Catalog(Path(place) / "catalog.duckdb", 5)
        prepare(catalog)
        with catalog.open() as connection:
            ids = _declared(connection, trials)
            held, began, work = forget_peak(), time.perf_counter(), time.process_time()
            resolver = Resolver(connection, ids)
            texts = 0
            for trial in ids:
                spec, text = resolver.resolve(trial)
                texts += len(str(text))
                assert spec.stream["tasks"] == 20
            seconds, work_s = time.perf_counter() - began, time.process_time() - work
            peak = memory_mb("VmHWM") - held
    assert duckdb.__version__
    text_bytes = texts // len(ids)
    return {"peak_mb": peak, "seconds": seconds, "work_s": work_s, "text_bytes": text_bytes}


def _declared(connection: Any, trials: int) -> list[int]:
    """Insert a stream of many classes and `trials` trials over it, and return their ids."""
    names = json.dumps([f"a class of some words {number}" for number in range(CLASSES)])
    connection.execute(
        f"""
        INSERT INTO dataset (name, format, location, kind, classes)
        SELECT 'set' || i, 'imagefolder', 'set' || i, 'classification', '{names}'
        FROM range({DATASETS}) r(i);
        INSERT INTO suite (name) VALUES ('s');
        INSERT INTO suite_member (suite, dataset, role, metric)
        SELECT 's', name, 'adapt', 'top1' FROM dataset;
        INSERT INTO sequence (name, ordering) SELECT 's' || i, 'random' FROM range(40) r(i);
        INSERT INTO sequence_concept
        SELECT sequence.name, row_number() OVER (PARTITION BY sequence.name), dataset.name, class
        FROM sequence, (SELECT name, unnest(classes::VARCHAR[]) AS class FROM dataset) dataset;
        INSERT INTO stream (name, sequence, tasks, suite) SELECT name, name, 20, 's' FROM sequence;
        INSERT INTO backbone (name, architecture) VALUES ('b', 'ViT-B-16');
        INSERT INTO mixture (name, update_share, buffer_share, pretraining_share)
        VALUES ('m', 1, 0, 0);
        INSERT INTO method (name) SELECT 'method' || i FROM range(100) r(i);
        INSERT INTO recipe (name, lr, batch_pairs) VALUES ('r', 0.001, 64);
        INSERT INTO budget (name, unit, total) VALUES ('b', 'steps', 100);
        """
    )
    connection.execute(
        """
        INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
        SELECT 'b', 's7', 'm', 'method' || (i % 100), 'r', 'b', i FROM range(?) r(i)
        """,
        [trials],
    )
    return [number for (number,) in connection.execute("SELECT id FROM trial").fetchall()]


# ---------------------------------------------------------------- what it is measured on


def write_suite(folder: Path, sets: int, images: int) -> None:
    """Test sets of pictures of 340 by 256 px: folders of classes, and every other one shards."""
    from benchmarks.formats import CLASSES as NAMES
    from benchmarks.formats import jpeg

    rows = []
    for number in range(sets):
        name = f"set{number}"
        pictures = [jpeg(number * images + place, 340, 256) for place in range(images)]
        row: dict[str, Any] = {"name": name, "location": name, "templates": ["a photo of a {}"]}
        if number % 2:
            row |= {"format": "webdataset", "kind": "retrieval", "classes": []}
            write_shard(folder / name / "0.tar", pictures)
        else:
            row |= {"format": "imagefolder", "kind": "classification", "classes": NAMES}
            for place, picture in enumerate(pictures):
                file = folder / name / NAMES[place % len(NAMES)] / f"{place}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(picture)
        row["params"] = {"image_px": 224, "train": "none", "test": ""}
        rows.append(row)
    (folder / "rows.json").write_text(json.dumps(rows))


def write_shard(file: Path, pictures: list[bytes]) -> None:
    """A shard of pairs as img2dataset writes them, without classes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stem = int(file.stem)
    with tarfile.open(file, "w") as tar:
        for number, picture in enumerate(pictures):
            text = f"a photo of picture {number}".encode()
            for ending, data in (("jpg", picture), ("txt", text)):
                member = tarfile.TarInfo(f"{stem:05}{number:04}.{ending}")
                member.size = len(data)
                tar.addfile(member, BytesIO(data))


def write_source(folder: Path, form: str, pairs: int, name: str) -> None:
    """Write so many pairs of one small image into files; whole ones after the first link to it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks.formats import jpeg

    image = jpeg(0, 8, 8)
    place = folder / f"{form}-{name}"
    place.mkdir(parents=True)
    for number, first in enumerate(range(0, pairs, SHARD_PAIRS)):
        count = min(SHARD_PAIRS, pairs - first)
        file = place / f"{number:05}.{ENDINGS[form]}"
        if number and count == SHARD_PAIRS:
            # Indexed and copied as any other file, because its name differs
            file.hardlink_to(place / f"{0:05}.{ENDINGS[form]}")
            continue
        if form == "webdataset":
            write_shard(file, [image] * count)
            continue
        texts = [f"a photo of picture {first + place}" for place in range(count)]
        images = pa.array([{"bytes": image, "path": ""}] * count)
        columns = pa.table({"image": images, "text": texts})
        pq.write_table(columns, file, row_group_size=1000)


# ---------------------------------------------------------------- the whole


def child(code: Path, *words: object) -> dict[str, Any]:
    """Run a measurement in a separate process, with a checkout's modules; return the result."""
    command = [sys.executable, "-P", str(Path(__file__).resolve()), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def print_evaluation(console: Console, folder: Path, code: Path, quick: bool) -> None:
    """Measure suites, and print a table."""
    console.print("| test sets | images | store | peak MB beside the model | first s | second s |")
    console.print("|--:|--:|---|--:|--:|--:|")
    sizes = SUITES[:1] if quick else SUITES
    images = QUICK_IMAGES if quick else SUITES[0][1]
    write_suite(folder, sizes[-1][0], images)
    able = (code / "runner/worker/pixel_store.py").exists()
    values: dict[int, list[float]] = {}
    for sets, _ in sizes:
        for store in ("no", "empty", "filled")[: 3 if able else 1]:
            found = child(code, "evaluation", folder, sets, store)
            first, second = found["seconds"]
            console.print(
                f"| {sets} | {sets * images:,} | {store} | {found['peak_mb']:,.0f} | {first:.1f} "
                f"| {second:.1f} |"
            )
            assert values.setdefault(sets, found["values"]) == found["values"]


def print_tables(console: Console, folder: Path, code: Path, quick: bool) -> None:
    """Measure sources, and print a table."""
    console.print(
        "\n| format | pairs | B a pair | first us a pair (of a core) "
        "| again us a pair (of a core) | 64 pairs ms |"
    )
    console.print("|---|--:|--:|--:|--:|--:|")
    for form in ("webdataset", "parquet"):
        write_source(folder, form, 20, "small")
        for pairs in QUICK_SOURCES if quick else SOURCES:
            write_source(folder, form, pairs, str(pairs))
            first = child(code, "table", folder, form, pairs)
            found = child(code, "table", folder, form, pairs)
            again, texts = found["seconds"]
            console.print(
                f"| `{form}` | {pairs:,} | {found['held_mb'] * MB / pairs:,.0f} | "
                f"{first['seconds'][0] / pairs * MB:.1f} ({first['work_s'] / pairs * MB:.1f}) | "
                f"{again / pairs * MB:.2f} ({found['work_s'] / pairs * MB:.2f}) | "
                f"{texts * 1000:.0f} |"
            )


def print_resolving(console: Console, code: Path, quick: bool) -> None:
    """Measure the resolving of trials, and print a table."""
    console.print("\n| trials resolved | definition kB | seconds (of a core) | peak MB |")
    console.print("|--:|--:|--:|--:|")
    for trials in TRIALS[1:2] if quick else TRIALS:
        found = child(code, "resolving", trials)
        console.print(
            f"| {trials:,} | {found['text_bytes'] / 1000:,.0f} | {found['seconds']:.2f} "
            f"({found['work_s']:.2f}) | {found['peak_mb']:,.0f} |"
        )


def print_streams(console: Console, folder: Path, code: Path, quick: bool) -> None:
    """Measure streams of shards, and print a table."""
    from benchmarks import shard_streams
    from benchmarks.formats import jpeg

    console.print(
        "\n| pool | pairs | shards | list s | first batch s (of a core) | seek s "
        "| batch after it s (of a core) | list B a shard | held MB | peak MB | pairs/s |"
    )
    console.print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    shard = folder / "0.tar"
    of_a_shard = QUICK_SHARD_PAIRS if quick else shard_streams.SHARD_PAIRS
    write_shard(shard, [jpeg(0, 8, 8)] * of_a_shard)
    shard_streams.write_links(folder, shard, 1, of_a_shard)

    def line(where: str, shards: int, pool: dict[str, Any]) -> None:
        found = child(code, "streams", folder, json.dumps(pool))
        pairs = shards * of_a_shard
        console.print(
            f"| {where} | {pairs:,} | {shards:,} | {found['list_s']:.2f} | {found['first_s']:.2f} "
            f"({found['first_cpu_s']:.2f}) "
            f"| {found['seek_s']:.2f} | {found['on_s']:.2f} ({found['on_cpu_s']:.2f}) "
            f"| {found['list_mb'] * MB / shards:,.0f} | {found['held_mb']:,.0f} "
            f"| {found['peak_mb']:,.0f} | {found['pairs_per_s']:,.0f} |"
        )

    for shards in shard_streams.ON_DISK[: 1 if quick else None]:
        line("disk", shards, shard_streams.write_links(folder, shard, shards, of_a_shard))
    for shards in shard_streams.AT_ADDRESS[: 1 if quick else None]:
        with shard_streams.served(shard, shards, of_a_shard) as pool:
            line("address", shards, pool)


def main() -> None:
    """Run all measurements."""
    if sys.argv[1:2] and not sys.argv[1].startswith("-"):
        what, *words = sys.argv[1:]
        if what == "evaluation":
            answer = evaluation(Path(words[0]), int(words[1]), words[2] != "no")
        elif what == "table":
            answer = table(Path(words[0]), words[1], int(words[2]))
        elif what == "streams":
            from benchmarks.shard_streams import measure

            answer = measure(Path(words[0]), json.loads(words[1]), memory_mb, forget_peak)
        else:
            answer = resolving(int(words[0]))
        print(json.dumps(answer))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a part of it, to see that it works")
    parser.add_argument("--code", type=Path, default=ROOT, help="another checkout to be measured")
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    parser.add_argument("--only", nargs="*", choices=PARTS)
    options = parser.parse_args()
    console = Console(record=True, width=200, highlight=False, markup=False)
    parts = options.only or PARTS
    with tempfile.TemporaryDirectory() as place:
        if "evaluation" in parts:
            print_evaluation(console, Path(place), options.code, options.quick)
        if "tables" in parts:
            print_tables(console, Path(place), options.code, options.quick)
        if "streams" in parts:
            print_streams(console, Path(place), options.code, options.quick)
        if "resolving" in parts:
            print_resolving(console, options.code, options.quick)
    console.print()
    for name, value in surroundings("python -m benchmarks.scale"):
        console.print(f"{name}: {value}")
    if options.out:
        options.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
