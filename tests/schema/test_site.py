"""site.toml: defaults, relative paths, and the message for every way to get it wrong."""

from pathlib import Path

import pytest

from schema.site import Site, SiteError


def test_without_a_file_everything_lives_in_lab(folder: Path) -> None:
    site = Site.load()
    assert (site.catalog, site.runs, site.current) == (
        folder / "lab/catalog.duckdb", folder / "lab/runs", folder / "lab/snapshot/current.duckdb",
    )  # fmt: skip
    assert site.backend == "local"


def test_paths_are_relative_to_the_file(folder: Path) -> None:
    (folder / "site.toml").write_text(
        'data = "/big/disk"\nruns = "r"\ntrials_at_once = 3\ncheckpoint_minutes = 5\n'
    )
    site = Site.load()
    assert (site.data, site.runs, site.trials_at_once, site.checkpoint_minutes) == (
        Path("/big/disk"),
        folder / "r",
        3,
        5.0,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs = ", "not valid TOML"),
        ("trials_at_one = 3", "unknown key 'trials_at_one'.*Did you mean 'trials_at_once'"),
        ('trials_at_once = "3"', "must be a whole number"),
        ("trials_at_once = -1", "0 or more"),
        ("runs = 3", "must be a path"),
        ("backend = true", "must be a text"),
    ],
)
def test_refusals(folder: Path, text: str, message: str) -> None:
    (folder / "site.toml").write_text(text)
    with pytest.raises(SiteError, match=message):
        Site.load()
