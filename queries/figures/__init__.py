"""Draw numbers, in Altair: every chart is a pure function of data frames.

Nothing is computed here but where a thing goes. `looks` holds what all figures share, and a method
has the same colour on every page.
"""

from queries.figures.datasets import forgetting, heat, reproduced
from queries.figures.looks import OKABE_ITO, TITLES, named, of, told_apart
from queries.figures.settings import SPENT, costs, dots, over_budget, pairs
from queries.figures.trade import trade
from queries.figures.work import STATES, coverage, losses, progress

__all__ = ["OKABE_ITO", "SPENT", "STATES", "TITLES"]
__all__ += ["costs", "coverage", "dots", "forgetting", "heat", "losses", "named", "of"]
__all__ += ["over_budget", "pairs", "progress", "reproduced", "told_apart", "trade"]
