"""site.toml: defaults, relative paths, and the message for every way to get it wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from schema.site import Needs, Site, SiteError


def test_without_a_file_everything_lives_in_lab(folder: Path) -> None:
    site = Site.load()
    assert (site.catalog, site.runs, site.current) == (
        folder / "lab/catalog.duckdb", folder / "lab/runs", folder / "lab/snapshot/current.duckdb",
    )  # fmt: skip
    assert site.backend == "local"


def test_paths_are_relative_to_the_file(folder: Path) -> None:
    (folder / "site.toml").write_text(
        'data = "/big/disk"\nruns = "r"\ntrials_at_once = 3\ncheckpoint_minutes = 5\n'
    )
    site = Site.load()
    assert (site.data, site.runs, site.trials_at_once, site.checkpoint_minutes) == (
        Path("/big/disk"),
        folder / "r",
        3,
        5.0,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs = ", "not valid TOML"),
        ("trials_at_one = 3", "unknown key 'trials_at_one'.*Did you mean 'trials_at_once'"),
        ('trials_at_once = "3"', "must be a whole number"),
        ("trials_at_once = -1", "0 or more"),
        ("runs = 3", "must be a path"),
        ("backend = true", "must be a text"),
    ],
)
def test_refusals(folder: Path, text: str, message: str) -> None:
    (folder / "site.toml").write_text(text)
    with pytest.raises(SiteError, match=message):
        Site.load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slurm = 3", r"slurm must be a table, written \[slurm\], not 3"),
        ("[backbone]\nbig = 3", r"backbone.big must be a table, written \[backbone.big\], not 3"),
        ("[backbone.big]\nmemory = 3", "unknown key 'backbone.big.memory'.*'memory_gb'"),
        ("[backbone.big]\nmemory_gb = 'much'", "memory_gb must be a number, 0 or more"),
        ("[retries]\nkilled = 0.5", "retries.killed must be a whole number"),
        ("[slurm]\narray = '1-3'", "slurm.array cannot be set here; where to say it: nowhere"),
        ("[slurm]\ncpus_per_task = 2", "slurm.cpus_per_task cannot .* say it: cpus_per_trial"),
        ("[slurm]\npartition = ['a']", "slurm.partition must be a text, number or true, as sbatch"),
        ("[slurm]\nsetup = 'module load'", "slurm.setup must be a list of shell lines"),
        ("trials_per_job = 0", "trials_per_job must be a whole number, 1 or more, not 0"),
        (
            "[backbone.big]\ntrials_side_by_side = 0",
            "trials_side_by_side must be a whole number, 1",
        ),
    ],
)
def test_refusals_of_what_jobs_ask_for(folder: Path, text: str, message: str) -> None:
    (folder / "site.toml").write_text(text)
    with pytest.raises(SiteError, match=message):
        Site.load()


def test_which_weights_are_kept_for_all_and_by_study(folder: Path) -> None:
    assert Site.load().keep_weights_of("any") == "last"
    (folder / "site.toml").write_text(
        'keep_weights = "every:5"\n[study."for a paper"]\nkeep_weights = "all"\n'
    )
    site = Site.load()
    kept = [site.keep_weights_of(study) for study in ("for a paper", "other", None)]
    assert kept == ["all", "every:5", "every:5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('keep_weights = "some"', "keep_weights must be 'last', 'all' or 'every:N'.*not 'some'"),
        ('keep_weights = "every:0"', "not 'every:0'"),
        ("keep_weights = 5", "keep_weights must be a text"),
        ('[study.a]\nkeep_weights = "every"', "study.a.keep_weights must be 'last', .*not 'every'"),
        ("[study.a]", "study.a.keep_weights must be"),
        ("[study.a]\nmemory_gb = 3", "unknown key 'study.a.memory_gb'"),
        ("[study]\na = 3", r"study.a must be a table, written \[study.a\], not 3"),
    ],
)
def test_refusals_of_what_is_kept(folder: Path, text: str, message: str) -> None:
    (folder / "site.toml").write_text(text)
    with pytest.raises(SiteError, match=message):
        Site.load()


def test_a_backbone_has_what_it_says_and_the_rest_of_all(folder: Path) -> None:
    (folder / "site.toml").write_text(
        "memory_gb = 8\ntrials_per_job = 3\n[slurm]\npartition = 'cpu'\nqos = 'low'\n"
        "setup = ['module load cuda']\n[retries]\nkilled = 0\n"
        "[backbone.big]\nmemory_gb = 64\n[backbone.big.slurm]\npartition = 'gpu'\n"
    )
    site = Site.load()
    small, big = site.needs_of("any"), site.needs_of("big")
    assert (small.memory_gb, small.trials_per_job) == (8, 3)
    assert (big.memory_gb, big.trials_per_job) == (64, 3)
    assert dict(small.slurm) == {"partition": "cpu", "qos": "low"}
    assert dict(big.slurm) == {"partition": "gpu", "qos": "low"}
    assert small.setup == big.setup == ("module load cuda",)
    assert site.retries == {"killed": 0}


@pytest.mark.parametrize(
    ("needs", "ranks", "nodes", "tasks", "gpus"),
    [
        # One node takes them all, or any number: the trial starts its own processes
        (Needs(gpus_per_trial=4, node_gpus=4), 4, 1, 1, 4),
        (Needs(gpus_per_trial=4), 8, 1, 1, 4),
        (Needs(gpus_per_trial=0, node_gpus=2), 8, 1, 1, 0),
        # Several nodes, with the same number of processes on each
        (Needs(gpus_per_trial=4, node_gpus=4), 8, 2, 4, 4),
        (Needs(gpus_per_trial=1, node_gpus=1), 2, 2, 1, 1),
        (Needs(gpus_per_trial=4, node_gpus=4), 5, 5, 1, 1),
        (Needs(gpus_per_trial=4, node_gpus=4), 6, 2, 3, 3),
        (Needs(gpus_per_trial=0, ranks_per_node=2), 4, 2, 2, 0),
        (Needs(gpus_per_trial=1, node_gpus=8, ranks_per_node=2), 4, 2, 2, 2),
    ],
)
def test_processes_are_spread_evenly(
    needs: Needs, ranks: int, nodes: int, tasks: int, gpus: int
) -> None:
    spread = replace(needs, trials_per_job=4, trials_side_by_side=2).spread(ranks)
    assert (spread.nodes, spread.tasks_per_node, spread.gpus_per_node) == (nodes, tasks, gpus)
    packed = (spread.trials_per_job, spread.trials_side_by_side)
    assert packed == ((4, 2) if nodes == 1 else (1, 1))


def test_a_trial_is_told_early_or_at_half_of_a_short_limit() -> None:
    assert Needs(time_limit_minutes=60).early_s == 120
    assert Needs(time_limit_minutes=2).early_s == 60
    assert Needs(time_limit_minutes=60, signal_s=30).early_s == 30


def test_a_job_has_one_gpu_and_one_trial_unless_it_says_otherwise() -> None:
    needs = Needs()
    assert (needs.gpus_per_trial, needs.ranks) == (1, 1)
    assert (needs.trials_per_job, needs.trials_side_by_side) == (1, 1)
