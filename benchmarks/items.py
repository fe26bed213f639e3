"""What do the items of a suite take on disk and in time, and do paired intervals cover?

    python -m benchmarks.items size         # bytes an item, at chance level and trained
    python -m benchmarks.items time         # an evaluation with and without items
    python -m benchmarks.items questions    # a million items' questions
    python -m benchmarks.items cover        # the tables of docs/items.md: coverage, seeds that are needed

The files are written by the code that a trial writes them by, and the questions are the SQL of
queries/items/.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import torch

import evals
from evals import Judged, TestSet
from queries import answer, named
from runner.run_folder import RunFolder, attempt_folder
from runner.worker.evaluation import SuiteTests, measure_suite
from runner.worker.items import ItemRecord
from schema import migrations
from schema.catalog import Catalog
from schema.site import Site

Array = np.ndarray
LEVEL_T = 1.959964
AXES = """
INSERT INTO backbone (name, architecture) VALUES ('tiny', 'ViT-B-32');
INSERT INTO sequence (name, ordering) VALUES ('order', 'random');
INSERT INTO suite (name, items) VALUES ('kept', true);
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('plain', 1, 0, 0);
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('usual', 1e-3, 16);
INSERT INTO budget (name, unit, total) VALUES ('small', 'steps', 100);
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab of made-up trials whose suite keeps its items."""

    site: Site
    # By dataset: how many classes and how many test images it has
    datasets: Mapping[str, tuple[int, int]]
    tasks: int = 2
    methods: Sequence[str] = ("finetune", "lora")
    seeds: int = 3
    # What was written, by (trial, task, dataset)
    written: dict[tuple[int, int, str], Judged] = field(default_factory=dict)

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the catalog for reading."""
        with Catalog(self.site.catalog).open() as connection:
            yield connection

    def fill(self, rng: np.random.Generator, tasks: Sequence[int] | None = None) -> None:
        """Declare the trials, and write results and items of these tasks (all unless named)."""
        measured = range(self.tasks + 1) if tasks is None else tasks
        migrations.prepare(Catalog(self.site.catalog))
        with Catalog(self.site.catalog).transaction() as connection:
            self._declare(connection)
            trials = connection.execute("SELECT id, method, seed FROM trial ORDER BY id").fetchall()
            untouched = {name: draw(rng, *size, share=0.6) for name, size in self.datasets.items()}
            for trial, method, _ in trials:
                for task in measured:
                    shift = 0.1 * task / self.tasks * (2 if method == self.methods[0] else 1)
                    for name, (classes, _) in self.datasets.items():
                        before = untouched[name]
                        self.written[trial, task, name] = (
                            changed(rng, before, classes, shift) if task else before
                        )
                    self._write(connection, trial, task)

    def _declare(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(AXES)
        for place, (name, (classes, items)) in enumerate(self.datasets.items()):
            names = [f"{name} {number}" for number in range(classes)]
            connection.execute(
                "INSERT INTO dataset (name, format, kind, classes, test_pairs) "
                "VALUES (?, 'world', 'classification', to_json(?::VARCHAR[]), ?)",
                [name, names, items],
            )
            role = "retain" if place % 2 else "adapt"
            connection.execute(
                "INSERT INTO suite_member (suite, dataset, role, metric) "
                f"VALUES ('kept', '{name}', '{role}', 'top1')"
            )
            connection.execute(
                f"INSERT INTO sequence_concept VALUES ('order', {place + 1}, '{name}', '{name} 0')"
            )
        connection.execute(
            "INSERT INTO stream (name, sequence, tasks, suite) "
            f"VALUES ('stream', 'order', {self.tasks}, 'kept')"
        )
        known = {name for (name,) in connection.execute("SELECT name FROM method").fetchall()}
        for method in self.methods:
            if method not in known:
                connection.execute(f"INSERT INTO method (name) VALUES ('{method}')")
        connection.execute(
            "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
            "SELECT 'tiny', 'stream', 'plain', method, 'usual', 'small', seed "
            f"FROM unnest(?::VARCHAR[]) AS m(method), range({self.seeds}) AS s(seed)",
            [list(self.methods)],
        )
        connection.execute(
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
            "SELECT id, 1, '{}', 'made up', 'weir-1', 0 FROM trial"
        )
        connection.execute(
            "INSERT INTO outcome (trial, attempt, state) SELECT id, 1, 'done' FROM trial"
        )

    def _write(self, connection: duckdb.DuckDBPyConnection, trial: int, task: int) -> None:
        """Write the items and results of a task of a trial."""
        record, rows = ItemRecord(), []
        for name, (_, items) in self.datasets.items():
            judged = self.written[trial, task, name]
            record.add(judged, "all", blank(name, items), np.arange(items))
            rows.append((trial, task, name, float((judged.rank == 0).mean()), items))
        folder = attempt_folder(self.site.runs, trial, 1)
        folder.mkdir(parents=True, exist_ok=True)
        record.write(RunFolder(folder), task)
        connection.executemany(
            "INSERT INTO result (trial, attempt, task, step, dataset, metric, label_space, "
            "weights, value, examples, fraction) "
            "VALUES (?, 1, ?, 10, ?, 'top1', 'all', 'deployed', ?, ?, 1)",
            rows,
        )


def blank(name: str, items: int) -> TestSet:
    """Return a test set of so many images, of which nothing is known."""
    blank = np.zeros((items, 1, 1, 1), np.uint8)
    return TestSet(name, "classification", [], [], blank, np.zeros(items, np.int64), [])


def draw(rng: np.random.Generator, classes: int, items: int, share: float | None = None) -> Judged:
    """Return items at chance level; `share`: so many are right."""
    labels = rng.integers(classes, size=items)
    rank = rng.integers(classes, size=items)
    if share is not None:
        rank = np.where(rng.random(items) < share, 0, np.maximum(rank, 1))
    wrong = (labels + rng.integers(1, classes, size=items)) % classes
    margin = np.abs(rng.normal(0, 0.02, items)) * np.where(rank == 0, 1, -1)
    return Judged(
        way="class",
        labels=labels,
        rank=rank,
        margin=margin.astype(np.float32),
        answer=np.where(rank == 0, labels, wrong),
        candidates=np.full(items, classes),
    )


def changed(rng: np.random.Generator, before: Judged, classes: int, share: float) -> Judged:
    """Return the same items after training, of which a share came out anew."""
    new, anew = (
        draw(rng, classes, len(before.rank), share=0.4),
        rng.random(len(before.rank)) < share,
    )
    labels = before.labels
    assert labels is not None
    rank = np.where(anew, new.rank, before.rank)
    wrong = (labels + 1) % classes
    return Judged(
        way="class",
        labels=labels,
        rank=rank,
        margin=np.where(anew, new.margin, before.margin),
        answer=np.where(rank == 0, labels, np.where(anew, wrong, before.answer)),
        candidates=before.candidates,
    )


def size(_: argparse.Namespace) -> None:
    """Print the bytes of an item, at chance level and where most are right."""
    rng = np.random.default_rng(0)
    print("| candidates | items | at chance, bytes an item | 60 % right |\n|--:|--:|--:|--:|")
    for classes, items in ((10, 10_000), (102, 6_149), (1_000, 50_000), (21_843, 50_000)):
        sizes = []
        for share in (None, 0.6):
            with tempfile.TemporaryDirectory() as folder:
                record = ItemRecord()
                record.add(
                    draw(rng, classes, items, share), "all", blank("d", items), np.arange(items)
                )
                entry = record.write(RunFolder(Path(folder)), 1)
                sizes.append((Path(folder) / entry.file).stat().st_size / items)
        print(f"| {classes:,} | {items:,} | {sizes[0]:.2f} | {sizes[1]:.2f} |")


QUESTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("items_forgotten", {}),
    ("classes_forgotten", {}),
    ("forget_alike", {}),
    ("items_lost_by", {"dataset": "kept_images"}),
    ("items_lost_by", {}),
    ("paired_items", {"a": "finetune", "b": "lora"}),
)


def questions(options: argparse.Namespace) -> None:
    """Print how long each question of a million items takes: the least of five, and of processors."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(
            site=Site.load(Path(folder)),
            datasets={"learned_images": (100, 50_000), "kept_images": (1000, 50_000)},
            seeds=options.seeds,
        )
        lab.fill(rng, tasks=(0, 2))
        rows = sum(len(judged.rank) for judged in lab.written.values())
        print(f"{rows:,} items\n")
        print("| question | seconds | processor seconds | rows |\n|---|--:|--:|--:|")
        with lab.opened() as connection:
            for name, parameters in QUESTIONS:
                times, busy = [], []
                for _ in range(5):
                    began, idle = time.perf_counter(), time.process_time()
                    frame = answer(connection, named(name), parameters)
                    times.append(time.perf_counter() - began)
                    busy.append(time.process_time() - idle)
                words = " ".join(f"{key}={value}" for key, value in parameters.items())
                figures = f"{min(times):.2f} | {min(busy):.2f} | {len(frame):,}"
                print(f"| `{f'{name} {words}'.strip()}` | {figures} |", flush=True)


class Encoder:
    """A model of so many operations an image, as an evaluation sees it."""

    def __init__(self, width: int, layers: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.first = torch.randn(3 * 32 * 32, width, generator=generator) / 55
        self.layers = [
            torch.randn(width, width, generator=generator) / width**0.5 for _ in range(layers)
        ]

    def encode_images(self, images: evals.Images) -> torch.Tensor:
        """Return (N, D) of unit norm."""
        pixels = torch.from_numpy(images[slice(None)]).float().flatten(1) @ self.first
        return self._through(pixels)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return (N, D) of unit norm."""
        generator = torch.Generator().manual_seed(len(texts))
        return self._through(torch.randn(len(texts), self.first.shape[1], generator=generator))

    def _through(self, rows: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            rows = torch.relu(rows @ layer)
        return torch.nn.functional.normalize(rows, dim=-1)


def spent(options: argparse.Namespace) -> None:
    """Print how much longer an evaluation takes with items, beside what encodes its images."""
    rng = np.random.default_rng(0)
    count, classes = 2_000, 200
    names = [f"thing {number}" for number in range(classes)]
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(classes, size=count)
    tests = {
        "classes": TestSet("classes", "classification", names, [], pixels, labels, []),
        "pairs": TestSet(
            "pairs", "retrieval", [], [], pixels[:1000], labels[:1000],
            [f"caption {number}" for number in range(1000)],
        ),
    }  # fmt: skip
    members = [
        {"dataset": "classes", "metric": "top1", "label_space": "all"},
        {"dataset": "pairs", "metric": "r1", "label_space": "all"},
    ]
    print(
        "| GFLOPs an image | without, processor s | with items, processor s | more |\n|--:|--:|--:|--:|"
    )
    for layers in (16, 64, 128):
        model = Encoder(512, layers)
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(options.repeats):
            for items in (False, True):
                suite = {"name": "s", "members": members, "items": items}
                with tempfile.TemporaryDirectory() as folder:
                    # Of processors: what else runs on the machine changes it least
                    began = time.process_time()
                    record = ItemRecord.of(suite)
                    measured = SuiteTests(suite=suite, tests=tests, brought={}, items=record)
                    measure_suite(model, measured, (1.0,), 1, 1)
                    if record is not None:
                        record.write(RunFolder(Path(folder)), 1)
                    seconds[items].append(time.process_time() - began)
        without, with_items = np.median(seconds[False]), np.median(seconds[True])
        gflops = 2 * (layers * 512**2 + 3072 * 512) / 1e9
        more = with_items / without - 1
        print(f"| {gflops:.3f} | {without:.2f} | {with_items:.2f} | {more:+.1%} |", flush=True)


def main() -> None:
    """Run one of the four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("size", "time", "questions", "cover"))
    parser.add_argument("--seeds", type=int, default=3, help="of each method, for questions")
    parser.add_argument("--repeats", type=int, default=5, help="of each evaluation, for time")
    parser.add_argument("--studies", type=int, default=2000, help="of each line, for cover")
    options = parser.parse_args()
    if options.what == "cover":
        from benchmarks.item_intervals import cover

        cover(options.studies)
        return
    {"size": size, "time": spent, "questions": questions}[options.what](options)


if __name__ == "__main__":
    main()
