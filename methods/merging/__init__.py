"""Mergings: how weights are combined. One file each, holding one pure function.

`merge(history, *, key=default, ...)` is given the untouched backbone `history[0]` and, after it,
what is combined: floating point only, in float32 at least. It walks the history, which may be read
from disk item by item, as often as it likes, holds a number of models that does not grow with it,
changes nothing of it, and returns new tensors. A `seed` among its keys is another one after each
task.

Or it is `share(step, *, key=default, ...)`: the share that the weights after a step (from 1) take
of their average over steps.

What is combined, and when, is the same for all of them: `methods/mergings.py`.
"""
