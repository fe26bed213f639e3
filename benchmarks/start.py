"""Measure the cost of starting trials: `python -m benchmarks.start [--trials N] [--out FILE.md]`.

Imports of a worker in a fresh process, and a grid of tiny trials run one by one by `runner.sync --watch`,
with a process per job and with jobs forked from one that has imported. Seconds of processors are those of
every process that came of it, by a control group of Linux, so that they hold on a machine that others use.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner.fork_server import IDLE_VARIABLE
from tests.toy import toy_grid

ROOT = Path(__file__).resolve().parent.parent
GROUP = Path("/sys/fs/cgroup/cpuacct") / f"weir-start-{os.getpid()}"
ALL = "import torch._dynamo, transformers, timm, open_clip; import runner.trial"
OWN = "import runner.trial"


def measured(words: list[str], folder: Path, variables: dict[str, str]) -> tuple[float, float]:
    """Return the seconds of processors and on the clock of a command and all that it starts."""
    GROUP.mkdir(exist_ok=True)
    before, began = int((GROUP / "cpuacct.usage").read_text()), time.monotonic()
    entered = f'echo $$ > {GROUP}/tasks && exec "$@"'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    subprocess.run(
        ["/bin/sh", "-c", entered, "sh", sys.executable, *words],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall_s = time.monotonic() - began
    return (int((GROUP / "cpuacct.usage").read_text()) - before) / 1e9, wall_s


def grid(folder: Path, trials: int, server: bool) -> tuple[float, float]:
    """Run tiny trials one by one in a lab of their own."""
    folder.mkdir()
    data = ROOT / "tests/.data"
    (folder / "site.toml").write_text(f'data = "{data}"\ntrials_at_once = 1\n')
    (folder / "grid.sql").write_text(toy_grid(trials))
    measured(["-m", "schema", "grid.sql"], folder, {})
    stay = "60" if server else "0"
    return measured(["-m", "runner.sync", "--watch"], folder, {IDLE_VARIABLE: stay})


def main() -> int:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        # The first import of a tree compiles it
        measured(["-c", ALL], here, {})
        rows.append(
            (
                "imports of a worker, all of open_clip's and the compiler",
                *measured(["-c", ALL], here, {}),
            )
        )
        rows.append(("imports of a worker", *measured(["-c", OWN], here, {})))
        many = f"{options.trials} tiny trials one by one"
        rows.append((f"{many}, a process per job", *grid(here / "alone", options.trials, False)))
        rows.append((f"{many}, forked", *grid(here / "forked", options.trials, True)))
    lines = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "",
        "| work | s of processors | s on the clock |",
        "|---|--:|--:|",
    ]
    for name, cpu_s, wall_s in rows:
        lines.append(f"| {name} | {cpu_s:.2f} | {wall_s:.1f} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
