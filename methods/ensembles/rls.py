"""The member that a ridge regression on features names, learned recursively (recursive least
squares; RAIL, https://arxiv.org/abs/2406.18868, with tasks in place of its classes).

    phi(x) = relu(R f_0(x)) with a fixed random R (hidden, D), or f_0(x) where `hidden` is 0
    W      = (sum phi phi^T + ridge I)^-1 sum phi y^T,  y the one-hot task, sums over all tasks
    k(x)   = argmax_i W_i^T phi(x)
    logits(x, y) = s_k <f_k(x), g_k(y)>,  k = k(x)

The sums are kept, which gives the same result as the recursion on the inverse: the solution for the
images of all tasks at once, whatever their order. f_0 is the untouched image tower, and `pairs` is
how many images of a task are learned from. Cost: an image is encoded twice, by the untouched
backbone and by the member; a text by each member. Memory: a square of the features, and a column
for each task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from methods.ensembles._routed import Routed, check_order


@dataclass
class Rls(Routed):
    """The rule that chooses the member of the task that a ridge regression predicts."""

    # One member per task
    members: ClassVar[tuple[str, ...]] = ("all",)

    pairs: int = 1024
    ridge: float = 1.0
    # Number of random features; 0: the features themselves are used
    hidden: int = 0
    seed: int = 0
    # (F, F) float64 sum of phi phi^T, and (tasks, F) sums of phi, task by task
    _gram: Tensor | None = field(default=None, init=False, repr=False)
    _sums: list[Tensor] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.ridge <= 0 or self.hidden < 0:
            raise ValueError(f"rls takes pairs >= 1, ridge > 0 and hidden >= 0, not {self}")

    def learn(self, features: Tensor, task: int) -> None:
        """Add a task's images to the sums."""
        check_order(len(self._sums), task)
        known = self.expanded(features).cpu()
        gram = known.T @ known
        self._gram = gram if self._gram is None else self._gram + gram
        self._sums.append(known.sum(dim=0))

    def chosen(self, features: Tensor) -> Tensor:
        """Return, for each image, the index of the task predicted highest; of equals the first."""
        assert self._gram is not None
        ridge = self.ridge * torch.eye(len(self._gram), dtype=self._gram.dtype)
        solved = torch.linalg.solve(self._gram + ridge, torch.stack(self._sums).T)  # (F, tasks)
        known = self.expanded(features)
        places: Tensor = (known @ solved.to(known.device)).argmax(dim=1)
        return places

    def expanded(self, features: Tensor) -> Tensor:
        """Return (N, F) float64 phi of (N, D) features."""
        if not self.hidden:
            return features.double()
        generator = torch.Generator().manual_seed(self.seed)
        size = self.hidden, features.shape[1]
        random = torch.randn(size, generator=generator, dtype=torch.float64)
        expanded: Tensor = torch.relu(features.double() @ random.T.to(features.device))
        return expanded

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums."""
        if self._gram is None:
            return {}
        return {"gram": self._gram, "sums": torch.stack(self._sums)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the sums."""
        self._gram = state["gram"] if state else None
        self._sums = list(state["sums"]) if state else []
