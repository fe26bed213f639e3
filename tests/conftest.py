"""Fixtures: a site in a temporary folder with spaces in its name, and a catalog with our vocabulary in it."""

import gc
import os
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: results are compared to the last bit
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Long enough for the next test that starts a job; it ends with the folder of its code at the latest
os.environ.setdefault("WEIR_FORK_SERVER_S", "3600")
# That of the commands that tests run, since jobs are forked only from one that has the same
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
# The processes that pytest distributes tests to have one, and what a command prints follows it
os.environ.pop("COLUMNS", None)

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from schema.catalog import Catalog
from schema.site import Site
from tests.filled import Filled
from tests.in_memory import use_memory
from tests.once import once, open_place
from tests.template import fresh

if TYPE_CHECKING:
    from tests.journey import Rows

HERE = Path(__file__).parent
# Folders whose tests share a cluster or a browser, and mostly wait for it
TOGETHER = ("slurm", "browser")
# So many processes are left to the other tests, if there are as many, when those are done
COMPUTING = os.cpu_count() or 1


# Here, as conftest.py of a folder below may need it before pytest is configured
use_memory()
CLOSE_PLACE = open_place()


def pytest_configure(config: pytest.Config) -> None:
    """Close in the end what all processes of this run share."""
    config.add_cleanup(CLOSE_PLACE)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while tests are collected, and leave what they are made of out of it later.

    These are millions of objects that stay, and each collection would look at all of them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and try tests of daemons and of the browser twice.

    Lest one process is left with it in the end, first comes what has a process of its own, then
    files with slow tests, then large ones. The tests of a file stay together, as `make test` gives
    out one file at a time.

    A dozen daemons of a cluster, or a browser, are late now and then on two busy cores. `make test`
    shows why a test needed its second try, which is looked into like a failure.
    """
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))

    def order(item: pytest.Item) -> tuple[int, bool, bool, int]:
        path = item.path
        own = len(TOGETHER)
        if path.parent.name in TOGETHER:
            own = TOGETHER.index(path.parent.name)
        # Whole journeys, a minute each, lie beside this file
        journey = path.parent == HERE and bool(slow[path])
        return own, not journey, not slow[path], -tests[path]

    items.sort(key=order)
    for item in items:
        if item.path.parent.name in TOGETHER:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, keep the tests of Slurm in one process: they share one cluster.

    Those of the browser share one server of the app. Both mostly wait, so each has a process beside
    those that compute, which ends with it where there is one of these for each core: on two cores
    four processes take a fifth longer over the other tests than two.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            folder = nodeid.split("/")[1]
            return folder if folder in TOGETHER else str(super()._split_scope(nodeid))

        def _reschedule(self, node: Any) -> None:
            computing = [each for each in self.nodes if not self._waits(each)]
            if self._waits(node) and len(computing) >= COMPUTING and not node.shutting_down:
                # It ends when it has done what it was given
                node.shutdown()
            else:
                super()._reschedule(node)

        def _waits(self, node: Any) -> bool:
            return any(scope in TOGETHER for scope in self.assigned_work[node])

    # The order of collection is the better one
    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: hostile to careless quoting."""
    place = tmp_path / "a lab's folder"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def site(folder: Path) -> Site:
    return Site.load()


@pytest.fixture
def catalog(site: Site) -> Catalog:
    """An empty catalog with the present schema and views."""
    return fresh(site.catalog)


@pytest.fixture(scope="module")
def shared() -> Iterator[Filled]:
    made = Filled()
    yield made
    made.connection.close()


@pytest.fixture
def filled(shared: Filled) -> Filled:
    """A catalog in memory with axes and no facts, made once per file."""
    shared.clear()
    return shared


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> "Rows":
    """Return the results of the toy grid of two trials when nothing goes wrong."""
    # Needs torch, which the tests of the database half do without
    from tests.journey import undisturbed

    return once("expected", lambda: undisturbed(tmp_path_factory.mktemp("undisturbed")))
