"""What the README shows is true: its SQL applies, its part works, its settings are the settings."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from schema import grid
from schema.catalog import Catalog
from schema.checks import parts
from schema.checks.augmentation import Augmentation
from schema.checks.compute import Compute
from schema.site import Needs, Site
from schema.vocabulary import OUTCOME_KINDS, POLICY
from tests.template import fresh

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def vocabulary(site: Site) -> Catalog:
    catalog = fresh(site.catalog, "words")
    with catalog.open() as connection:
        grid.apply(connection, (ROOT / "grids/demo.sql").read_text(), "demo.sql")
    return catalog


def test_its_grid_applies(vocabulary: Catalog) -> None:
    text = next(block for block in blocks("sql") if "my_grid.sql" in block)
    with vocabulary.open() as connection:
        assert {
            count.table: count.new for count in grid.apply(connection, text, "my_grid.sql")
        } == {
            "method": 1,
            "trial": 9,
        }  # three are in the demo already
        assert all(count.new == 0 for count in grid.apply(connection, text, "my_grid.sql"))


@pytest.mark.parametrize("path", sorted((ROOT / "grids").glob("*.sql")), ids=lambda path: path.name)
def test_every_example_grid_applies_twice(vocabulary: Catalog, path: Path) -> None:
    with vocabulary.open() as connection:
        grid.apply(connection, path.read_text(), path.name)
        assert all(count.new == 0 for count in grid.apply(connection, path.read_text(), path.name))


def test_its_merging_is_a_merging(
    vocabulary: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = next(block for block in blocks("python") if "def merge" in block)
    space: dict[str, object] = {}
    exec(code, space)
    history = [
        {"w": torch.zeros(2), "n": torch.tensor(0)},
        {"w": torch.ones(2), "n": torch.tensor(5)},
    ]
    merged = space["merge"](history, share=0.8)  # type: ignore[operator]
    assert torch.allclose(merged["w"], torch.tensor(0.8)) and merged["n"] == 5
    (tmp_path / "methods/merging").mkdir(parents=True)
    (tmp_path / "methods/merging/newest.py").write_text(code)
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    parts.annotations.cache_clear()
    parts.check("methods/merging", "newest", {"share": 0.8}, "here")
    with pytest.raises(
        parts.PartError, match="newest has no parameter 'shar'.*Did you mean 'share'"
    ):
        parts.check("methods/merging", "newest", {"shar": 0.8}, "here")
    parts.annotations.cache_clear()


CLUSTER = (ROOT / "docs/cluster.md").read_text()
SITE = (ROOT / "docs/site.md").read_text()


@pytest.mark.parametrize("text", [README, CLUSTER], ids=["README", "cluster"])
def test_its_settings_are_settings(folder: Path, text: str) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (folder / "site.toml").write_text(block)
    site = Site.load()
    assert (site.backend, site.needs.time_limit_minutes, dict(site.needs.slurm)["partition"]) == (
        "slurm",
        240,
        "gpu",
    )


def test_every_setting_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", SITE.partition("## Keys")[2], re.MULTILINE)
    defaults = {name: default.strip("`") for name, default in rows}
    settings = {}
    for field in [*fields(Site), *fields(Needs)]:
        if field.name not in (
            "needs",
            "by_backbone",
            "by_study",
            "retries",
            "notify",
            "folder",
            "slurm",
            "setup",
            "ranks",
        ):
            settings[field.name] = field.default
    assert set(defaults) == set(settings)
    for name, default in settings.items():
        if isinstance(default, int | float):
            assert float(defaults[name]) == default, name
        else:
            assert defaults[name] == str(default), name


def test_every_key_of_a_recipe_s_params_is_described_with_its_default() -> None:
    text = (ROOT / "docs/recipes.md").read_text()
    for key in [*fields(Augmentation), *fields(Compute)]:
        assert f"\n| `{key.name}` | " in text, key.name


def test_the_retries_are_the_policy() -> None:
    table = CLUSTER.partition("| kind | when | retries |")[2].partition("\n\n")[0]
    said = {
        kind: int(number)
        for kinds, number in re.findall(r"^\| (.*?) \| .*? \| (\d+)", table, re.MULTILINE)
        for kind in re.findall(r"`(\w+)`", kinds)
    }
    policy = {
        name.removeprefix("retries_"): value
        for name, value, _ in POLICY
        if name.startswith("retries_")
    }
    assert {kind: said[kind] for kind in policy} == policy
    assert {kind for kind, number in said.items() if number == 0} == set(OUTCOME_KINDS) - set(
        policy
    )
    (same_errors,) = (value for name, value, _ in POLICY if name == "same_errors")
    assert f"`same_errors` ({same_errors})" in CLUSTER
