"""What the tests cost in processor time, test by test: `python -m benchmarks.suite FOLDER [PYTEST ...]`.

Runs pytest with this module as a plugin and writes a line per test to `FOLDER/*.jsonl`: seconds on the
clock, and of processors, those of every process that the test has started, also where nobody waits
for it (control groups of Linux count them; it takes the right to make one). Then prints what costs most.
On a machine that others use, the seconds of processors still hold.
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

GROUPS = Path("/sys/fs/cgroup/cpuacct")
VARIABLE = "WEIR_SUITE_TIMES"
# Every so many tests one is run, where this is set
SAMPLE = "WEIR_SUITE_SAMPLE"
SHOWN = 40


def _group() -> Path:
    return GROUPS / f"weir-suite-{os.getpid()}"


def _used_s() -> float:
    """Return the processor seconds of this process and of all that came from it."""
    return int((_group() / "cpuacct.usage").read_text()) / 1e9


def pytest_configure(config: Any) -> None:
    """Count this process, and whatever it starts, in a control group of its own."""
    if VARIABLE in os.environ:
        _group().mkdir(exist_ok=True)
        (_group() / "tasks").write_text(str(os.getpid()))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Keep a sample of the tests."""
    items[:] = items[:: int(os.environ.get(SAMPLE, "1"))]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any, nextitem: Any) -> Iterator[None]:
    """Note what a test takes, its fixtures included."""
    if VARIABLE not in os.environ:
        return (yield)
    began, used = time.monotonic(), _used_s()
    try:
        return (yield)
    finally:
        line = {
            "test": item.nodeid,
            "wall_s": round(time.monotonic() - began, 3),
            "cpu_s": round(_used_s() - used, 3),
        }
        path = Path(os.environ[VARIABLE]) / f"{os.getpid()}.jsonl"
        with path.open("a") as file:
            print(json.dumps(line), file=file)


def main(words: list[str]) -> int:
    """Run pytest and print the table."""
    folder = Path(words[0]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {VARIABLE: str(folder)}
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.suite", *words[1:]]
    code = subprocess.run(command, env=environment).returncode
    show(folder)
    return code


def show(folder: Path) -> None:
    """Print the files and the tests that cost most."""
    lines = []
    for path in folder.glob("*.jsonl"):
        lines += [json.loads(text) for text in path.read_text().splitlines()]
    files: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        files[line["test"].partition("::")[0]].append(line["cpu_s"])
    total = sum(line["cpu_s"] for line in lines)
    print(f"{len(lines)} tests, {total:.0f} s of processors")
    for name, costs in sorted(files.items(), key=lambda each: -sum(each[1]))[:SHOWN]:
        print(f"{sum(costs):8.1f} s  {len(costs):5} tests  {name}")
    for line in sorted(lines, key=lambda each: -each["cpu_s"])[:SHOWN]:
        print(f"{line['cpu_s']:8.1f} s  {line['wall_s']:7.1f} s wall  {line['test']}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
