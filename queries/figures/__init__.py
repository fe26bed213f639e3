"""Draw answers, in Altair: every figure is a pure function of data frames.

The app, notebooks (`from queries import figure`) and the terminal (`--out figure.pdf`) draw with
these. Only layout is computed here. `looks` holds what all figures share, and `palette` the
colours, which are the same in all of them; `scales` chooses the ends of axes; `drawing` chooses the
figure of a question; `printing` writes PDF, SVG and PNG.
"""

from queries.figures.datasets import forgetting, heat, reproduced
from queries.figures.drawing import Asked, Chart, FigureError, drawn, figure, suggested
from queries.figures.looks import TITLES, named, told_apart
from queries.figures.pages import for_page, panels
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
__all__ += [
    "over_budget",
    "pairs",
    "panels",
    "progress",
    "reproduced",
    "suggested",
    "told_apart",
    "trade",
]
