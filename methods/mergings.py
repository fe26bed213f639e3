"""The basis of all mergings: which weights are combined, and when.

After task t, with theta_0 the untouched backbone, `over` says what the technique is given besides
theta_0 (https://arxiv.org/abs/2412.06712):

    running   r_0 = theta_0;  r_t = technique(theta_0; r_(t-1), theta_t)   r_(t-1) is kept on disk
    all       technique(theta_0; theta_1 .. theta_t)      every task's weights are kept on disk
    ends      technique(theta_0; theta_t)                 nothing is kept

`start_over` says the same for the weights that the next task starts from. `lines` scales what was
merged by depth (https://arxiv.org/abs/2410.17146): theta_0 + (alpha + beta depth) (merged -
theta_0), with depth 0 at the first block of a tower, 1 at its last, and 0 for weights outside the
blocks. It is applied to the weights that are returned and not to r_t, in which it would compound
over tasks.

A technique that has a running form (`methods/foldings.py`) keeps that form instead of every task's
weights. The merge over `all` has the same bits whether models are taken in task by task or from the
whole history at once. A technique without one reads all tasks' weights again after every task.

A technique gets floating-point tensors only, in float32 at least. r_t keeps that precision, because
an average kept in half precision loses small changes. Results are rounded to the dtypes of theta_t,
and tensors that are not floating point are theta_t's.

A file with a rule `share` instead of a technique averages within a task, over steps: average +=
share (theta - average). A rule whose second argument is `steps` is told how many the task takes.
The average is of the weights in use, so it is the same under every tuning; it costs one more model
on the device.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature

import torch
from torch import Tensor, nn

from methods.foldings import Folding, Parts
from methods.histories import Weights, Wide, WideWeights, wide

# The value of `over` for an average over the steps of a task
STEPS = "steps"
# Matches a tower's name and the number of one of its blocks
BLOCK = re.compile(r"(.*?(?:blocks|layers?|stages)\.?)(\d+)\.")


@dataclass
class Merging:
    """A merging of a method row, with the running average where it averages over steps.

    It lives as long as a trial does.
    """

    technique: Callable[..., Weights] | None = None
    # Its running form; None where it has none
    folding: Folding | None = None
    # The share of the new average that the weights after a step (from 1) take; 0 changes nothing
    share: Callable[..., float] | None = None
    # What the next task starts from: a word of OVER, or STEPS; None: unmerged weights
    start: str | None = None
    # What is deployed, likewise
    deploy: str | None = None
    lines: Mapping[str, float] | None = None
    # Whether an average over steps starts anew in each task
    restart: bool = True
    _average: dict[str, Tensor] = field(default_factory=dict)
    _taken: int = 0
    # The steps that the present task takes
    _steps: int = 0

    @property
    def asked(self) -> set[str]:
        """Return the merges that the next task and deployment need: words of OVER, or STEPS."""
        return {over for over in (self.start, self.deploy) if over is not None}

    # ------------------------------------------------ over tasks

    def fold(self, initial: Weights, before: Weights, last: Weights, task: int) -> Weights:
        """Return r_t from r_(t-1) (`before`): floating-point tensors only, in float32 at least."""
        return self._combine([initial, before, last], task)

    def take_in(self, parts: Parts, initial: Weights, last: Weights) -> Parts:
        """Return the running form of `all` after one more task, given the one before (`parts`)."""
        if self.folding is None:
            raise ValueError("this merging has no running form; it is given the whole history")
        return self.folding.take(parts, WideWeights(initial), WideWeights(last))

    def merge(
        self,
        over: str,
        history: Sequence[Weights],
        running: Weights | None = None,
        parts: Parts | None = None,
    ) -> Weights:
        """Return new weights with the keys, their order and the dtypes of the last of a history.

        `history[0]` is the untouched backbone, `history[i]` the weights as trained in task i.
        `running` is r_t, and `parts` the running form of `all`, where they are known; otherwise
        they are computed from the whole history. The history may be read from disk model by model:
        it is iterated over, never held in memory, and not changed.
        """
        task = len(history) - 1
        merged: Weights
        if over == STEPS and self._average:
            merged = {name: tensor.to("cpu", copy=True) for name, tensor in self._average.items()}
        elif over == STEPS:
            merged = self._combine(history, task)
        elif task == 0:
            merged = {name: tensor.clone() for name, tensor in wide(history[0]).items()}
        elif over == "running":
            merged = running if running is not None else self._folded(history)
        elif over == "all" and self.folding is not None and parts is not None:
            merged = self.folding.finish(parts, WideWeights(history[0]))
        else:
            merged = self._combine(history if over == "all" else [history[0], history[-1]], task)
        if self.lines is not None:
            merged = lines(wide(history[0]), merged, **self.lines)
        rounded = {}
        for name, tensor in history[-1].items():
            rounded[name] = merged[name].to(tensor.dtype) if name in merged else tensor.clone()
        return rounded

    def _combine(self, history: Sequence[Weights], task: int) -> Weights:
        """Return the technique's merge of a history."""
        if self.technique is None:
            raise ValueError(
                "this merging averages over the steps of a task and combines no tasks: "
                "it has no technique"
            )
        # A technique that draws at random does so anew after each task
        seed = signature(self.technique).parameters.get("seed")
        drawn = {} if seed is None else {"seed": _seed(seed.default, task)}
        return self.technique(Wide(history), **drawn)

    def _folded(self, history: Sequence[Weights]) -> Weights:
        """Return r_t, computed from r_0 on."""
        running: Weights = wide(history[0])
        for task in range(1, len(history)):
            running = self.fold(history[0], running, history[task], task)
        return running

    # ------------------------------------------------ over steps

    def begin(self, model: nn.Module, steps: int = 0) -> None:
        """Start a task's average, or continue that of earlier tasks, before the tuning's `begin`.

        The model is the plain CLIP that the task starts from, `steps` how many the task takes.
        """
        if self.share is None:
            return
        self._steps = steps
        device = next(model.parameters()).device
        if self.restart or not self._average:
            start = wide(model.state_dict())
            self._average = {name: tensor.clone() for name, tensor in start.items()}
            self._taken = 0
        self._average = {name: tensor.to(device) for name, tensor in self._average.items()}

    @torch.no_grad()
    def step(self, used: Callable[[], Weights]) -> None:
        """Take the weights after a step of the optimizer into the average.

        `used` reads the weights in use and the buffers, under their plain names.
        """
        if self.share is None:
            return
        self._taken += 1
        lengths = (self._steps,) if "steps" in signature(self.share).parameters else ()
        share = self.share(self._taken, *lengths)
        if share:
            now = used()
            for name, average in self._average.items():
                average.lerp_(now[name].to(average.dtype), share)

    def end(self) -> None:
        """Drop, after `merge`, an average that starts anew in each task."""
        if self.restart:
            self._average = {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average and, under an empty name, how many steps it has seen."""
        return self._average | {"": torch.tensor(self._taken)} if self._average else {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned, after `begin` where that is within a task.

        The tensors may lie on the CPU.
        """
        average = {}
        for name, tensor in state.items():
            if name in self._average:
                average[name] = tensor.to(self._average[name].device)
            elif name:
                average[name] = tensor
        self._average = average
        self._taken = int(state[""]) if average else 0


def lines(initial: Weights, merged: Weights, *, alpha: float = 0.5, beta: float = 0.5) -> Weights:
    """Return a merged model with its task vector scaled by alpha + beta * depth.

    The defaults are the published ones.
    """
    scaled = {}
    for name, depth in depths(initial).items():
        scaled[name] = torch.lerp(initial[name], merged[name], alpha + beta * depth)
    return scaled


def depths(names: Iterable[str]) -> dict[str, float]:
    """Return the depth of each parameter: i / (n - 1) in block i of the n of its tower.

    Parameters outside the blocks have depth 0; the only block of a tower has depth 1.
    """
    blocks: dict[str, tuple[str, int]] = {}
    spans: dict[str, tuple[int, int]] = {}
    for name in names:
        match = BLOCK.match(name)
        if match is None:
            continue
        tower, number = match[1], int(match[2])
        blocks[name] = (tower, number)
        first, last = spans.get(tower, (number, number))
        spans[tower] = min(first, number), max(last, number)
    depth = dict.fromkeys(names, 0.0)
    for name, (tower, number) in blocks.items():
        first, last = spans[tower]
        depth[name] = (number - first) / (last - first) if last > first else 1.0
    return depth


def _seed(seed: int, task: int) -> int:
    """Return a 63-bit seed for the random draws of the merge after a task."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{task}".encode()).digest()[:8], "big") >> 1
