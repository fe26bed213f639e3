"""The tests marked `gpu`: real trials, really killed, that come to the same bits (`tests/gpu`)."""

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.parts import Answer, Row, Size

ROOT = Path(__file__).resolve().parent.parent.parent
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) (.+?)(?: - .*)?$")


def run(size: Size) -> Answer:
    """Run them; in a rehearsal a few of them, on the CPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-rA", "tests/gpu"]
    command += ["-n", "4"] if not size.rehearsal else ["-k", "rehearsed"]
    environment = dict(os.environ)
    if size.rehearsal:
        # Plugins of pytest take a good part of its start, and these tests need none
        environment |= {"WEIR_REHEARSE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    rows: list[Row] = []
    for line in done.stdout.splitlines():
        match = OUTCOME.match(line)
        if match:
            rows.append({"test": match[2].partition("::")[2], "outcome": match[1].lower()})
    holds = done.returncode == 0 and any(row["outcome"] == "passed" for row in rows)
    return Answer(rows=rows, holds=holds, remarks=[] if holds else [done.stdout[-1500:]])
