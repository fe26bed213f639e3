"""Tasks of an extreme order: which concepts share a task, and which task comes when.

The construction of EDGE (https://arxiv.org/abs/2509.22580; code: https://github.com/AIGNLAI/EDGE,
its two functions `construct_..._generalization_error`): complete-linkage clusters of concepts, one
a task, evened out, then tasks chained by their mean similarity to those before. Performance grows
with the similarity between tasks, so a chain of the least similar tasks is hard, one of the most
similar easy. Two departures: every task has the size that the stream cuts, also where these differ
by one; and the release also tries other numbers of clusters, where it takes its hard order from the
constructor of easy ones, which is left out.
"""

from collections.abc import Sequence

import numpy as np

Tasks = list[list[int]]


def chained(similarities: np.ndarray, sizes: Sequence[int], hard: bool) -> list[int]:
    """Return the places of N concepts in an extreme order, for tasks of these sizes.

    `similarities` are (N, N). Sizes differ by one at most, the larger ones first. Memory: two more
    matrices (N, N). Ties go to the lower place.
    """
    # Hard tasks are of concepts that are alike, easy ones of concepts that are not
    distances = -similarities if hard else similarities
    tasks = _evened(_clusters(distances, len(sizes)), sizes)
    between = np.zeros((len(tasks), len(tasks)))
    for one, members in enumerate(tasks):
        for other, others in enumerate(tasks):
            if one != other:
                between[one, other] = similarities[np.ix_(members, others)].mean()
    order: list[int] = []
    for size in sizes:
        fitting = [task for task in range(len(tasks)) if len(tasks[task]) == size]
        left = [task for task in fitting if task not in order]
        # The first task is the one most like all others, in either order, as released
        wanted = between[left][:, order].sum(axis=1) if order else between[left].sum(axis=1)
        wanted = wanted.round(9)
        best = wanted.argmin() if hard and order else wanted.argmax()
        order.append(left[int(best)])
    return [place for task in order for place in tasks[task]]


def _clusters(distances: np.ndarray, count: int) -> Tasks:
    """Return complete-linkage clusters of N points (N, N), each sorted, by their first points."""
    apart = np.array(distances, np.float64)
    np.fill_diagonal(apart, np.inf)
    members = {place: [place] for place in range(len(apart))}
    nearest = apart.argmin(axis=1)
    while len(members) > count:
        rows = np.array(sorted(members))
        one = int(rows[apart[rows, nearest[rows]].argmin()])
        other = int(nearest[one])
        one, other = min(one, other), max(one, other)
        # The distance of two clusters is that of their farthest points
        apart[one] = np.maximum(apart[one], apart[other])
        apart[:, one] = apart[one]
        apart[one, one] = np.inf
        apart[other] = apart[:, other] = np.inf
        members[one] = sorted(members[one] + members.pop(other))
        # Rows whose nearest was merged look again; distances only grow, so no other row changes
        stale = [row for row in members if nearest[row] in (one, other) or row == one]
        for row in stale:
            nearest[row] = apart[row].argmin()
    return [members[place] for place in sorted(members)]


def _evened(clusters: Tasks, sizes: Sequence[int]) -> Tasks:
    """Return tasks of these sizes from clusters: pieces of each, the largest clusters first."""
    base = min(sizes)
    tasks: Tasks = [[] for _ in sizes]
    for cluster in sorted(clusters, key=len, reverse=True):
        for begin in range(0, len(cluster), base):
            target = min(range(len(tasks)), key=lambda task: len(tasks[task]))
            tasks[target] += cluster[begin : begin + base]
    for task, size in zip(tasks, sizes, strict=True):
        while len(task) > size:
            moved = task.pop()
            room = [limit - len(each) for limit, each in zip(sizes, tasks, strict=True)]
            tasks[room.index(max(room))].append(moved)
    return tasks
