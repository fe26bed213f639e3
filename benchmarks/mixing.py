"""Measure whether streams of shards mix well enough: a tiny CLIP trained in several orders.

    python -m benchmarks.mixing [--quick] [--out FILE]

The pairs of the procedural world are written into shards that are sorted by concept, the hardest
case: a concept is a texture in a colour, and most shards are of one alone. The same pairs are
written a second time into shards in a random order, as a crawl of the web leaves them. The same
tiny CLIP is trained from random weights by every pair in any order, by lanes that have 16, 32 or 64
of the sorted shards at hand, and by lanes that have 16 of the shuffled ones. Three seeds each,
compared by the question `effect` along streams.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.measuring import surroundings
from streams.lanes import LaneOrder
from streams.world.rendering import COLOURS

ROOT = Path(__file__).resolve().parents[1]
PAIRS, SHARD_PAIRS, SEEDS = 12_000, 100, 3
SORTED, SHUFFLED = "sorted", "shuffled"
# By stream: the folder of its shards, the lanes, and the shards of a block
ORDERS = {
    "any_pair": (SORTED, 0, 2),
    "lanes_8_by_2": (SORTED, 8, 2),
    "lanes_16_by_2": (SORTED, 16, 2),
    "lanes_32_by_2": (SORTED, 32, 2),
    "shuffled_lanes_8_by_2": (SHUFFLED, 8, 2),
}
STEPS, BATCH_PAIRS = 250, 128
GRID = """
INSERT INTO dataset (name, format, params, kind, classes, templates) VALUES
    ('colour', 'world', '{{"set": "colour", "test": 200}}', 'classification', '{colours}',
     '["a {{}} shape", "a photo of a {{}} shape"]');
INSERT INTO suite (name) VALUES ('concepts');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
    ('concepts', 'texture', 'adapt', 'top1'), ('concepts', 'colour', 'retain', 'top1');
"""
ORDER = """
INSERT INTO dataset (name, format, location, params, kind) VALUES
    ('{name}', 'webdataset', '{folder}', '{params}', 'captions');
INSERT INTO sequence (name, ordering) VALUES ('{name}', 'given');
INSERT INTO sequence_concept VALUES ('{name}', 1, '{name}', '*');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('{name}', '{name}', 1, 'concepts');
"""
# Seed after seed, so that a measurement that was stopped has compared all orders
TRIALS = """
INSERT INTO budget (name, unit, total) VALUES ('short', 'steps', {steps});
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
SELECT 'tiny', stream.name, 'update_only', 'finetune', 'tiny_pretraining', 'short', seed
FROM stream, range({seeds}) r(seed) WHERE suite = 'concepts' ORDER BY seed, stream.name;
"""


def write_pools(folder: Path, pairs: int) -> np.ndarray:
    """Write so many pairs of the world into shards twice: sorted by concept, and shuffled.

    Returns the concept of each pair in the order of the sorted shards, (pairs,) int64.
    """
    from schema.catalog import Catalog
    from streams import open_pairs

    with Catalog(folder / "lab/catalog.duckdb", 5).open() as connection:
        names, params = connection.execute(
            "SELECT classes, params FROM dataset WHERE name = 'base'"
        ).fetchone() or ("[]", "{}")
    row: dict[str, Any] = {"name": "base", "format": "world", "location": None, "templates": []}
    row |= {"classes": json.loads(names), "params": json.loads(params), "kind": "captions"}
    world: Any = open_pairs(row, "train", folder / "lab/data")
    every = np.arange(pairs)
    captions = world.captions(every, np.random.default_rng(0))
    images = world.images(every)
    # What is in the picture, whether its caption tells it or not
    factors = world.factors.some(every)
    orders = {SORTED: np.lexsort((factors.colour, factors.texture))}
    orders[SHUFFLED] = np.random.default_rng(0).permutation(every)
    for name, order in orders.items():
        write_shards(folder / "lab/data" / name, order, images, captions)
    concepts: np.ndarray = (factors.texture.astype(np.int64) << 32) + factors.colour
    return concepts[orders[SORTED]]


def write_shards(place: Path, order: np.ndarray, images: np.ndarray, captions: list[str]) -> None:
    """Write pairs in this order into shards of SHARD_PAIRS pairs, with pictures as PNG."""
    place.mkdir(parents=True)
    for first in range(0, len(order), SHARD_PAIRS):
        with tarfile.open(place / f"{first // SHARD_PAIRS:05}.tar", "w") as tar:
            for pair in order[first : first + SHARD_PAIRS].tolist():
                written = io.BytesIO()
                Image.fromarray(images[pair].transpose(1, 2, 0)).save(written, "PNG")
                for ending, data in (("png", written.getvalue()), ("txt", captions[pair].encode())):
                    about = tarfile.TarInfo(f"{pair:06}.{ending}")
                    about.size = len(data)
                    tar.addfile(about, io.BytesIO(data))


def concepts_of_a_batch(concepts: np.ndarray, lanes: int, block_shards: int, steps: int) -> float:
    """Return how many different concepts a batch has, the mean over the steps of a trial.

    `concepts` (N,) are those of the pairs in the order of their shards; without lanes any pair may
    follow any other.
    """
    sizes: np.ndarray = np.diff(np.r_[np.arange(0, len(concepts), SHARD_PAIRS), len(concepts)])
    order = LaneOrder(sizes, lanes, block_shards, [0])
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(steps):
        pairs = order.take(BATCH_PAIRS) if lanes else rng.choice(len(concepts), BATCH_PAIRS, False)
        counts.append(len(np.unique(concepts[pairs])))
    return float(np.mean(counts))


def run(folder: Path, *words: str) -> str:
    """Run a command of the project, and return its output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout


def print_orders(console: Console, concepts: np.ndarray, steps: int) -> None:
    """Print the setting, and how many shards and concepts a batch of each order draws from."""
    shards = -(-len(concepts) // SHARD_PAIRS)
    console.print(
        f"{len(concepts):,} pairs of {len(np.unique(concepts))} concepts in {shards} shards, "
        f"{steps} steps of {BATCH_PAIRS} pairs\n"
    )
    console.print("| order | shards at hand | concepts in a batch |\n|---|--:|--:|")
    generator = np.random.default_rng(0)
    for name, (pool, lanes, block) in ORDERS.items():
        at_hand = min(lanes * block, shards) or shards
        inside = concepts if pool == SORTED else generator.permutation(concepts)
        mean = concepts_of_a_batch(inside, lanes, block, steps)
        console.print(f"| {name} | {at_hand} | {mean:.1f} |")
    console.print()


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a part of it, to see that it works")
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    options = parser.parse_args()
    pairs, seeds, steps = PAIRS, SEEDS, STEPS
    if options.quick:
        pairs, seeds, steps = 600, 1, 5
    console = Console(record=True, width=200, highlight=False, markup=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        trials = len(ORDERS) * seeds
        (folder / "site.toml").write_text(f"trials_at_once = 1\ntrials_per_job = {trials}\n")
        grid = [GRID.format(colours=json.dumps(list(COLOURS)))]
        for name, (pool, lanes, block) in ORDERS.items():
            params = {"image_px": 32, "test": "none", "lanes": lanes, "block_shards": block}
            grid.append(ORDER.format(name=name, folder=pool, params=json.dumps(params)))
        grid.append(TRIALS.format(steps=steps, seeds=seeds))
        (folder / "grid.sql").write_text("".join(grid))
        run(folder, "schema", "grid.sql")
        concepts = write_pools(folder, pairs)
        run(folder, "runner.sync", "--watch")
        print_orders(console, concepts, steps)
        for measure in ("a_ka", "a_zs"):
            answer = folder / f"{measure}.md"
            question = ["queries", "effect", "axis=stream", f"measure={measure}"]
            run(folder, *question, "--out", str(answer))
            console.print(f"{measure}:\n\n{answer.read_text()}\n")
    for name, value in surroundings("python -m benchmarks.mixing"):
        console.print(f"{name}: {value}")
    if options.out:
        options.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
