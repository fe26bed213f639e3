"""Run the grid of TIME, shared and alone.

    python -m benchmarks.sharing [--steps N] [--alone SEEDS] [--data FOLDER] [--out FILE.md]

The 58 methods of grids/time.sql (8 techniques by 3 starts by 3 deploy rules, less what merges
nothing) in three seeds, on the embedded default: the tiny CLIP, concepts, five tasks and mixture of
the demo; but from random weights, for a few steps and measured on two test sets, as only costs and
bits are looked at. Once as sync does it, and for the first `--alone` seeds with `share_trunks = 0`,
in another lab. Then every result, statistic and cost of the two (but for seconds and who spent
them) is compared to the last bit.
"""

import argparse
import tempfile
from pathlib import Path

import duckdb
from rich.console import Console

from benchmarks.measuring import ROOT, BenchmarkError, plain, python, run, surroundings
from queries import answer, named

SEEDS = (1, 2, 3)
SETTLED = """
SELECT t.method, t.seed, {columns} FROM {fact} f SEMI JOIN standing USING (trial, task, attempt) JOIN trial t ON t.id = f.trial
WHERE t.seed <= $alone ORDER BY ALL
"""
AXES = """
INSERT INTO budget (name, unit, total) VALUES ('benchmark', 'steps', {steps});
INSERT INTO suite (name) VALUES ('benchmark');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
    ('benchmark', 'blobs', 'adapt', 'top1'), ('benchmark', 'shape', 'retain', 'top1');
INSERT INTO stream (name, sequence, tasks, suite) VALUES ('benchmark', 'world_random', 5, 'benchmark');
"""
FACTS = {
    "result": "task, step, dataset, metric, label_space, value, examples, fraction",
    "statistic": "task, name, part, value",
    "cost": "task, phase, flops, steps, pairs",
    "progress": "task, step, loss, lr",
}


def grid(steps: int, seeds: tuple[int, ...]) -> str:
    """Return grids/time.sql with another base, budget and seeds."""
    text = (ROOT / "grids/time.sql").read_text()
    changes = {
        "'tiny_base', 'world'": "'tiny', 'benchmark'",
        "'steps_250'": "'benchmark'",
        "(VALUES (1), (2), (3)) AS seeds": f"(VALUES {', '.join(f'({seed})' for seed in seeds)}) AS seeds",
    }
    for old, new in changes.items():
        if old not in text:
            raise BenchmarkError(
                f"grids/time.sql no longer says {old}; say here what stands for it"
            )
        text = text.replace(old, new)
    return AXES.format(steps=steps) + text


def lab(folder: Path, data: Path, steps: int, seeds: tuple[int, ...], share: bool) -> Path:
    """Create a folder with a catalog in which the grid is declared."""
    folder.mkdir()
    (folder / "site.toml").write_text(
        f'data = "{data}"\ntrials_at_once = 2\ntrials_per_job = 10\n[retries]\nshare_trunks = {share:d}\n'
    )
    (folder / "time.sql").write_text(grid(steps, seeds))
    run(python("schema", "time.sql"), folder, plain())
    return folder


def settled(folder: Path, fact: str, alone: int) -> list[tuple[object, ...]]:
    """Return the valid rows of a table of facts, for the seeds that ran alone."""
    with duckdb.connect(str(folder / "lab/snapshot/current.duckdb"), read_only=True) as connection:
        return connection.execute(
            SETTLED.format(columns=FACTS[fact], fact=fact), {"alone": alone}
        ).fetchall()


def shown(folder: Path) -> str:
    """Return the answer to the question `sharing`, as a Markdown table."""
    with duckdb.connect(str(folder / "lab/snapshot/current.duckdb"), read_only=True) as connection:
        frame = answer(connection, named("sharing"), {})
    rows = [
        [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.rows()
    ]
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (frame.columns, ["---"] * frame.width, *rows)
    )


def measured(folder: Path, data: Path, steps: int, alone: int) -> str:
    """Run the grid shared and alone, compare the results, and return a report."""
    together = lab(folder / "together", data, steps, SEEDS, share=True)
    apart = lab(folder / "alone", data, steps, SEEDS[:alone], share=False)
    said = []
    for place in (together, apart):
        seconds = run(python("runner.sync", "--watch"), place, plain()).seconds
        said.append(f"{place.name}: {seconds:.0f} s with two trials at once\n\n{shown(place)}\n")
    for fact in FACTS:
        left, right = (settled(place, fact, alone) for place in (together, apart))
        said.append(
            f"- {fact}: {len(right)} rows of seeds {SEEDS[:alone]}, {'equal' if left == right else 'NOT EQUAL'} to the bit"
        )
        if not right:
            raise BenchmarkError(f"no rows of {fact} to compare; the trials did not end well")
    return "\n".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10, help="of a trial, over its five tasks")
    parser.add_argument(
        "--alone",
        type=int,
        default=1,
        choices=(1, 2, 3),
        help="how many seeds are trained alone, too",
    )
    parser.add_argument("--data", type=Path, help="where the world is drawn already")
    parser.add_argument("--out", type=Path, help="a file for what is said, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-benchmark-") as place:
        data = asked.data.absolute() if asked.data else Path(place) / "data"
        about = "\n".join(
            f"- {name}: {words}"
            for name, words in surroundings(f"python -m benchmarks.sharing --steps {asked.steps}")
        )
        text = f"{measured(Path(place), data, asked.steps, asked.alone)}\n{about}\n"
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
    if asked.out:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
