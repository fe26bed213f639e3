"""Mergings: how weights are combined. One file each, holding one or two pure functions.

`merge(history, *, key=default, ...)` is given the untouched backbone `history[0]` and, after it,
what is combined: floating point only, in float32 at least. It walks the history, which may be read
from disk item by item, as often as it likes, holds a number of models that does not grow with it,
changes none of its tensors, and returns new ones. Where it needs one tensor of all models at once
it takes them tensor by tensor (`_vectors.by_tensor`). If it has a key `seed`, each task's merge
gets another seed, derived from it.

`folding(*, key=default, ...)` returns the technique's running form (`methods/foldings.py`), which
takes each model in once. A file that has it needs no `merge`; one that has both, as only some of
its keys allow a running form, returns None from `folding` for the others.

A file may instead hold `share(step, *, key=default, ...)`, which averages weights over the steps of
a task: it returns the share of the new average that the weights after a step (from 1) take. As
`share(step, steps, *, ...)` it is also told how many steps the task takes.

What is combined, and when, is the same for all of them: `methods/mergings.py`.
"""
