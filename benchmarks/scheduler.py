"""Measure how long Weir's scheduler takes, beside the alternatives that a user has.

    python -m benchmarks.scheduler [--quick] [--out FILE]

Four measurements in one run on one machine: a grid declared, a sync with nothing to do, trials
submitted to Slurm, results ingested. Beside them Optuna and PyExperimenter on SQLite (where they
are installed: the extra `bench`) and submitit alone, with the same trials. What cannot do it all in
a minute is measured at the largest size that it manages in one (sizes are doubled until the next
would take longer), and Weir again at that size; nothing is extrapolated. --quick does everything at
a thousandth of the size, to see that it works.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from benchmarks.cluster import PARTITION, NoClusterError, cluster, version
from benchmarks.measuring import (
    BenchmarkError,
    Calls,
    Measured,
    Slurm,
    grow,
    load,
    plain,
    python,
    run,
    surroundings,
)
from benchmarks.table import Row, Table
from benchmarks.weir import Lab, expected

ARRAY = 1001  # Slurm's default MaxArraySize
LIMIT_S = 60.0  # for an alternative
STORES = {"Optuna": "optuna", "PyExperimenter": "py_experimenter"}  # and the module of each


class Bench:
    """One run at full size, or at one `shrink`-th of it, with its files in `folder`."""

    def __init__(self, folder: Path, table: Table, shrink: int, limit_s: float) -> None:
        self.folder, self.table, self.shrink = folder / "places", table, shrink
        # A catalog with the vocabulary, made once: every lab begins with a copy
        self.words = folder / "words"
        self.array, self.limit_s = max(10, ARRAY // shrink), limit_s / shrink
        self.folders = 0
        self.stores = [tool for tool, module in STORES.items() if importlib.util.find_spec(module)]
        self.grids: dict[str, int] = {}  # how many trials each store managed
        for tool in STORES.keys() - set(self.stores):
            table.remark(
                f"{tool} is not installed here, so its lines are missing; the extra `bench` installs it."
            )

    def size(self, full: int) -> int:
        """Return the size that replaces a full size in this run."""
        return max(1, full // self.shrink)

    def place(self) -> Path:
        """Return a new folder."""
        self.folders += 1
        made = self.folder / f"{self.folders:03d}"
        made.mkdir(parents=True)
        return made

    def clean(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lab(self, trials: int, in_flight: int, tasks: int = 5) -> Lab:
        """Return a new catalog with a fake Slurm."""
        place = self.place()
        made = Lab(place / "lab", Slurm(place / "slurm", self.array), trials, in_flight, tasks)
        made.begin(self.words)
        return made


def alternative(folder: Path, tool: str, *words: object, slurm: Slurm | None = None) -> Measured:
    """Run an action of a tool of `alternatives.py`, in its folder."""
    return run(
        python("benchmarks.alternatives", tool.lower(), *words),
        folder,
        slurm.environment if slurm else plain(),
    )


def trials(count: int) -> str:
    """`10,000 trials`."""
    return f"{count:,} trials"


# ---------------------------------------------------------------- a grid, declared


def declare(bench: Bench) -> None:
    """Measure trials inserted, inserted again, and listed."""
    declared = cache(partial(_declared, bench))
    full = bench.size(1_000_000)
    for work, aim_s in (("insert", 8.0), ("again", 1.0), ("pending", 1.0)):
        bench.table.add(Row(work, trials(full), declared(full)[work], aim_s))
    for tool in bench.stores:
        for work, (size, found) in _stored(bench, tool, full).items():
            bench.table.add(Row(work, trials(size), declared(size)[work], None, tool, found))


def _declared(bench: Bench, count: int) -> dict[str, Measured]:
    lab = bench.lab(count, in_flight=500)  # Weir's default: so many does the dry run look at
    found = {
        "insert": lab.declare(new=count),
        "again": lab.declare(new=0),
        "pending": lab.dry_run(),
    }
    shutil.rmtree(lab.folder)
    return found


def _stored(bench: Bench, tool: str, most: int) -> dict[str, tuple[int, Measured]]:
    """The same by a store: work -> the largest size it managed, and what that took."""
    stores: dict[int, Path] = {}

    def insert(size: int) -> Measured:
        stores[size] = bench.place()
        alternative(stores[size], tool, "create")
        return alternative(stores[size], tool, "insert", size)

    first = bench.size(200)
    inserted = grow(insert, first, most, bench.limit_s)
    again = grow(
        lambda size: alternative(stores[size], tool, "again", size),
        first,
        max(stores),
        bench.limit_s,
    )
    last = bench.grids[tool] = max(inserted)
    expected(
        alternative(stores[max(again)], tool, "pending"), f"\n{max(again)}\n"
    )  # nothing was added again
    pending = expected(alternative(stores[last], tool, "pending"), f"\n{last}\n")
    return {
        "insert": (last, inserted[last]),
        "again": (max(again), again[max(again)]),
        "pending": (last, pending),
    }


# ---------------------------------------------------------------- a sync with nothing to do


def idle(bench: Bench) -> None:
    """Measure a sync that finds nothing to do."""
    finished, running = bench.size(1_000_000), bench.size(1000)

    def add(
        finished: int,
        aim_s: float | None = None,
        tool: str = "",
        other: Measured | None = None,
        calls: str = "",
    ) -> None:
        mine, mine_calls = _idle(bench, finished, running)
        said = f"{mine_calls}; {tool}: {calls}" if calls else str(mine_calls)
        bench.table.add(
            Row(
                "no-op sync",
                f"{finished:,} finished, {running:,} running",
                mine,
                aim_s,
                tool,
                other,
                said,
            )
        )

    add(finished, 0.5)
    for tool in bench.stores:
        folder, held = bench.place(), bench.grids.get(tool, bench.size(1000))
        alternative(folder, tool, "fill", held, running)
        add(held, None, tool, alternative(folder, tool, "status"))
    folder, slurm = _submitted(bench, running)
    slurm.state("RUNNING")
    seen = expected(alternative(folder, "submitit", "status", slurm=slurm), f"'RUNNING': {running}")
    add(0, None, "submitit", seen, str(slurm.calls()))


def _idle(bench: Bench, finished: int, running: int) -> tuple[Measured, Calls]:
    lab = bench.lab(finished + running, in_flight=running)
    lab.declare(new=lab.trials)
    if finished:
        lab.run("benchmarks.prepare", "finished", 1, finished)
    lab.sync(submitted=running, pending=0)
    lab.slurm.state("RUNNING")
    lab.run("benchmarks.prepare", "running")
    quiet = partial(lab.sync, submitted=0, ended=0, rows=0, refused=0, running=running, pending=0)
    # The middle one of three, after one that is passed over; a rehearsal measures nothing
    rehearsal = bench.shrink > 1
    if not rehearsal:
        quiet()
    lab.slurm.calls()
    found = []
    for _ in range(1 if rehearsal else 3):
        found.append((quiet(), lab.slurm.calls()))
    shutil.rmtree(lab.folder)
    return sorted(found, key=lambda pair: pair[0].seconds)[len(found) // 2]


# ---------------------------------------------------------------- trials, submitted


def submit(bench: Bench) -> None:
    """Measure the submission of trials to a fake Slurm, and to a real one if there is one."""
    count = bench.size(10_000)
    _submit(bench, "submit, fake Slurm", count)
    try:
        with cluster(bench.array, 4 * count + 100) as environment:
            bench.table.remark(
                f"Real Slurm is {version(environment)}, all of it on this machine, without accounting."
            )
            _submit(bench, "submit, real Slurm", count, environment)
    except NoClusterError as error:
        bench.table.remark(f"Nothing was submitted to a real Slurm: {error}")


def _submit(bench: Bench, work: str, count: int, real: dict[str, str] | None = None) -> None:
    place = bench.place()
    partition = f'[slurm]\npartition = "{PARTITION}"' if real else ""
    lab = Lab(
        place / "lab", Slurm(place / "slurm", bench.array, real), count, count, site=partition
    )
    lab.begin(bench.words)
    lab.declare(new=count)
    lab.slurm.calls()
    mine = lab.sync(submitted=count, running=count, pending=0)
    calls = lab.slurm.calls()
    shutil.rmtree(lab.folder)
    other, slurm = bench.place(), Slurm(bench.place(), bench.array, real)
    theirs = alternative(
        other, "submitit", "submit", count, bench.array, *([PARTITION] if real else []), slurm=slurm
    )
    their_calls = slurm.calls()
    remarks = f"{_beyond(mine, calls)}; submitit: {_beyond(theirs, their_calls)}"
    outside, theirs_outside = (
        replace(m, seconds=m.seconds - c.slurm_s) for m, c in ((mine, calls), (theirs, their_calls))
    )
    bench.table.add(Row(work, trials(count), outside, 5.0, "submitit", theirs_outside, remarks))


def _beyond(found: Measured, calls: Calls) -> str:
    return f"{found.seconds:.2f} s in all, {calls}"


def _submitted(bench: Bench, count: int) -> tuple[Path, Slurm]:
    """Jobs of submitit in a fake Slurm."""
    folder, slurm = bench.place(), Slurm(bench.place(), bench.array)
    alternative(folder, "submitit", "submit", count, bench.array, slurm=slurm)
    slurm.calls()
    return folder, slurm


# ---------------------------------------------------------------- results, ingested


def ingest(bench: Bench) -> None:
    """Measure the ingestion of attempts that have just ended."""
    first, count, rows = max(1, bench.size(10)), bench.size(1000), 400
    ingested = cache(partial(_ingested, bench, rows))

    def size(attempts: int, tasks: int = 1) -> str:
        return f"{attempts:,} attempts of {rows} rows in {tasks + 1} receipts"

    for tasks in (1, 5):
        mine, calls, _ = ingested(count, tasks)
        bench.table.add(Row("ingest", size(count, tasks), mine, 3.0, remarks=str(calls)))
    runs = ingested(count, 1)[2]
    for tool in bench.stores:
        found = grow(partial(_results, bench, tool, runs), first, count, bench.limit_s)
        attempts = max(found)
        bench.table.add(
            Row("ingest", size(attempts), ingested(attempts, 1)[0], None, tool, found[attempts])
        )
    folder, slurm = _submitted(bench, count)
    alternative(folder, "submitit", "finish", rows, slurm=slurm)
    collected = alternative(folder, "submitit", "collect", slurm=slurm)
    bench.table.add(Row("ingest", size(count), ingested(count, 1)[0], None, "submitit", collected))


def _ingested(bench: Bench, rows: int, count: int, tasks: int) -> tuple[Measured, Calls, Path]:
    """Return the measurement, and the folder of the run folders."""
    lab = bench.lab(count, count, tasks)
    lab.declare(new=count)
    lab.sync(submitted=count, pending=0)
    lab.slurm.state("COMPLETED")
    lab.run("benchmarks.prepare", "results", rows)
    lab.slurm.calls()
    found = lab.sync(ended=count, submitted=0, running=0, pending=0)
    return found, lab.slurm.calls(), lab.folder / "lab/runs"


def _results(bench: Bench, tool: str, runs: Path, count: int) -> Measured:
    folder = bench.place()
    alternative(folder, tool, "begin", count)
    return alternative(folder, tool, "results", count, runs)


# ---------------------------------------------------------------- the command

MEASUREMENTS = {"declare": declare, "idle": idle, "submit": submit, "ingest": ingest}


def main() -> int:
    """Run the measurements; return 0, or 1 when one failed (the others are shown)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a thousandth of the size")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.md",
        help="write the table there, with all that it depends on",
    )
    parser.add_argument("--only", choices=MEASUREMENTS, nargs="+", help="not all of it")
    parser.add_argument(
        "--limit_s",
        type=float,
        default=LIMIT_S,
        help="for an alternative; what it manages in that is compared",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where to work, on the disk to be measured (default: the temporary folder)",
    )
    asked = parser.parse_args()
    table, failed, before = (
        Table(Console(highlight=False, width=None if sys.stdout.isatty() else 250)),
        False,
        load(),
    )
    words = ["--quick"] * asked.quick + ["--only", *(asked.only or [])] * bool(asked.only)
    about = surroundings(" ".join(["python -m benchmarks.scheduler", *words]))
    with tempfile.TemporaryDirectory(prefix="weir-benchmark-", dir=asked.folder) as folder:
        bench = Bench(Path(folder), table, 1000 if asked.quick else 1, asked.limit_s)
        for name in asked.only or MEASUREMENTS:
            try:
                MEASUREMENTS[name](bench)
            except BenchmarkError as error:
                table.remark(f"{name} failed: {error}")
                failed = True
            bench.clean()
    about.append(("load", f"{before} processes on average before, {load()} at the end"))
    table.show()
    if asked.out:
        asked.out.write_text(table.markdown("The scheduler, measured", about))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
