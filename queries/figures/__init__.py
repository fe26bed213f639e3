"""Draw answers, in Altair: every figure is a pure function of data frames.

The app, notebooks (`from queries import figure`) and the terminal (`--out figure.pdf`) draw with
these. Nothing is computed here but where a thing goes. `looks` holds what all figures share, and a
method has the same colour in all of them; `scales` says how far axes reach; `drawing` which figure
a question has; `printing` writes PDF, SVG and PNG.
"""

from queries.figures.datasets import forgetting, heat, reproduced
from queries.figures.drawing import Asked, Chart, FigureError, drawn, figure, suggested
from queries.figures.looks import TITLES, named, told_apart
from queries.figures.pages import for_page
from queries.figures.palette import OKABE_ITO, Palette, dyed
from queries.figures.settings import DOTS, SPENT, costs, dots, over_budget, pairs
from queries.figures.trade import trade
from queries.figures.work import STATES, coverage, losses, progress

__all__ = ["DOTS", "OKABE_ITO", "SPENT", "STATES", "TITLES", "Asked", "Chart", "FigureError"]
__all__ += [
    "Palette",
    "costs",
    "coverage",
    "dots",
    "drawn",
    "dyed",
    "figure",
    "for_page",
    "forgetting",
    "heat",
    "losses",
    "named",
]
__all__ += ["over_budget", "pairs", "progress", "reproduced", "suggested", "told_apart", "trade"]
