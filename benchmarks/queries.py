"""Measure how long each question takes on many results.

    python -m benchmarks.queries [--trials N] [--limit_s S] [--out FILE.md]

A synthetic catalog (`big.py`: 50 results per trial) is made in --folder, or taken as it is if it is
there. Each question is asked with its default parameters, as `python -m queries` asks it (the rows
that a terminal shows), in a process of its own with 4 GB for DuckDB: cold is the first time in a
new process, the file in the page cache; warm the second time, with the processor time of all cores,
which other work on the machine lengthens less. What takes longer than --limit_s is interrupted and
said so. Beside it the leaderboard (the best means over seeds) of MLflow and Optuna on SQLite, which
are filled with twice as many trials again and again, up to --others, as long as filling stays below
--fill_s; and Weir's at the larger of these sizes (`retention_at_budget`). What is not installed is
left out.
"""

import argparse
import importlib.util
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measuring import (
    BenchmarkError,
    Measured,
    grow,
    load,
    plain,
    python,
    run,
    surroundings,
)
from schema.questions import all_questions as questions

MEMORY_GB, THREADS = 4, 2
FIRST = 100  # trials that the others are filled with at first
STORES = {"MLflow": "mlflow", "Optuna": "optuna"}
HEAD = "| question | rows shown | cold | warm | of all cores, warm | peak memory of the process |\n|---|--:|--:|--:|--:|--:|\n"


def made(folder: Path, trials: int) -> Path:
    """Create the snapshot of a catalog of `trials` trials, unless it exists; return its path."""
    place = folder / f"big-{trials}"
    if not (place / "lab").exists():
        place.mkdir(parents=True, exist_ok=True)
        run(python("schema"), place, plain())
        run(python("benchmarks.big", trials), place, plain())
    return (place / "lab" / "snapshot" / "current.duckdb").resolve()


def asked(snapshot: Path, name: str, limit_s: float) -> str:
    """Return the cells of a question's line: rows, cold, warm, processor time, peak memory."""
    words = ("--ask", name, "--snapshot", snapshot, "--limit_s", limit_s)
    found = run(python("benchmarks.queries", *words), snapshot.parent, plain())
    return " | ".join([*found.output.split()[-4:], f"{found.peak_mb:.0f} MB"])


def ask(snapshot: Path, name: str, limit_s: float) -> str:
    """In the process of one question: the number of rows, the seconds twice, and those of all cores (`-`: not tried)."""
    import duckdb

    from queries import answer, named
    from queries.terminal import ROWS_SHOWN

    rows, times = "-", list[str]()
    with tempfile.TemporaryDirectory() as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{MEMORY_GB}GB",
            "threads": THREADS,
        }
        with duckdb.connect(
            str(snapshot), read_only=True, config=config | {"temp_directory": spill}
        ) as connection:
            for _ in range(2):
                timer = threading.Timer(limit_s, connection.interrupt)
                timer.start()
                began, worked = time.perf_counter(), time.process_time()
                try:
                    rows = str(len(answer(connection, named(name), {}, rows=ROWS_SHOWN + 1)))
                except duckdb.InterruptException:
                    return " ".join([rows, *times, f">{limit_s:g}s", *["-"] * (2 - len(times))])
                finally:
                    timer.cancel()
                times.append(f"{time.perf_counter() - began:.2f}s")
    return " ".join([rows, *times, f"{time.process_time() - worked:.2f}s"])


def leaderboards(folder: Path, most: int, fill_s: float, limit_s: float) -> list[str]:
    """The same question by others: a line each, with Weir's at the larger number of trials."""
    lines, largest = [], FIRST
    for tool, module in STORES.items():
        if importlib.util.find_spec(module) is None:
            lines.append(f"| {tool} is not installed here (extra `bench`) | | | | | |")
            continue
        with tempfile.TemporaryDirectory(dir=folder) as place:

            def fill(trials: int, tool: str = tool, place: str = place) -> Measured:
                (Path(place) / str(trials)).mkdir()
                return run(
                    python("benchmarks.alternatives", tool.lower(), "measured", trials),
                    Path(place) / str(trials),
                    plain(),
                )

            filled = grow(fill, min(FIRST, most), most, fill_s)
            trials = max(filled)
            first, second = (
                run(
                    python("benchmarks.alternatives", tool.lower(), "leaderboard"),
                    Path(place) / str(trials),
                    plain(),
                )
                for _ in range(2)
            )
        largest = max(largest, trials)
        head = (
            f"{tool}, {trials:,} trials (filled in {filled[trials].seconds:.0f} s), start included"
        )
        lines.append(
            f"| {head} | 20 | {first.seconds:.2f}s | {second.seconds:.2f}s | | {second.peak_mb:.0f} MB |"
        )
    weir = asked(made(folder, largest), "retention_at_budget", limit_s)
    return [f"| Weir, {largest:,} trials | {weir} |", *lines]


def main() -> int:
    """Run the measurement, and return exit code 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument(
        "--others",
        type=int,
        default=100_000,
        help="trials of MLflow and Optuna at most; 0: without them",
    )
    parser.add_argument(
        "--fill_s", type=float, default=60.0, help="how long filling one of them may take"
    )
    parser.add_argument(
        "--limit_s", type=float, default=60.0, help="a question is interrupted after this"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the catalogs are made and kept (default: a temporary one)",
    )
    parser.add_argument("--only", nargs="+", metavar="QUESTION")
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--snapshot", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        print(ask(given.snapshot, given.ask, given.limit_s))
        return 0
    before = load()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        snapshot = made(folder, given.trials)
        lines = []
        for name in given.only or [question.name for question in questions()]:
            try:
                lines.append(f"| `{name}` | {asked(snapshot, name, given.limit_s)} |")
            except BenchmarkError as error:
                lines.append(f"| `{name}` | failed: {str(error).splitlines()[-1][:200]} | | | | |")
            print(lines[-1], flush=True)
        others = (
            leaderboards(folder, given.others, given.fill_s, given.limit_s) if given.others else []
        )
        print("\n".join(others))
        about = [
            *surroundings(
                f"python -m benchmarks.queries --trials {given.trials} --others {given.others} --limit_s {given.limit_s:g}"
            )
        ]
        about += [
            ("load", f"{before} before, {load()} after"),
            ("limits", f"{MEMORY_GB} GB and {THREADS} threads for DuckDB"),
        ]
        about.append(
            (
                "snapshot",
                f"{snapshot.stat().st_size / 1e9:.2f} GB for {given.trials:,} trials, {50 * given.trials:,} results",
            )
        )
    if given.out:
        said = "\n".join(f"- {name}: {words}" for name, words in about)
        given.out.write_text(
            f"# Questions, timed\n\n{said}\n\n{HEAD}" + "\n".join(lines + others) + "\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
