"""Task arithmetic: the task vectors, added up (https://arxiv.org/abs/2212.04089; over time:
https://arxiv.org/abs/2412.06712).

    theta = theta_0 + scale sum_i (theta_i - theta_0)

The default scale is that of FoMo-in-Flux for a running merge; over all of eight tasks the paper
finds 0.3. Over `running` the scale is applied at every task: 0.1 shrinks what was there before
tenfold each time, 1 adds it to itself, 0.5 is EMA-merge.

Memory: three models beside theta_0 and theta_t; the running form is the sum. No FLOPs to speak of.
"""

from functools import partial

from methods import Weights
from methods.foldings import Folding, Parts
from methods.merging._vectors import plus, take_sum


def folding(*, scale: float = 0.1) -> Folding:
    """Return the running form: theta_0 with the scaled sum added."""
    return Folding(take=take_sum, finish=partial(_finish, scale))


def _finish(scale: float, parts: Parts, initial: Weights) -> Weights:
    return plus(initial, parts["sum"], scale)
