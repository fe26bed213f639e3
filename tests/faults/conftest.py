"""Fixtures: a lab on a Slurm that does what a test says, and the results of a run in which nothing
goes wrong.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner import code_snapshot
from runner.sync import publish
from schema.catalog import Catalog
from schema.site import Site
from tests.fake_slurm import FakeSlurm
from tests.faults.stage import MEASURED, SITE, Stage
from tests.journey import Rows, copied, declare, tell

Staged = Callable[..., Stage]


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Site]:
    """A lab, published once, in which the toy grid of so many seeds waits; made once, to be copied."""
    made: dict[int, Site] = {}

    def lab(seeds: int) -> Site:
        if seeds not in made:
            site = made[seeds] = declare(tmp_path_factory.mktemp("declared"), SITE, seeds)
            # All that is measured by hand
            tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")
            catalog = Catalog(site.catalog)
            with catalog.open() as connection:
                publish(site, catalog, connection)
            code_snapshot.snapshot(site.code)
        return made[seeds]

    return lab


@pytest.fixture
def staged(folder: Path, tmp_path: Path, declared: Callable[[int], Site]) -> Iterator[Staged]:
    """`staged(seeds=12, text="max_in_flight = 4\\n", hold=False)`: a lab of so many pending trials, and its Slurm."""
    with ExitStack() as stack:

        def make(seeds: int = 2, text: str = "", **slurm: object) -> Stage:
            (folder / "site.toml").write_text(SITE + text)
            ours, theirs = Site.load(folder), declared(seeds)
            copied(theirs.catalog.parent, folder / "lab")
            if ours.catalog.parent != folder / "lab":
                # Wanted elsewhere
                ours.catalog.parent.mkdir()
                shutil.move(folder / "lab" / ours.catalog.name, ours.catalog)
            return Stage(
                folder, stack.enter_context(FakeSlurm(tmp_path / "slurm", **slurm).loaded())
            )  # type: ignore[arg-type]

        yield make


@pytest.fixture
def stage(staged: Staged) -> Stage:
    """Two pending trials; jobs do not run by themselves."""
    return staged()


@pytest.fixture
def trained(expected: Rows) -> Rows:
    """The results of two trials that really ran, undisturbed, on what is measured here."""
    return [row for row in expected if MEASURED in row]
