"""A short run of what `python -m tests.slurm.chaos` does for long: random SIGKILLs of everything
that runs.
"""

from pathlib import Path

import pytest

from tests.slurm.chaos import run
from tests.slurm.conftest import require_slurm


@pytest.mark.slow
def test_random_kills(tmp_path: Path) -> None:
    """F20, F25: sync, workers, jobs, slurmd and slurmstepd, at random; every trial is done once, to
    the bit (I2, I3, I4, I8).
    """
    require_slurm()
    for name in ("chaos", "quiet"):
        (tmp_path / name).mkdir()
    chaos = run(kills=10, seed=3, trials=6, pause_s=1.0, folder=tmp_path)
    assert chaos.killed.total() == 10
