"""How many seeds do rules that stop when a question is answered use, beside a fixed number of seeds?

    python -m benchmarks.seeds_saved [--studies 400]     # the tables of docs/statistics.md

Each study is a stream of its own in a catalog of made-up results. `decided` and `best_of` are asked
what is still missing, it is filled in, and they are asked again until nothing is missing: the rules
themselves, in SQL, not a copy of them. Beside them stands the design that fixes the number of seeds
before it looks: as many as give the same power (at most 0.99) when the seeds are looked at once, at
5 %.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from benchmarks.decisions import LEVEL, Array, moderated, quantile
from schema import migrations
from schema.catalog import Catalog

MOST_SEEDS = 24
# Above it the number of fixed seeds is one of rare studies
HIGHEST_POWER = 0.99
# One standard deviation of a method's own noise, and of what a seed does to all methods alike
NOISE, OF_SEED = 0.01, 0.01
# So many test items that the resolution of a test set is far below the noise
EXAMPLES = 100_000_000
AXES = """
INSERT INTO backbone (name, architecture) VALUES ('tiny', 'ViT-B-32');
INSERT INTO dataset (name, format, kind) SELECT unnest(['learned', 'kept']), 'world', 'classification';
INSERT INTO sequence (name, ordering) VALUES ('order', 'random');
INSERT INTO sequence_concept VALUES ('order', 1, 'learned', 'crow');
INSERT INTO suite (name) VALUES ('two');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
    ('two', 'learned', 'adapt', 'top1'), ('two', 'kept', 'retain', 'top1');
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share) VALUES ('plain', 1, 0, 0);
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('usual', 1e-3, 16);
INSERT INTO budget (name, unit, total) VALUES ('small', 'steps', 100);
"""
# What the rules say is missing becomes trials that are done
DONE = """
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT backbone, stream, mixture, method, recipe, budget, seed, study FROM missing
ON CONFLICT DO NOTHING;
CREATE OR REPLACE TEMP TABLE new_trial AS
SELECT * FROM trial WHERE id NOT IN (SELECT trial FROM attempt);
INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position)
SELECT id, 1, '{}', 'made up', 'weir-1', 0 FROM new_trial;
INSERT INTO outcome (trial, attempt, state) SELECT id, 1, 'done' FROM new_trial;
INSERT INTO result BY NAME
SELECT new_trial.id AS trial, 1 AS attempt, task, 10 * task AS step, dataset, 'top1' AS metric,
       'all' AS label_space, 'deployed' AS weights,
       CASE WHEN dataset = 'learned' AND task = 1 THEN value.value ELSE 0.5 END AS value,
       $examples::BIGINT AS examples, 1.0 AS fraction
FROM new_trial
JOIN value ON value.stream = new_trial.stream AND value.method = new_trial.method
          AND value.seed = new_trial.seed
CROSS JOIN (VALUES (0), (1)) AS tasks(task)
CROSS JOIN (VALUES ('learned'), ('kept')) AS datasets(dataset);
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of studies: how often differences were found, and seeds used per method."""

    power: float
    seeds: float


class Studies:
    """A catalog of studies, each a stream, whose results are drawn and not trained.

    Args:
        folder: where the catalog is made.
        effects: by how many deviations of a method's noise each method is better; one per method.
        studies: how many.
        rng: draws the results.
    """

    def __init__(
        self, folder: Path, effects: Sequence[float], studies: int, rng: np.random.Generator
    ) -> None:
        self.methods = [f"m{place}" for place in range(len(effects))]
        self.values = drawn_values(effects, studies, rng)
        catalog = Catalog(folder / "catalog.duckdb")
        migrations.prepare(catalog)
        self.connection = duckdb.connect(str(catalog.path))
        self.connection.execute(AXES)
        self.connection.execute(
            "INSERT INTO method (name) SELECT unnest(?::VARCHAR[])", [self.methods]
        )
        self.connection.execute(
            "INSERT INTO stream (name, sequence, tasks, suite) "
            "SELECT 's' || n, 'order', 1, 'two' FROM range(?) AS numbers(n)",
            [studies],
        )
        places = np.indices(self.values.shape).reshape(3, -1)
        self.connection.register(
            "drawn",
            pl.DataFrame(
                {
                    "study": places[0],
                    "place": places[1],
                    "seed": places[2],
                    "value": 0.5 + NOISE * self.values.reshape(-1),
                }
            ).to_arrow(),
        )
        self.connection.execute(
            "CREATE TEMP TABLE value AS "
            "SELECT 's' || study AS stream, 'm' || place AS method, seed, value FROM drawn"
        )

    def run(self, rule: str) -> None:
        """Fill in what the rule says is missing until nothing is."""
        words = "'tiny' AS backbone, 'plain' AS mixture, 'usual' AS recipe, 'small' AS budget"
        first = f"SELECT {words}, stream, method, seed, 'first' AS study FROM value WHERE seed < 3"
        missing = first
        while True:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE missing AS {missing}")
            before = self.trials()
            for statement in DONE.split(";\n"):
                values = {"examples": EXAMPLES} if "$examples" in statement else None
                if statement.strip():
                    self.connection.execute(statement, values)
            if self.trials() == before:
                return
            missing = f"SELECT * FROM {rule}"

    def trials(self) -> int:
        """Return how many trials there are."""
        ((count,),) = self.connection.execute("SELECT count(*) FROM trial").fetchall()
        return int(count)

    def seeds(self) -> float:
        """Return how many seeds a method has on average."""
        return self.trials() / len(self.values) / len(self.methods)


def drawn_values(effects: Sequence[float], studies: int, rng: np.random.Generator) -> Array:
    """Return (studies, methods, seeds) values in deviations of a method's own noise."""
    noise = rng.standard_normal((studies, len(effects), MOST_SEEDS))
    of_seed = OF_SEED / NOISE * rng.standard_normal((studies, 1, MOST_SEEDS))
    values: Array = noise + of_seed + np.asarray(effects, float)[None, :, None]
    return values


def two_methods(folder: Path, effect: float, studies: int, rng: np.random.Generator) -> Found:
    """Let `decided` compare two methods, one better by `effect` deviations of their difference."""
    there = Studies(folder, [effect * math.sqrt(2), 0.0], studies, rng)
    there.run(f"decided(a := 'm0', b := 'm1', most_seeds := {MOST_SEEDS}, measure := 'a_ka')")
    verdicts = there.connection.execute(
        "SELECT verdict FROM decide(a := 'm0', b := 'm1', measure := 'a_ka')"
    ).fetchall()
    better = ("m0 is better",) if effect else ("m0 is better", "m1 is better")
    power = sum(verdict in better for (verdict,) in verdicts) / studies
    return Found(power=power, seeds=there.seeds())


def several_methods(
    folder: Path, effects: Sequence[float], studies: int, rng: np.random.Generator
) -> Found:
    """Let `best_of` compare methods. Power is the share of the others that are called behind.

    Where all are equal it is the share of studies in which any is called behind.
    """
    there = Studies(folder, effects, studies, rng)
    there.run(f"best_of(most_seeds := {MOST_SEEDS}, measure := 'a_ka')")
    rows = there.connection.execute(
        "SELECT stream, choice, verdict FROM "
        "effect(axis := 'method', measure := 'a_ka', every_look := TRUE)"
    ).fetchall()
    best = {stream: choice for stream, choice, verdict in rows if verdict == "best"}
    behind: dict[str, int] = {}
    for stream, _, verdict in rows:
        behind[stream] = behind.get(stream, 0) + (verdict == "behind")
    if not any(effects):
        power = sum(count > 0 for count in behind.values()) / studies
    else:
        right = {stream: count for stream, count in behind.items() if best.get(stream) == "m0"}
        power = sum(right.values()) / studies / (len(effects) - 1)
    return Found(power=power, seeds=there.seeds())


def fixed_seeds(effects: Sequence[float], power: float, rng: np.random.Generator) -> float:
    """Return how many seeds give `power` where they are fixed before and looked at once.

    Between two numbers of seeds the line between their powers is read; infinite where even three
    times the most seeds of a rule do not give it.
    """
    last = 0.0
    for seeds in range(2, 3 * MOST_SEEDS):
        noise = rng.standard_normal((4000, len(effects), seeds))
        values = noise + np.asarray(effects, float)[None, :, None]
        here = _power_once(values)
        if here >= power:
            return seeds if seeds == 2 else seeds - (here - power) / max(here - last, 1e-9)
        last = here
    return math.inf


def _power_once(values: Array) -> float:
    """Return the power of one look at (studies, methods, seeds), the first method the best."""
    seeds = values.shape[2]
    if values.shape[1] == 2:
        apart = values[:, 0] - values[:, 1]
        error = apart.std(axis=1, ddof=1) / math.sqrt(seeds)
        return float((apart.mean(axis=1) > quantile(seeds - 1, LEVEL) * error).mean())
    judged = moderated(values)
    found = judged.behind.sum(axis=1) / (values.shape[1] - 1) * (judged.best == 0)
    return float(found.mean())


def tables(studies: int) -> list[str]:
    """Return the lines of the two tables."""
    rng = np.random.default_rng(0)
    lines = [
        "| methods | better by | decided in | seeds a method | fixed seeds of equal power | used |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for effect in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0):
        with tempfile.TemporaryDirectory() as folder:
            found = two_methods(Path(folder), effect, studies, rng)
        lines.append(_line("two", effect, found, [effect * math.sqrt(2), 0.0], rng))
    for methods in (6, 20):
        for effect in (0.0, 1.0, 2.0, 4.0):
            effects = [effect, *[0.0] * (methods - 1)]
            with tempfile.TemporaryDirectory() as folder:
                found = several_methods(Path(folder), effects, studies // 2, rng)
            lines.append(_line(f"{methods}, one better", effect, found, effects, rng))
        # From the best to the last in equal steps: what a comparison of methods looks like
        for effect in (4.0, 8.0):
            ladder = [effect * (1 - place / (methods - 1)) for place in range(methods)]
            with tempfile.TemporaryDirectory() as folder:
                found = several_methods(Path(folder), ladder, studies // 2, rng)
            lines.append(_line(f"{methods}, in equal steps", effect, found, ladder, rng))
    return lines


def _line(
    name: str, effect: float, found: Found, effects: Sequence[float], rng: np.random.Generator
) -> str:
    """Return one line of the table."""
    cells = [name, f"{effect:g}", f"{found.power:.3f}", f"{found.seeds:.1f}"]
    if not any(effects):
        return f"| {' | '.join([*cells, '', ''])} |"
    fixed = fixed_seeds(effects, min(found.power, HIGHEST_POWER), rng)
    return f"| {' | '.join([*cells, f'{fixed:.1f}', f'{found.seeds / fixed:.2f}'])} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.seeds_saved",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--studies", type=int, default=400, help="of two methods; half of several")
    options = parser.parse_args(arguments)
    print("\n".join(tables(options.studies)))


if __name__ == "__main__":
    main()
