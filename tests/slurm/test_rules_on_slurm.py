"""A search and a decision from one INSERT INTO rule to an answer, unattended, on a real cluster."""

import random
from pathlib import Path

import pytest

from tests.journey import ON_SLURM
from tests.kills import Kills
from tests.searching import (
    RETRIES,
    declare_search,
    killed_search,
    same_search,
    undisturbed_search,
)
from tests.slurm.conftest import Factory


@pytest.mark.slow
def test_a_search_that_is_killed_at_random_ends_as_an_undisturbed_one(
    make_cluster: Factory, tmp_path: Path
) -> None:
    """F20, F25, F41: syncs, workers and jobs are killed; the same trials by the same rules, the same
    results to the bit, the same answer (I2, I3, I4, I8)."""
    quiet = undisturbed_search(tmp_path / "quiet")
    make_cluster(nodes=2, cpus=2, gpus=0, extra="SlurmdTimeout=10")
    text = ON_SLURM.replace("patience_s = 2", "patience_s = 5") + "trials_per_job = 3\n" + RETRIES
    kills = Kills(site=declare_search(tmp_path / "killed", text), dice=random.Random(7))
    killed_search(kills, each=3, pause_s=2.0)
    assert kills.killed["sync"] > 1 and kills.killed["worker"] > 1, kills.killed
    same_search(kills.site, quiet)
