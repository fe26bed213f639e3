"""`python -m docs.example NAME CATALOG.duckdb`: keep the results of a finished grid, `demo` or `methods`."""

import sys
from pathlib import Path

from docs.example import EXAMPLES

EXAMPLES[sys.argv[1]].export(Path(sys.argv[2]))
