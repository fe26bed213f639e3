"""The stream of emoji: what is drawn follows from the packages alone, and its grid runs to an answer."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grids.emoji import __main__ as emoji
from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests.journey import CODE, ask, settle
from tests.processes import ROOT

GRID = (ROOT / "grids/emoji/emoji.sql").read_text()


@pytest.fixture(scope="module")
def listed() -> list[emoji.Emoji]:
    return emoji.emoji_of_packages()


def test_every_emoji_has_one_year_and_a_name_of_its_own(listed: list[emoji.Emoji]) -> None:
    """Of the packages that constraints.txt pins."""
    assert len(listed) == len({one.name for one in listed}) == len({one.code for one in listed})
    counts = {year: sum(one.year == year for one in listed) for year in range(2015, 2026)}
    assert counts[2015] > 1200 and all(counts.values()) and len(listed) > 1800
    by_name = {one.name: one.year for one in listed}
    assert by_name["taco"] == 2015 and by_name["avocado"] == 2016


def test_a_picture_follows_from_its_code(listed: list[emoji.Emoji], tmp_path: Path) -> None:
    """Drawn twice it has the same bytes; no two pictures of one emoji are the same."""
    one = listed[100]
    assert emoji.draw(tmp_path / "a", one) == emoji.TRAIN_PICTURES + emoji.TEST_PICTURES
    assert emoji.draw(tmp_path / "a", one) == 0, "what is there is not drawn again"
    emoji.draw(tmp_path / "b", one)
    pictures = sorted((tmp_path / "a").rglob("*.png"))
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in pictures]
    again = sorted((tmp_path / "b").rglob("*.png"))
    assert digests == [hashlib.sha256(path.read_bytes()).digest() for path in again]
    assert len(set(digests)) == len(digests)
    with Image.open(pictures[0]) as picture:
        assert picture.size == (emoji.IMAGE_PX, emoji.IMAGE_PX)
        assert np.asarray(picture.convert("RGB")).std() > 5, "something is drawn"


@pytest.mark.slow
def test_the_grid_runs_from_pictures_to_an_answer(
    listed: list[emoji.Emoji], catalog: Catalog, site: Site
) -> None:
    """Of every fortieth emoji of some years, with few steps: each year is a task, and each is
    measured after it."""
    few = [one for one in listed[::40] if one.year <= 2018]
    (site.folder / "site.toml").write_text(f"{CODE}trials_per_job = 4\n")
    folder = site.data / "emoji"
    for one in few:
        emoji.draw(folder, one)
    rows = "\n".join(emoji.datasets(few))
    years = sorted({one.year for one in few})
    assert len(years) == 4
    short = GRID
    for whole, part in (
        ("('emoji_base', 'steps', 1000,", "('emoji_base', 'steps', 2,"),
        ("('emoji_years', 'steps', 180,", f"('emoji_years', 'steps', {len(years)},"),
        ("(1), (2), (3)", "(1)"),
        ("0.1, 1, 128", "0.1, 1, 8"),
    ):
        assert whole in short
        short = short.replace(whole, part)
    with catalog.open() as connection:
        for name in ("fomo_in_flux", "methods", "world"):
            path = ROOT / f"schema/rows/{name}.sql"
            grid.apply(connection, path.read_text(), path.name)
        grid.apply(connection, rows, "datasets.sql")
        grid.apply(connection, short, "emoji.sql")
    settle(site, 600)
    states = ask(site, "SELECT DISTINCT state FROM trial_state")
    assert states == [("done",)], ask(site, "SELECT message FROM outcome")
    tasks = ask(
        site,
        "SELECT DISTINCT task FROM result JOIN trial ON trial.id = trial WHERE study = 'emoji'",
    )
    assert sorted(tasks) == [(task,) for task in range(len(years))]
