"""Cuts a sequence of concepts into tasks, by a pure function."""

from collections.abc import Sequence
from itertools import pairwise

# The name of a dataset and the name of one of its classes.
Concept = tuple[str, str]


def chunks(concepts: Sequence[Concept], tasks: int) -> list[list[Concept]]:
    """Cut n concepts into T contiguous `tasks`, of which the first n mod T have one concept more.

    As in the construction of streams in FoMo-in-Flux.

    Raises:
        ValueError: fewer than one task, or fewer concepts than tasks.
    """
    if not 1 <= tasks <= len(concepts):
        raise ValueError(
            f"{len(concepts)} concepts cannot be cut into {tasks} tasks; between 1 and "
            f"{len(concepts)} are possible"
        )
    size, longer = divmod(len(concepts), tasks)
    ends = [0]
    for task in range(tasks):
        ends.append(ends[-1] + size + (task < longer))
    return [list(concepts[begin:end]) for begin, end in pairwise(ends)]
