"""SPU, selective parameter update: of the first matrix of each MLP only the entries with the
largest gradients for a task are trained (https://arxiv.org/abs/2308.12462; code:
https://github.com/wx-zhang/spu).

    S = |sum over `score_steps` steps of dL/dW|
    the `share` of the entries of each W with the largest S are trained, and no others

The first layer of an MLP detects patterns and the second maps them to meanings, so a task is
learned by the units that already detect its patterns. Biases of those layers and the image
projection are trained whole. S is measured in the task's first steps, in which no weight changes;
the authors take it from a quarter of a first pass over the task, and their code of the squared norm
of the logits in place of the loss, which is all that a tuning sees. Changes of frozen entries by a
step are undone, decay and momentum included. The replay that the paper adds is a matter of the
mixture here.

Memory: two numbers per entry while scoring, one mask and one copy of each W while training. FLOPs:
the weight gradients of those matrices alone, a fifth less than full fine-tuning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Task
from methods.tuning._computed import ends_with, matrices
from methods.tuning._masked import Rows, held
from methods.tuning._partial import Partial
from methods.tuning._subspaces import wide


@dataclass
class Spu(Partial):
    """SPU, of both towers, at the share of the released configuration."""

    # The share of the entries of a matrix that are trained
    share: float = 0.1
    # Steps in which no weight changes while entries are scored
    score_steps: int = 1
    targets: tuple[str, ...] = ("mlp.c_fc.weight",)
    # How the names of the parameters end that are trained whole
    whole: tuple[str, ...] = ("mlp.c_fc.bias", "visual.proj")
    # By the name of a weight, and of its shape
    _scores: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    # True where an entry is frozen
    _stays: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _names: list[str] = field(default_factory=list, init=False, repr=False)
    _steps: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.score_steps < 1 or not self.targets:
            raise ValueError(
                f"spu takes a share in (0, 1], score_steps >= 1 and one target or more, not {self}"
            )

    def moves(self, name: str) -> bool:
        """Return whether a parameter is trained, in part or whole."""
        return name in self._names or ends_with(name, self.whole)

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters, and start scoring anew.

        Raises:
            ValueError: a target that matches no matrix.
        """
        self._names = matrices(model, self.targets, "spu")
        self._scores, self._stays, self._steps = {}, {}, 0
        return super().begin(model, task)

    @contextmanager
    def stepping(self, model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
        """Undo the step's changes of frozen entries; of all entries while they are scored."""
        scores = self._steps < self.score_steps
        rows: list[Rows] = []
        if scores:
            self._score(model)
            for parameter in model.parameters():
                if parameter.requires_grad:
                    rows.append((parameter, torch.ones_like(parameter, dtype=torch.bool)))
        else:
            for name, stays in self._stays.items():
                parameter = model.get_parameter(name)
                # Tensors loaded from a checkpoint are on the CPU
                stays = self._stays[name] = stays.to(parameter.device)
                rows.append((parameter, stays))
        with held(rows):
            yield
        self._steps += 1
        if scores and self._steps == self.score_steps:
            self._choose()

    def _score(self, model: nn.Module) -> None:
        """Add this step's gradients; those that overflowed in fp16 are skipped."""
        for name in self._names:
            gradient = model.get_parameter(name).grad
            if gradient is None:
                continue
            gradient = wide(gradient)
            finite = torch.where(gradient.isfinite().all(), gradient, torch.zeros_like(gradient))
            earlier = self._scores.get(name)
            self._scores[name] = finite if earlier is None else earlier.to(finite) + finite

    def _choose(self) -> None:
        """Choose the entries with the largest scores."""
        for name, scores in self._scores.items():
            count = max(1, int(self.share * scores.numel()))
            largest = scores.abs().flatten().topk(count).indices
            stays = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
            self._stays[name] = stays.scatter(0, largest, False).view_as(scores)
        self._scores = {}

    def end(self, model: nn.Module) -> None:
        """Make all parameters trainable again."""
        self._scores, self._stays = {}, {}
        super().end(model)

    def state_dict(self) -> dict[str, Tensor]:
        """Return `score.` and `stays.<weight>`, and the steps since the task began."""
        state = {"steps": torch.tensor(self._steps)}
        for name, tensor in self._scores.items():
            state[f"score.{name}"] = tensor
        for name, tensor in self._stays.items():
            state[f"stays.{name}"] = tensor
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self._scores, self._stays, self._steps = {}, {}, int(state["steps"])
        for key, tensor in state.items():
            kind, _, name = key.partition(".")
            if kind == "score":
                self._scores[name] = tensor
            elif kind == "stays":
                self._stays[name] = tensor.bool()
