"""The whole way with what users have: a FoMo-in-Flux download, img2dataset's shards to replay, an architecture of open_clip.

The files are written as those tools write them; the weights are random, because none can be had here. Everything else is the journey:
INSERT, sync, SELECT.
"""

import json
from pathlib import Path

import pytest

from schema.site import Site
from tests import layouts
from tests.journey import ask
from tests.processes import command

pytestmark = pytest.mark.slow

ARCHITECTURE = "ViT-S-32-alt"  # the smallest of open_clip's own
CLASSES = json.dumps(layouts.CLASSES)
GRID = f"""
INSERT INTO backbone (name, architecture) VALUES ('small', '{ARCHITECTURE}');
INSERT INTO dataset (name, format, location, params, kind, classes, templates) VALUES
('my_cub200', 'fomo', 'fomo/CUB200', '{{"test": "train", "test_share": 0.3}}', 'classification', '{CLASSES}', '["a photo of a {{}}"]'),
('pool', 'webdataset', 'pool', '{{"test": "none"}}', 'captions', '[]', '[]'),
('others', 'imagefolder', 'birds', '{{"train": "train", "test": "train", "test_share": 0.3}}', 'classification', '{CLASSES}',
 '["a photo of a {{}}"]');
INSERT INTO sequence (name, ordering) VALUES ('flux', 'random');
INSERT INTO sequence_concept VALUES ('flux', 1, 'my_cub200', 'wren'), ('flux', 2, 'my_cub200', 'crow'), ('flux', 3, 'my_cub200', 'gull');
INSERT INTO suite (name) VALUES ('flux');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('flux', 'my_cub200', 'adapt', 'top1'), ('flux', 'others', 'retain', 'top1');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('flux', 'flux', 2, 'flux');
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share, pretraining_dataset) VALUES ('flux', 0.34, 0.33, 0.33, 'pool');
INSERT INTO recipe (name, optimizer, lr, weight_decay, clip_norm, batch_pairs) VALUES ('flux', 'adamw', 1e-4, 0.2, 1, 6);
INSERT INTO budget (name, unit, total) VALUES ('flux', 'steps', 4);
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) VALUES ('small', 'flux', 'flux', 'finetune', 'flux', 'flux', 1);
"""


def test_a_stream_over_a_download_with_replay_from_shards(tmp_path: Path) -> None:
    """Two broken files on the way are replaced and named, and the batches are decoded ahead by two processes."""
    data = tmp_path / "lab/data"
    for layout in (layouts.fomo, layouts.webdataset, layouts.imagefolder):
        layout(data, 24, {3, 7})
    (tmp_path / "site.toml").write_text("workers_per_trial = 2\n")
    (tmp_path / "grid.sql").write_text(GRID)
    declared = command(tmp_path, "schema", "grid.sql")
    assert declared.returncode == 0, declared.stderr
    looked = command(tmp_path, "schema", "check", "flux", "pool")
    assert "my_cub200" in looked.stdout and "pool" in looked.stdout, looked.stdout + looked.stderr
    done = command(tmp_path, "runner.sync", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    site = Site.load(tmp_path)
    assert ask(site, "SELECT state FROM trial_state") == [("done",)]
    points = ask(site, "SELECT task, a_ka, a_zs FROM point ORDER BY task")
    assert [task for task, *_ in points] == [0, 1, 2] and all(
        0 <= value <= 1 for _, *both in points for value in both
    )
    assert ask(site, "SELECT sum(steps), sum(pairs) FROM cost WHERE phase = 'train'") == [(4, 24)]
    assert len({loss for (loss,) in ask(site, "SELECT loss FROM progress")}) == 4, (
        "it learns, on other batches each time"
    )
    log = (tmp_path / "lab/runs/000001/01/log.txt").read_text()
    assert "cannot be read and were replaced" in log
    assert [name for (name,) in ask(site, "SELECT count(*) FROM audit_tasks")] == [0]
