"""Does successive halving choose the recipe that the full sweep chooses, at half of its FLOPs?

    python -m benchmarks.halving FOLDER [--methods finetune,lora_r8] [--rows FILE.md]

Makes a lab in FOLDER and runs, for each method on the embedded world, a sweep of seven learning
rates over four tasks, on validation images, from the base of the demo. Halving is a part of it:
which trials end after the first task is asked of the macro that a rule calls (`rung_after`, under
`fallen_behind`), by what they came to there, and what they spent until then is in the table of
costs, task by task. FLOPs are all that a trial spent, evaluation included. Run it again and it goes
on; `--backbone FILE` begins from weights that are there, in place of the base.

The design, and why:

- A rung is a task of the stream and not a smaller budget. Two designs with a smaller budget (an
  eighth of the steps, first 16 of 128, then 64 of 512) missed: a run that is shorter as a whole
  likes lower rates, and methods that average weights like higher ones the longer they go on. The
  first task of the trial itself has the schedule and the steps of the whole, and a trial that goes
  on is the same trial, so nothing is trained twice.
- Rates lie half a decade apart, from 1e-4 to 1e-1, as sweeps in papers do. One grid must hold the
  best rate of full and of low-rank tunings, which are a factor of thirty apart here. With rates a
  factor of two apart the best one and the next differed by as little as two seeds do, and which of
  them a sweep calls best is chance.
- Four tasks, and two of seven rates go on after the first, so that halving trains a quarter of the
  sweep plus three quarters of two sevenths: 0.46, and a little more with evaluation, of which the
  first task has two measurements of five.
- AdamW moves a weight by about the rate at each step however large the batch is, so steps are worth
  more than pairs here: 64 steps of 32 pairs in each task.
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
TASKS, STEPS = 4, 256
# Two of seven
KEEP = 0.28
RATES = 7
BASE = """
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
VALUES ('tiny', 'world_base', 'update_only', 'finetune', 'tiny_pretraining', 'steps_1200', 0, 10,
        'base')
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
  AND (role = 'adapt'
       OR dataset IN ('shape_validation', 'texture_validation', 'compose_validation'))
ON CONFLICT DO NOTHING;
INSERT INTO stream (name, sequence, tasks, suite)
VALUES ('world_search', 'world_random', {TASKS}, 'world_search') ON CONFLICT DO NOTHING;
INSERT INTO stream (name, sequence, tasks, suite, validation)
VALUES ('world_sought', 'world_random', {TASKS}, 'world', 'world_search') ON CONFLICT DO NOTHING;
INSERT INTO budget (name, unit, total) VALUES ('full', 'steps', {STEPS}) ON CONFLICT DO NOTHING;
INSERT INTO recipe BY NAME
SELECT * REPLACE ('batches_of_32' AS name, 32 AS batch_pairs)
FROM recipe WHERE name = 'tiny_lr_1e-3' ON CONFLICT DO NOTHING;
INSERT INTO recipe BY NAME
-- Points 1/8 to 7/8 of four decades: 1e-4, 3.16e-4, ..., 1e-1
FROM sweep(base := 'batches_of_32', draws := {RATES}, lr_low := 3.16228e-5, lr_high := 0.316228)
ON CONFLICT DO NOTHING;
"""
TRIALS = """
-- One method after the other, so that what ended is a whole comparison
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority, study)
SELECT 'tiny_base', 'world_search', 'replay_thirds', method.name, recipe.name, 'full', 0,
       -method.place, 'search'
FROM (SELECT unnest({methods}) AS name, unnest(range(len({methods}))) AS place) AS method, recipe
WHERE starts_with(recipe.name, 'batches_of_32_lr_') ON CONFLICT DO NOTHING;
"""
# Of each trial what it came to, what it spent until the rung and in all, and whether it goes on. A
# trial that diverged has lost, and what it spent counts.
REACHED = f"""
WITH
spent AS (
    SELECT trial, sum(flops) AS flops, sum(flops) FILTER (WHERE task <= 1) AS until_rung
    FROM cost GROUP BY trial
)
SELECT rung.method, rung.recipe, ended.value, coalesce(spent.flops, 0),
       coalesce(spent.until_rung, 0), rung.goes_on, rung.is_open
FROM rung_after(study := 'search', after_task := 1, keep := {KEEP}) AS rung
LEFT JOIN at_end() AS ended ON ended.trial = rung.trial
LEFT JOIN spent ON spent.trial = rung.trial
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
    """Declare the base and the trials of the sweep."""
    catalog = Catalog(site.catalog)
    migrations.prepare(catalog)
    with catalog.open() as connection:
        for path in sorted((ROOT / "schema" / "rows").glob("*.sql")):
            grid.apply(connection, path.read_text(), path.name)
        base = WEIGHTS.format(weights) if weights else BASE
        text = base + SEARCH + TRIALS.format(methods=list(methods))
        grid.apply(connection, text, "halving")


def compare(connection: duckdb.DuckDBPyConnection) -> list[Compared]:
    """Return both searches of each method whose trials are all over."""
    rows = connection.execute(REACHED).fetchall()
    outcomes = []
    for name in sorted({method for method, *_ in rows}):
        own = [row[1:] for row in rows if row[0] == name]
        values: dict[str, float] = {}
        finalists: dict[str, float] = {}
        full_flops = halved_flops = 0.0
        for recipe, value, flops, until_rung, goes_on, is_open in own:
            full_flops += flops
            halved_flops += flops if goes_on else until_rung
            if not is_open:
                values[recipe] = value or 0.0
            if goes_on and not is_open:
                finalists[recipe] = value or 0.0
        # One that is still to end makes it unfair
        if len(values) != RATES:
            continue
        best = max(values, key=values.__getitem__)
        halved = max(finalists, key=finalists.__getitem__)
        outcomes.append(
            Compared(
                method=name,
                full=best,
                halved=halved,
                full_value=values[best],
                halved_value=values[halved],
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
    """Run the sweep and print the table."""
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
