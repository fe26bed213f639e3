"""The contract of backends, on a real Slurm."""

from pathlib import Path

import pytest

from tests.journey import SLURM
from tests.runner.test_backend_contract import *  # noqa: F403 - the tests, for this ground
from tests.runner.test_backend_contract import Ground
from tests.slurm.cluster import Cluster


@pytest.fixture
def ground(cluster: Cluster, folder: Path) -> Ground:
    return Ground.of("slurm", folder, SLURM)
