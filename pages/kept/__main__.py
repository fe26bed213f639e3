"""`python -m pages.kept NAME CATALOG.duckdb`: keep the results of a finished grid, `demo` or `methods`."""

import sys
from pathlib import Path

from pages.kept import EXAMPLES

EXAMPLES[sys.argv[1]].export(Path(sys.argv[2]))
