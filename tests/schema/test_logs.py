"""The log of a command: times and names in every line, and of other packages warnings alone."""

import re
import subprocess
import sys

from tests.processes import ROOT

PROGRAM = """
import logging
from schema import logs

logs.configure()
logs.configure()
logging.getLogger("runner.worker.embedding_cache").info("task %d", 3)
logging.getLogger("runner.trial").debug("too fine")
logging.getLogger("PIL").info("of no interest")
logging.getLogger("PIL").warning("of interest")
"""


def test_lines_have_their_time_level_and_module() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    first, second = process.stderr.splitlines()
    assert re.fullmatch(f"{time} INFO runner.worker.embedding_cache: task 3", first)
    assert re.fullmatch(f"{time} WARNING PIL: of interest", second)
    assert process.stdout == ""
