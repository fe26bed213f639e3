"""A grid that trains for real in a second: a 16-pixel world, a CLIP of some thousand weights, two tasks of four steps."""

import json
from pathlib import Path
from typing import Any

import duckdb

from runner.scheduler.resolve import Resolver
from schema.spec import Spec
from streams.world.captions import names, vocabulary
from streams.world.rendering import COLOURS
from streams.world.shapes import KNOWN

DATA = Path(__file__).parent / ".data"  # drawn once, shared by all tests, ignored by git
NAMES = names(4)
ARCHITECTURE = json.dumps(
    {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 16,
            "patch_size": 8,
            "width": 32,
            "layers": 1,
            "head_width": 16,
            "pool_type": "avg",
        },
        "text_cfg": {"context_length": 16, "width": 32, "heads": 2, "layers": 1},
        "words": vocabulary(),
    }
)


def _dataset(name: str, kind: str, classes: list[str], template: str, **params: object) -> str:
    values = (
        name,
        "world",
        json.dumps({"image_px": 16, **params}),
        kind,
        json.dumps(classes),
        json.dumps([template]),
    )
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"INSERT INTO dataset (name, format, params, kind, classes, templates) VALUES ({listed}) ON CONFLICT DO NOTHING;\n"


AXES = (
    _dataset("toy_base", "captions", ["everything"], "{}", set="base", train=64)
    + _dataset(
        "toy_blobs", "classification", NAMES, "a photo of a {}", set="blobs", train=40, test=16
    )
    + _dataset("toy_colour", "classification", list(COLOURS), "a {} shape", set="colour", test=20)
    + _dataset("toy_scenes", "retrieval", list(KNOWN), "{}", set="shape", test=20)
    + f"""
INSERT INTO backbone (name, architecture) VALUES ('toy', '{ARCHITECTURE}') ON CONFLICT DO NOTHING;
INSERT INTO sequence (name, ordering) VALUES ('toy', 'random') ON CONFLICT DO NOTHING;
INSERT INTO sequence_concept SELECT 'toy', row_number() OVER (), 'toy_blobs', name
FROM (SELECT unnest({NAMES}) AS name) ON CONFLICT DO NOTHING;
INSERT INTO suite (name) VALUES ('toy') ON CONFLICT DO NOTHING;
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
    ('toy', 'toy_blobs', 'adapt', 'top1'), ('toy', 'toy_colour', 'retain', 'top1'), ('toy', 'toy_scenes', 'retain', 'r5')
ON CONFLICT DO NOTHING;
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('toy', 'toy', 2, 'toy') ON CONFLICT DO NOTHING;
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset)
VALUES ('toy', 0.34, 0.33, 0.33, 'toy_base') ON CONFLICT DO NOTHING;
INSERT INTO recipe (name, optimizer, lr, weight_decay, clip_norm, batch_pairs) VALUES ('toy', 'adamw', 0.002, 0.05, 1, 8)
ON CONFLICT DO NOTHING;
INSERT INTO budget (name, unit, total) VALUES ('toy', 'steps', 8) ON CONFLICT DO NOTHING;
"""
)
METHODS = {
    "toy_ema": ("full", "{}", "contrastive", "{}", "interpolate", '{"weight": 0.5}', "merged", "merged"),
    "toy_lora_ewc": (
        "lora", '{"rank": 2}', "contrastive+ewc", '{"ewc": {"weight": 10, "fisher_pairs": 16}}', "none", "{}", "last", "last",
    ),
}  # fmt: skip


def toy_methods() -> str:
    """Rows of the methods above."""
    columns = "name, tuning, tuning_params, objective, objective_params, merging, merging_params, start, deploy"
    rows = ", ".join(str((name, *values)) for name, values in METHODS.items())
    return f"INSERT INTO method ({columns}) VALUES {rows} ON CONFLICT DO NOTHING;\n"


def mixed(name: str) -> dict[str, Any]:
    """Columns of the toy mixture with a mixing, in three segments whose means are its own shares."""
    pieces = [{"update": 0.34, "buffer": b, "pretraining": 0.66 - b} for b in (0.23, 0.33, 0.43)]
    params = {
        "listed": {"segments": pieces},
        "bandit": {"segments": 3, "measured_pairs": 2, "exploration": 0.25, "rate": 10.0},
    }
    return {"mixing": name, "mixing_params": params[name], "held_out_share": 0.1}


def toy_grid(seeds: int, steps: int | None = None) -> str:
    """The axes and a study of `seeds` trials; of `steps` steps in all, where eight would be over too soon."""
    budget = f"toy{steps or ''}"
    return f"""{AXES}{toy_methods()}
INSERT INTO budget (name, unit, total) VALUES ('{budget}', 'steps', {steps or 8}) ON CONFLICT DO NOTHING;
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'toy', 'toy', 'toy', 'toy_ema', 'toy', '{budget}', seed, 'toy' FROM range({seeds}) AS seeds(seed) ON CONFLICT DO NOTHING;
"""


def resolved(connection: duckdb.DuckDBPyConnection, method: str) -> Spec:
    """Declare a trial of a method in a catalog that has the toy grid; return its definition."""
    connection.execute(
        "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
        "VALUES (1, 'toy', 'toy', 'toy', ?, 'toy', 'toy', 3)",
        [method],
    )
    return Resolver(connection, [1]).resolve(1)[0]
