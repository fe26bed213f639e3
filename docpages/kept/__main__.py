"""Keep the results of a grid: `python -m docpages.kept NAME CATALOG`, NAME a key of `EXAMPLES`."""

import sys
from pathlib import Path

from docpages.kept import EXAMPLES

EXAMPLES[sys.argv[1]].export(Path(sys.argv[2]))
