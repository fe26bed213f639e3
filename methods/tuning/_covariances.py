"""Sums of X^T X over passes of a model, for tunings that avoid the directions of earlier tasks."""

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from methods.compute.distributed import ALONE, Ranks
from methods.tuning._computed import full_precision


class Covariances:
    """Uncentered covariances of rows that hooks on a model see, by the names of weights.

    A pass that is repeated, for a chunk or for checkpointing, counts again, so users of the sums
    must not depend on their scale. FLOPs: 2 width^2 for each row.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        self._ranks = ALONE

    def begin(self, ranks: Ranks) -> None:
        """Forget what was seen so far; `ranks` are the processes that train together."""
        self.stop()
        self._ranks = ranks

    def add(self, name: str, rows: Tensor, unit: bool = False) -> None:
        """Add the covariance of rows (n, width), in at least float32.

        unit: whether each row is scaled to norm 1 before, so that it adds 1 to the trace.
        """
        rows = rows.detach()
        with torch.no_grad(), full_precision(rows):
            rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
            if unit:
                rows = torch.nn.functional.normalize(rows, dim=1)
            own = rows.T @ rows
            self.sums[name] = self.sums[name] + own if name in self.sums else own

    def taken(self) -> dict[str, Tensor]:
        """Return the sums since the last call, over all processes, and begin new ones."""
        # Each process has seen its own rows of the batch
        self._ranks.average([self.sums[name] for name in sorted(self.sums)])
        sums, self.sums = self.sums, {}
        return sums

    def stop(self) -> None:
        """Remove the hooks, and forget the sums."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self.sums = [], {}
