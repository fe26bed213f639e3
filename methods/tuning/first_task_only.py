"""First task only: low-rank updates learn the first task; after it nothing is trained.

This is the control of P-RFCL, which shows what adapting once already achieves
(https://arxiv.org/abs/2406.09384). In the first task it is `lora`. Later tasks take no steps, cost
nothing, and deploy the same weights.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from methods import Task
from methods.parameters import freeze
from methods.tuning._computed import Computed
from methods.tuning.lora import LowRank


@dataclass
class FirstTaskOnly(Computed):
    """The tuning `lora` in the first task alone."""

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = (
        "attn.in_proj_weight",
        "mlp.c_proj.weight",
    )

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ValueError(
                f"first_task_only takes rank >= 1, alpha > 0 and one target or more, not {self}"
            )

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Begin as `lora` in the first task; freeze everything in later ones.

        Raises:
            ValueError: a target that matches no matrix.
        """
        if task.number == 1:
            return super().begin(model, task)
        self._frozen, self._order = freeze(model, lambda name: True), {}
        return []

    def update(self, name: str, weight: Tensor, task: Task) -> nn.Module:
        """Return a new low-rank pair."""
        return LowRank(weight, self.rank, self.alpha / self.rank, None)
