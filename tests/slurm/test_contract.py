"""The contract of backends, on a real Slurm."""

from pathlib import Path

import pytest

from tests.journey import SLURM
from tests.slurm.cluster import Cluster
from tests.test_backend_contract import *  # noqa: F403 - the tests, for this ground
from tests.test_backend_contract import Ground


@pytest.fixture
def ground(cluster: Cluster, folder: Path) -> Ground:
    return Ground.of("slurm", folder, SLURM)
