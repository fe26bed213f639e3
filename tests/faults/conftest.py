"""Fixtures: a lab on a Slurm that does what a test says, and the results of a run in which nothing goes wrong."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schema.site import Site
from tests.fake_slurm import FakeSlurm
from tests.faults.stage import MEASURED, SITE, Stage
from tests.journey import Rows, declare, tell, undisturbed

Staged = Callable[..., Stage]


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A catalog in which the toy grid of so many seeds waits; made once, to be copied."""
    made: dict[int, Path] = {}

    def catalog(seeds: int) -> Path:
        if seeds not in made:
            site = declare(tmp_path_factory.mktemp("declared"), SITE, seeds)
            tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")  # all that is measured by hand
            made[seeds] = site.catalog
        return made[seeds]

    return catalog


@pytest.fixture
def staged(folder: Path, tmp_path: Path, declared: Callable[[int], Path]) -> Iterator[Staged]:
    """`staged(seeds=12, text="max_in_flight = 4\\n", hold=False)`: a lab of so many pending trials, and its Slurm."""
    with ExitStack() as stack:

        def make(seeds: int = 2, text: str = "", **slurm: object) -> Stage:
            (folder / "site.toml").write_text(SITE + text)
            site = Site.load(folder)
            site.catalog.parent.mkdir()
            shutil.copy(declared(seeds), site.catalog)
            return Stage(folder, stack.enter_context(FakeSlurm(tmp_path / "slurm", **slurm).loaded()))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def stage(staged: Staged) -> Stage:
    """Two pending trials; jobs do not run by themselves."""
    return staged()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The results of two trials that really ran, undisturbed, on what is measured here."""
    return [row for row in undisturbed(tmp_path_factory.mktemp("undisturbed")) if MEASURED in row]
