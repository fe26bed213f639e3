"""The benchmarks run to their end, at a part of their size; how long they take is nobody's test."""

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import formats, halving, mixing, profiles, seeds_saved
from schema.catalog import Catalog
from schema.checks import parts
from schema.site import Site
from tests.slurm.cluster import missing

ROOT = Path(__file__).resolve().parent.parent
STORES = [
    tool
    for tool, module in {"Optuna": "optuna", "PyExperimenter": "py_experimenter"}.items()
    if importlib.util.find_spec(module)
]
EXPECTED = {
    "insert": {"", *STORES},
    "again": {"", *STORES},
    "pending": {"", *STORES},
    "no-op sync": {"", "submitit", *STORES},
    "submit, fake Slurm": {"submitit"},
    "ingest": {"", "submitit", *STORES},
} | ({} if missing() else {"submit, real Slurm": {"submitit"}})


@pytest.mark.slow
def test_every_line_of_the_scheduler_s_benchmark_comes_out(tmp_path: Path) -> None:
    out = tmp_path / "scheduler.md"
    command = [
        sys.executable,
        "-m",
        "benchmarks.scheduler",
        "--quick",
        "--out",
        str(out),
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    text = out.read_text()
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ][2:]
    found: dict[str, set[str]] = {}
    for work, _size, weir, _aim, _peak, tool, other, *_ in lines:
        assert weir.endswith(" s") and bool(tool) == bool(other)
        found.setdefault(work, set()).add(tool)
    assert found == EXPECTED
    assert ("Optuna is not installed here, so its lines are missing" in text) == (
        "Optuna" not in STORES
    )
    assert ("Nothing was submitted to a real Slurm" in text) == bool(missing())
    assert all(f"- **{work}**: " in text for work in EXPECTED), "each line says what it is about"
    assert not list(tmp_path.glob("weir-benchmark-*")), "it takes its files away"


def test_profiles_come_out_as_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a small model: a price in FLOPs that a batch of four pairs can have, and steps that follow from it."""
    config = {
        "embed_dim": 8,
        "vision_cfg": {
            "image_size": 16,
            "patch_size": 8,
            "width": 16,
            "layers": 1,
            "head_width": 8,
        },
    }
    config["text_cfg"] = {"context_length": 8, "width": 16, "heads": 2, "layers": 1}
    config["words"] = ["a", "photo"]
    words = ["profiles", "--pairs", "4", "--only", "full", "contrastive+ewc"]
    monkeypatch.setattr(sys, "argv", [*words, "--architecture", json.dumps(config)])
    monkeypatch.setattr(logging, "disable", lambda level: None)
    profiles.main()
    full, ewc = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()[2:]
    )
    assert (full[0], full[2], full[4]) == ("full", "0", "1.0000") and full[6] == full[7]
    assert ewc[0] == "contrastive+ewc" and float(ewc[4]) > 1 and ewc[6] != ewc[7]


def test_every_format_is_compared_with_something() -> None:
    assert sorted(formats.FORMATS) == parts.names("streams/formats")


@pytest.mark.parametrize("form", parts.names("streams/formats"))
def test_what_is_compared_gives_the_same_images(form: str, tmp_path: Path) -> None:
    """To the bit, whatever the order: 40 by 36 pixels, so that they are made larger and cropped."""
    pictures = [formats.jpeg(number, 40, 36) for number in range(12)]
    pairs, other = formats.both(form, tmp_path, pictures)
    assert len(pairs) == len(other) >= 12
    plain = [other[index] for index in range(len(other))]
    shown = [(image[0] if isinstance(image, tuple) else image).numpy() for image in plain]
    assert {image.tobytes() for image in pairs.images(np.arange(len(pairs)))} == {
        image.tobytes() for image in shown
    }
    assert len({image.tobytes() for image in shown}) >= 12
    for tar in getattr(other, "opened", {}).values():
        tar.close()


@pytest.mark.slow
def test_every_format_is_read_beside_torchs_loader(tmp_path: Path) -> None:
    out = tmp_path / "loading.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.streams", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in out.read_text().splitlines()
        if line.startswith("|")
    ][2:]
    assert [(row[0], row[1]) for row in rows] == [
        (name, workers)
        for form in parts.names("streams/formats")
        for name, workers in ((f"`{form}`", "0"), ("", "2"))
    ]
    assert all(float(cell.replace(",", "")) > 0 for row in rows for cell in row[2:])
    assert (
        "first batch from a cursor in the middle" in out.read_text()
        and "memory: " in out.read_text()
    )


@pytest.mark.slow
def test_every_loop_trains_the_same_model_from_files_and_from_memory(tmp_path: Path) -> None:
    out = tmp_path / "train.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split() for line in out.read_text().splitlines() if line.split()[:1] == ["tiny"]]
    loops = ("Weir", "Weir, both", "open_clip_train", "plain autocast")
    found = [(row[3], " ".join(row[4:-3])) for row in rows]
    assert found == [(source, loop) for source in ("files", "memory") for loop in loops]
    assert all(
        float(row[-3].replace(",", "")) > 0 and row[-2].endswith("%") and float(row[-1]) > 0
        for row in rows
    )


@pytest.mark.slow
def test_what_grows_is_measured_to_the_end(tmp_path: Path) -> None:
    """Suites, sources and trials, each line in a process of its own."""
    out = tmp_path / "scale.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = []
    for line in out.read_text().splitlines():
        if line.startswith("|") and not line.startswith("|-"):
            rows.append(line.split("|")[1].strip())
    assert rows == [
        *("test sets", "2", "2", "2"),
        *("format", "`webdataset`", "`parquet`"),
        *("pool", "disk", "address"),
        *("trials resolved", "100"),
    ]


@pytest.mark.slow
def test_rules_that_stop_use_the_seeds_of_their_looks(tmp_path: Path) -> None:
    """Two methods far apart are decided at the first look, two equal ones take all seeds, and of six
    methods those that are far behind get no more seeds than the first look."""
    rng = np.random.default_rng(0)
    folders = [tmp_path / name for name in ("apart", "equal", "six")]
    for folder in folders:
        folder.mkdir()
    apart = seeds_saved.two_methods(folders[0], 40.0, 20, rng)
    assert apart == seeds_saved.Found(power=1.0, seeds=3.0)
    equal = seeds_saved.two_methods(folders[1], 0.0, 20, rng)
    assert equal.power <= 0.25 and 18 < equal.seeds <= 24
    six = seeds_saved.several_methods(folders[2], [200.0, 200.0, 0, 0, 0, 0], 4, rng)
    assert six.power >= 0.8 * 4 / 5 / 2 and 3 < six.seeds <= (2 * 24 + 4 * 3) / 6


def test_fixed_seeds_of_a_t_test_are_those_of_its_power() -> None:
    """A difference of one deviation is found in 80 % of studies with ten pairs (by any power table)."""
    fixed = seeds_saved.fixed_seeds([2**0.5, 0.0], 0.8, np.random.default_rng(0))
    assert 9.3 < fixed < 10.7


@pytest.mark.slow
def test_orders_are_compared_by_the_question(tmp_path: Path) -> None:
    """A tiny CLIP in each order, on shards that are sorted by what is in the pictures."""
    out = tmp_path / "mixing.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mixing", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table = [line.split("|") for line in out.read_text().splitlines() if line.startswith("|")]
    named = [cells[1].strip(" *") for cells in table]
    # Once beside its shards at hand, and once in the answer about each measure
    for order in mixing.ORDERS:
        assert named.count(order) == 3


def test_halving_is_compared_with_the_full_sweep_by_what_both_chose_and_spent(
    tmp_path: Path,
) -> None:
    """Of `finetune` the best recipe goes on; of `lora_r8` it does not; of `lwf` a trial is missing.

    The highest rate of `finetune` diverges after the rung: it takes no part and is paid for.
    """
    site = Site.load(tmp_path)
    halving.prepare(site, ["finetune", "lora_r8", "lwf"], tmp_path / "weights")
    with Catalog(site.catalog).open() as connection:
        connection.execute(
            "CREATE TEMP TABLE made AS SELECT trial.id, trial.method, "
            "dense_rank() OVER (ORDER BY recipe.lr) AS place "
            "FROM trial JOIN recipe ON recipe.name = trial.recipe WHERE trial.study = 'search'"
        )
        for statement in (
            "DELETE FROM made WHERE method = 'lwf' AND place = 7",
            # After the first task the fifth and the sixth are best, at the end the fifth or the first
            "CREATE TEMP TABLE reached AS SELECT id, task, CASE WHEN task < 4 "
            "THEN 0.5 - abs(place - 5.4) / 20 WHEN method = 'lora_r8' THEN 0.6 - place / 20 "
            "WHEN place < 7 THEN 0.6 - abs(place - 5.0) / 20 END AS value "
            "FROM made, range(5) AS task(task)",
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) "
            "SELECT id, 1, '{}', 'x', 'x', 0 FROM made",
            "INSERT INTO outcome (trial, attempt, state, kind) "
            "SELECT id, 1, if(value IS NULL, 'failed', 'done'), if(value IS NULL, 'diverged', NULL) "
            "FROM reached WHERE task = 4",
            "INSERT INTO cost (trial, attempt, task, phase, flops, seconds, steps, pairs) "
            "SELECT id, 1, task, 'train', 2, 1, 1, 1 FROM reached WHERE task > 0",
            "INSERT INTO result BY NAME SELECT id AS trial, 1 AS attempt, task, task AS step, "
            "dataset, metric, label_space, 'deployed' AS weights, value, 160 AS examples, 1.0 AS fraction "
            "FROM reached, suite_member WHERE suite = 'world_search' AND value IS NOT NULL",
        ):
            connection.execute(statement)
        compared = halving.compare(connection)
    assert [one.method for one in compared] == ["finetune", "lora_r8"]
    tuned, missed = compared
    assert tuned.full == tuned.halved and missed.full != missed.halved
    assert tuned.full_value == pytest.approx(0.6) and missed.full_value == pytest.approx(0.55)
    # Seven trials of four tasks, against seven of one and two of three more
    assert tuned.share == pytest.approx((7 + 6) / 28)
    assert halving.lines(compared)[-1] == "1 of 2 methods the same, 0.46 of the FLOPs"
