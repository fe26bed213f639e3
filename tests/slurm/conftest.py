"""Fixtures: a real Slurm cluster for the session, whole again before each test, and clusters of a
test's own.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing

Factory = Callable[..., Cluster]
# What ends the cluster of the session
ENDING = pytest.StashKey[ExitStack]()
# Whether a test has passed so far
PASSED = pytest.StashKey[bool]()


def require_slurm() -> None:
    """Skip where Slurm is not installed, and fail there if the environment says that it is
    expected.
    """
    if absent := missing():
        sentence = f"Slurm is not installed ({', '.join(absent)} not found); tests/slurm/install.sh installs it."
        if "slurm" in os.environ.get("WEIR_EXPECT", ""):
            pytest.fail(f"WEIR_EXPECT says slurm, but {sentence}", pytrace=False)
        pytest.skip(sentence)


def running(stack: ExitStack, **options: object) -> Cluster:
    """A cluster that runs and whose environment is loaded until the stack unwinds; then nothing is
    left of it.

    Not in pytest's own folders: their paths are too long for unix sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix="weir-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    cluster = stack.enter_context(Cluster(folder, **options))  # type: ignore[arg-type]
    return stack.enter_context(cluster.loaded())


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Two nodes of 8 CPUs and 4 GPUs, for all tests of this folder; os.environ leads Slurm's
    commands to it.
    """
    require_slurm()
    with ExitStack() as stack:
        request.config.stash[ENDING] = stack
        yield running(stack)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test has passed so far."""
    report = yield
    item.stash[PASSED] = report.passed
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the cluster with the last test of this folder, as its process goes on with others.

    These are to find neither its daemons nor its variables in os.environ. One that failed may be
    tried again.
    """
    last = nextitem is None or Path(__file__).parent not in nextitem.path.parents
    stack = item.config.stash.get(ENDING, None)
    if last and stack is not None and item.stash.get(PASSED, False):
        stack.close()


@pytest.fixture(autouse=True)
def healthy(request: pytest.FixtureRequest) -> None:
    """What a test did to the shared cluster, the next one does not see: no jobs, all daemons up,
    all nodes idle.
    """
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").heal()


@pytest.fixture
def make_cluster() -> Iterator[Factory]:
    """`make_cluster(nodes=1, extra="MaxArraySize=5")`: a cluster for this test only; os.environ
    leads to the newest one.
    """
    require_slurm()
    with ExitStack() as stack:
        yield lambda **options: running(stack, **options)
