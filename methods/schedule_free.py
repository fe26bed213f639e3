"""Schedule-Free AdamW: an average over the steps takes the place of a decaying learning rate
(https://arxiv.org/abs/2405.15682, Algorithm 1; as the released package schedulefree does it).

    y_t     = (1 - beta1) z_t + beta1 x_t       where the gradient g_t is taken: the model's weights
    v_t+1   = beta2 v_t + (1 - beta2) g_t^2
    d_t     = g_t / (sqrt(v_t+1 / (1 - beta2^(t+1))) + eps) + decay y_t
    z_t+1   = z_t - lr_t d_t                     the plain steps
    x_t+1   = (1 - c) x_t + c z_t+1              their average: what a task comes to
    c       = m_t^2 / sum over s <= t of m_s^2   m_t: the largest lr so far

z and x begin at the weights. The model holds y, and only z is kept beside it, as x follows from
both. The rate is meant to rise once and stay (the schedule `constant`, which has a warm-up): a rate
that falls makes the last steps smaller without making them count for less.

Memory: v and z, as much as the two moments of AdamW. FLOPs: those of AdamW.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from methods.stepping import SteppingOptimizer


class ScheduleFree(SteppingOptimizer):
    """Schedule-Free AdamW. Between steps its parameters hold y, and after `settle` x."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        """betas: beta1, above 0 as x could not be told from y and z otherwise, and beta2.

        Raises:
            ValueError: a beta or eps outside of its range.
        """
        if not (0 < betas[0] <= 1 and 0 <= betas[1] < 1 and eps > 0):
            raise ValueError(
                "adamw_schedule_free takes betas above 0 up to 1 and from 0 to below 1, and eps "
                f"above 0, not betas {list(betas)} and eps {eps}"
            )
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__(parameters, defaults)

    def _take(self, y: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Take one step of a parameter."""
        lr, decay, eps = group["lr"], group["weight_decay"], group["eps"]
        beta1, beta2 = group["betas"]
        state = self.state[y]
        if not state:
            # Numbers of Python, so that no step waits for a device to tell them
            state |= {"steps": 0, "most_lr": 0.0, "sum": 0.0}
            state |= {"z": y.clone(), "square": torch.zeros_like(y)}
        state["steps"] += 1
        state["most_lr"] = max(state["most_lr"], lr)
        state["sum"] += state["most_lr"] ** 2
        # While the rate is 0 nothing moves, and no step counts
        count = state["most_lr"] ** 2 / state["sum"] if state["sum"] else 0.0
        state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        size = state["square"].div(1 - beta2 ** state["steps"]).sqrt_().add_(eps)
        direction = gradient.div(size).add_(y, alpha=decay)
        # y of the next step from this one's, which never needs x
        y.lerp_(state["z"], count)
        y.add_(direction, alpha=lr * (beta1 * (1 - count) - 1))
        state["z"].sub_(direction, alpha=lr)

    @torch.no_grad()
    def settle(self) -> None:
        """Put x into the parameters: what the steps have come to. No step may follow."""
        for group in self.param_groups:
            beta1, _ = group["betas"]
            for parameter in group["params"]:
                if self.state[parameter]:
                    parameter.lerp_(self.state[parameter]["z"], 1 - 1 / beta1)
