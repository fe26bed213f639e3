"""The result of a task's training, before anything is merged or deployed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from methods import Weights, optimizers
from runner.worker.checkpoint import State
from runner.worker.costs import Ledger


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The end of a task's training: a plain CLIP, and all that later tasks and tables need."""

    # The weights as trained, on the CPU
    last: Weights
    # What the method's parts remember
    method: Mapping[str, Any]
    # What the optimizer remembers, where the recipe carries it on
    memory: optimizers.Memory
    ledger: Ledger
    # Rows of the table `progress`
    curve: list[dict[str, Any]]
    # Whether the towers were compiled (`runner/worker/autotune.py`)
    choice: Mapping[str, Any]
    # Rows of the table `statistic`: how the pictures were decoded; the store's older ones have none
    pictures: list[dict[str, Any]] = field(default_factory=list)
    # Rows of the table `statistic`: the shares of each segment, and what they were said from
    mixed: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> State:
        """Return it as the store keeps it."""
        return vars(self) | {"last": dict(self.last), "ledger": self.ledger.state_dict()}

    @classmethod
    def of(cls, state: State, shared: bool) -> "Trained":
        """Read it from the store.

        Costs are charged in full, and marked where another trial had them (`shared`).
        """
        ledger = Ledger()
        ledger.load_state_dict(state["ledger"])
        ledger.mark(shared)
        return cls(**(state | {"ledger": ledger}))
