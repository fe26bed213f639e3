"""Does successive halving choose the recipe that the full sweep chooses, at half of its FLOPs?

    python -m benchmarks.halving FOLDER [--methods finetune,lora_r8] [--rows FILE.md]

Makes a lab in FOLDER and runs, for each method on the embedded world, a sweep of seven learning
rates at the full budget and the first rung of `halving`, on validation images, from the base of the
demo. What goes on to the full budget is asked of `halving` itself; these trials are among those of
the full sweep, so they run once. FLOPs are all that a trial spent, evaluation included. Run it
again and it goes on; `--backbone FILE` begins from weights that are there, in place of the base.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from schema import grid, migrations
from schema.catalog import Catalog
from schema.site import Site

ROOT = Path(__file__).resolve().parents[1]
METHODS = (
    "finetune",
    "ema_merge",
    "ft_merge",
    "lora_r8",
    "bitfit",
    "locked_image",
    "locked_text",
    "ewc_tiny",
    "lwf",
    "l2_init",
)
SITE = 'backend = "local"\ntrials_per_job = 4\n'
FIRST_STEPS, LAST_STEPS = 16, 128
# Two of seven
KEEP = 0.28
BASE = """
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
VALUES ('tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0, 10, 'base')
ON CONFLICT DO NOTHING;
INSERT INTO backbone (name, architecture, pretrained)
SELECT 'tiny_base', backbone.architecture, 'trial:' || trial.id
FROM trial JOIN backbone ON backbone.name = 'tiny' WHERE trial.study = 'base'
ON CONFLICT DO NOTHING;
"""
WEIGHTS = """
INSERT INTO backbone (name, architecture, pretrained)
SELECT 'tiny_base', architecture, '{}' FROM backbone WHERE name = 'tiny' ON CONFLICT DO NOTHING;
"""
SEARCH = f"""
INSERT INTO suite (name) VALUES ('world_search') ON CONFLICT DO NOTHING;
INSERT INTO suite_member (suite, dataset, role, metric)
SELECT 'world_search', dataset, role, metric FROM suite_member
WHERE suite = 'world_validation'
  AND (role = 'adapt' OR dataset IN ('shape_validation', 'texture_validation', 'compose_validation'))
ON CONFLICT DO NOTHING;
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('world_search', 'world_random', 2, 'world_search')
ON CONFLICT DO NOTHING;
INSERT INTO stream (name, sequence, tasks, suite, validation)
VALUES ('world_two', 'world_random', 2, 'world', 'world_search') ON CONFLICT DO NOTHING;
INSERT INTO budget (name, unit, total) VALUES
    ('first_rung', 'steps', {FIRST_STEPS}), ('full', 'steps', {LAST_STEPS}) ON CONFLICT DO NOTHING;
INSERT INTO recipe BY NAME
SELECT * REPLACE ('batches_of_64' AS name, 64 AS batch_pairs) FROM recipe WHERE name = 'tiny_lr_1e-3'
ON CONFLICT DO NOTHING;
INSERT INTO recipe BY NAME
FROM sweep(base := 'batches_of_64', draws := 7, lr_low := 2e-4, lr_high := 5e-2) ON CONFLICT DO NOTHING;
"""
TRIALS = """
-- One method after the other, so that what ended is a whole comparison
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
SELECT 'tiny_base', 'world_search', 'replay_thirds', method.name, recipe.name, rung.budget, 0,
       -method.place, rung.study
FROM (SELECT unnest({methods}) AS name, unnest(range(len({methods}))) AS place) AS method, recipe,
     (VALUES ('first_rung', 'halved'), ('full', 'full')) AS rung(budget, study)
WHERE starts_with(recipe.name, 'batches_of_64_lr_') ON CONFLICT DO NOTHING;
"""
# Of each trial what it came to and spent; those of the full budget that `halving` would run
REACHED = f"""
WITH
spent AS (SELECT trial, sum(flops) AS flops FROM costs GROUP BY trial),
went_on AS (
    SELECT method, recipe
    FROM halving(study := 'halved', rungs := 'first_rung,full', keep := {KEEP})
)
SELECT ended.method, ended.recipe, ended.study = 'full' AS is_full, ended.value, spent.flops,
       (ended.method, ended.recipe) IN (FROM went_on) AS goes_on
FROM at_end() AS ended
JOIN spent ON spent.trial = ended.trial
WHERE ended.study IN ('full', 'halved')
"""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What both searches chose for a method, and what they cost in FLOPs."""

    method: str
    full: str
    halved: str
    full_value: float
    halved_value: float
    full_flops: float
    halved_flops: float

    @property
    def share(self) -> float:
        """Return the FLOPs of halving over those of the full sweep."""
        return self.halved_flops / self.full_flops


def prepare(site: Site, methods: Sequence[str], weights: Path | None) -> None:
    """Declare the base and the trials of both searches."""
    catalog = Catalog(site.catalog)
    migrations.prepare(catalog)
    with catalog.open() as connection:
        for path in sorted((ROOT / "schema" / "rows").glob("*.sql")):
            grid.apply(connection, path.read_text(), path.name)
        base = WEIGHTS.format(weights) if weights else BASE
        text = base + SEARCH + TRIALS.format(methods=list(methods))
        grid.apply(connection, text, "halving")


def compare(connection: duckdb.DuckDBPyConnection) -> list[Compared]:
    """Return both searches of each method whose trials are all done."""
    rows = connection.execute(REACHED).fetchall()
    outcomes = []
    for name in sorted({method for method, *_ in rows}):
        own = [row[1:] for row in rows if row[0] == name]
        full = {recipe: value for recipe, is_full, value, _, _ in own if is_full}
        finalists = {}
        full_flops = halved_flops = 0.0
        for recipe, is_full, value, flops, goes_on in own:
            if is_full:
                full_flops += flops
            if goes_on and is_full:
                finalists[recipe] = value
            if goes_on or not is_full:
                halved_flops += flops
        # The first rung has as many trials as the full sweep; one that is missing makes it unfair
        if len(own) != 2 * len(full) or not finalists:
            continue
        best, halved = max(full, key=full.__getitem__), max(finalists, key=finalists.__getitem__)
        outcomes.append(
            Compared(
                method=name,
                full=best,
                halved=halved,
                full_value=full[best],
                halved_value=full[halved],
                full_flops=full_flops,
                halved_flops=halved_flops,
            )
        )
    return outcomes


def lines(compared: Sequence[Compared]) -> list[str]:
    """Return the table, and a line that counts."""
    table = [
        "| method | full sweep | its mean | halving | its mean | FLOPs of halving over full |",
        "|---|---|--:|---|--:|--:|",
    ]
    for one in compared:
        full, halved = (name.rpartition("_")[2] for name in (one.full, one.halved))
        table.append(
            f"| `{one.method}` | {full} | {one.full_value:.3f} | {halved} | "
            f"{one.halved_value:.3f} | {one.share:.2f} |"
        )
    same = sum(one.full == one.halved for one in compared)
    total = sum(one.full_flops for one in compared)
    share = sum(one.halved_flops for one in compared) / total if total else 0.0
    return [*table, "", f"{same} of {len(compared)} methods the same, {share:.2f} of the FLOPs"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both searches and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.halving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--backbone", type=Path, help="weights, in place of the demo's base")
    parser.add_argument("--rows", type=Path, help="write the table here, too")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    if not (options.folder / "site.toml").exists():
        (options.folder / "site.toml").write_text(SITE)
    site = Site.load(options.folder)
    prepare(site, options.methods.split(","), options.backbone)
    subprocess.run([sys.executable, "-m", "runner.sync", "--watch"], cwd=options.folder, check=True)
    with Catalog(site.catalog).open() as connection:
        text = "\n".join(lines(compare(connection)))
    print(text)
    if options.rows:
        options.rows.write_text(text + "\n")


if __name__ == "__main__":
    main()
