"""Keep the results of a finished grid: `python -m docpages.kept demo|methods|emoji CATALOG`."""

import sys
from pathlib import Path

from docpages.kept import EXAMPLES

EXAMPLES[sys.argv[1]].export(Path(sys.argv[2]))
