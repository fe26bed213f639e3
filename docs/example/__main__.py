"""`python -m docs.example CATALOG.duckdb`: keep the results of a finished demo."""

import sys
from pathlib import Path

from docs.example import export

export(Path(sys.argv[1]))
