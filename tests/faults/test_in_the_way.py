"""F37: something else has the name of a file or folder that sync makes by itself."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests.faults.wreck import a_folder, unreadable
from tests.journey import LOCAL, ask, copied, declare, settle
from tests.processes import command
from tests.toy import toy_grid

# All of them, at once
FILES = ("declared/*", "snapshot/*", "runs/.slots/*", "*.lock")
FOLDERS = ("declared", "snapshot", "runs/.slots", "runs/batches")


@pytest.fixture(scope="module")
def one_done(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A lab whose only trial is done."""
    site = declare(tmp_path_factory.mktemp("done"), LOCAL, 1)
    settle(site)
    return site


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("in the way")


def folder_in_its_place(path: Path) -> None:
    a_folder(path, random.Random(0), path)


def link_to_itself(path: Path) -> None:
    unreadable(path, random.Random(0), path)


@pytest.mark.parametrize(
    ("names", "how"),
    [(FILES, folder_in_its_place), (FILES, link_to_itself), (FOLDERS, a_file)],
)
def test_f37_it_is_set_aside_and_trials_go_on(
    one_done: Site, tmp_path: Path, names: tuple[str, ...], how: Callable[[Path], None]
) -> None:
    """The next pass makes its own anew, and what lay there is kept (I3, I17)."""
    copied(one_done.folder, tmp_path / "lab")
    site = Site.load(tmp_path / "lab")
    lab = site.catalog.parent
    with Catalog(site.catalog).open() as connection:
        grid.apply(connection, toy_grid(2), "more")
    places = [path for name in names for path in lab.glob(name)]
    assert len(places) >= len(names)
    for path in places:
        how(path)
    first = command(site.folder, "runner.sync")
    assert "Traceback" not in first.stderr and first.returncode == 0, first.stderr
    kept = list(lab.rglob("*.in-the-way-*"))
    assert kept or how is link_to_itself
    assert all(str(path) in first.stderr for path in kept)
    settle(site)
    assert ask(site, "SELECT state FROM trial_state") == [("done",)] * 2
