"""Measure whether streams of shards mix well enough: a tiny CLIP trained in three orders.

    python -m benchmarks.mixing [--quick] [--out FILE]

The pairs of the procedural world are written into shards that are sorted by concept, the hardest
case: a concept is a texture in a colour, and most shards are of one alone. The same tiny CLIP is
trained on them from random weights, by every pair in any order, by lanes, by two lanes of single
shards, and by one, which mixes nothing and shows what the measure can see: within its batches
neither texture nor colour tells one pair from another. Three seeds each, compared by the question
`effect` along streams.
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
from streams.world.rendering import COLOURS

ROOT = Path(__file__).resolve().parents[1]
PAIRS, SHARD_PAIRS, SEEDS = 6000, 100, 3
# By stream: lanes, and shards of a block
ORDERS = {
    "any_pair": (0, 2),
    "lanes_8_by_2": (8, 2),
    "lanes_2_by_1": (2, 1),
    "lane_1_by_1": (1, 1),
}
# Steps of 128 pairs
STEPS = 250
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
    ('{name}', 'webdataset', 'sorted', '{params}', 'captions');
INSERT INTO sequence (name, ordering) VALUES ('{name}', 'given');
INSERT INTO sequence_concept VALUES ('{name}', 1, '{name}', '*');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('{name}', '{name}', 1, 'concepts');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
SELECT 'tiny', '{name}', 'update_only', 'finetune', 'tiny_pretraining', '{budget}', seed
FROM range({seeds}) r(seed);
"""


def write_sorted(folder: Path, pairs: int) -> int:
    """Write so many pairs of the world into shards, sorted by texture and colour.

    Returns how many shards there are.
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
    order = np.lexsort((factors.colour, factors.texture))
    place = folder / "lab/data/sorted"
    place.mkdir(parents=True)
    for first in range(0, pairs, SHARD_PAIRS):
        with tarfile.open(place / f"{first // SHARD_PAIRS:05}.tar", "w") as tar:
            for pair in order[first : first + SHARD_PAIRS].tolist():
                written = io.BytesIO()
                Image.fromarray(images[pair].transpose(1, 2, 0)).save(written, "PNG")
                for ending, data in (("png", written.getvalue()), ("txt", captions[pair].encode())):
                    about = tarfile.TarInfo(f"{pair:06}.{ending}")
                    about.size = len(data)
                    tar.addfile(about, io.BytesIO(data))
    return -(-pairs // SHARD_PAIRS)


def run(folder: Path, *words: str) -> str:
    """Run a command of the project, and return its output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a part of it, to see that it works")
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    options = parser.parse_args()
    pairs, seeds, steps = PAIRS, SEEDS, STEPS
    if options.quick:
        pairs, seeds, steps = 600, 2, 5
    console = Console(record=True, width=200, highlight=False, markup=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        trials = len(ORDERS) * seeds
        (folder / "site.toml").write_text(f"trials_at_once = 1\ntrials_per_job = {trials}\n")
        run(folder, "schema")
        shards = write_sorted(folder, pairs)
        budget = f"INSERT INTO budget (name, unit, total) VALUES ('short', 'steps', {steps});"
        grid = [GRID.format(colours=json.dumps(list(COLOURS))), budget]
        for name, (lanes, block) in ORDERS.items():
            params = {"image_px": 32, "test": "none", "lanes": lanes, "block_shards": block}
            words = {"name": name, "params": json.dumps(params), "budget": "short", "seeds": seeds}
            grid.append(ORDER.format(**words))
        (folder / "grid.sql").write_text("".join(grid))
        run(folder, "schema", "grid.sql")
        run(folder, "runner.sync", "--watch")
        console.print(
            f"{pairs:,} pairs in {shards} shards by texture and colour, {steps} steps of 128 pairs\n"
        )
        for measure in ("a_ka", "a_zs"):
            answer = folder / f"{measure}.md"
            run(
                folder,
                "queries",
                "effect",
                "axis=stream",
                f"measure={measure}",
                "--out",
                str(answer),
            )
            console.print(f"{measure}:\n\n{answer.read_text()}\n")
    for name, value in surroundings("python -m benchmarks.mixing"):
        console.print(f"{name}: {value}")
    if options.out:
        options.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
