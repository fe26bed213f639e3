"""SOAP: Adam in the eigenbases of Shampoo's preconditioner (https://arxiv.org/abs/2409.11321,
Algorithm 3; code: https://github.com/nikhilvyas/SOAP).

For a matrix W with the gradient G, and bases Q_L (of rows) and Q_R (of columns):

    M   <- beta1 M + (1 - beta1) G
    V   <- beta2 V + (1 - beta2) (Q_L^T G Q_R)^2
    W   <- W - lr c Q_L [Q_L^T M Q_R / (sqrt(V) + eps)] Q_R^T,   c the correction of Adam's biases
    W   <- W - lr decay W
    L   <- beta2 L + (1 - beta2) G G^T,   R <- beta2 R + (1 - beta2) G^T G
    every `every` steps   Q_L <- the Q of QR(L Q_L), Q_R <- that of QR(R Q_R)

Before a QR the columns of a basis, and V with them, are put in the order of their eigenvalues, the
largest first, as in the released code. The first step only begins L and R, and the bases, which are
their eigenvectors: so no gradient is turned by itself. Weights decay in it all the same, which the
released code leaves out. These eigenvectors are taken for what they are, the singular vectors of
the first gradient: of L itself, where few words of a vocabulary were met, LAPACK found none in
float32. Vectors and numbers have no bases, and their step is Adam's. A side longer than `largest`
has none either. A convolution is a matrix of its first side by all others; the released code gives
each side a basis, or merges some with `merge_dims`.

Memory: beside the two moments of AdamW, L, R and their bases, 2 (rows^2 + columns^2) numbers. FLOPs
of a step: 3 products of the matrix by each basis, and 2 by itself, 8 rows columns (rows + columns)
in all. A product and a QR of each side in every `every` steps, and an SVD in the first step of a
task, are charged to no budget.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from methods.stepping import SteppingOptimizer

# What is remembered of one parameter
State = dict[str, Any]
# Of each side of a matrix: the dimension that it is, and the name of its basis in the state
SIDES = ((0, "left"), (1, "right"))


@dataclass(frozen=True, kw_only=True)
class Bases:
    """Which sides of a matrix have a basis, and when the bases turn."""

    # Steps between two turns
    every: int
    # The longest side that has a basis
    largest: int


class Soap(SteppingOptimizer):
    """SOAP. What it remembers of a matrix are matrices, under one name each."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rates: tuple[float, float],
        betas: tuple[float, float],
        eps: float,
        bases: Bases,
    ) -> None:
        """rates: the learning rate and the weight decay.

        Raises:
            ValueError: a beta, eps, `every` or `largest` outside of its range.
        """
        in_range = all(0 <= beta < 1 for beta in betas) and eps > 0
        if not in_range or bases.every < 1 or bases.largest < 1:
            raise ValueError(
                "soap takes betas from 0 to below 1, eps above 0, every >= 1 and largest >= 1, not "
                f"betas {list(betas)}, eps {eps}, every {bases.every} and largest {bases.largest}"
            )
        lr, weight_decay = rates
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__(parameters, defaults)
        self.bases = bases

    def _take(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Take one step of a parameter, and let its bases learn from the gradient after it."""
        lr, beta2 = group["lr"], group["betas"][1]
        matrix = gradient.flatten(1) if gradient.ndim > 1 else gradient
        state = self.state[weight]
        if state:
            state["steps"] += 1
            direction = _direction(state, matrix, group).reshape(weight.shape)
            weight.add_(direction, alpha=-lr * _correction(state["steps"], group["betas"]))
            _learn(state, matrix, beta2)
            if state["steps"] % self.bases.every == 0:
                _turn(state)
        else:
            state |= self._begun(matrix)
            _learn(state, matrix, beta2)
        weight.mul_(1 - lr * group["weight_decay"])

    def _begun(self, matrix: Tensor) -> State:
        """Return what is remembered of a parameter before its first gradient.

        Its bases begin at the singular vectors of that gradient. Where it is not finite nothing is
        begun, as nothing would be finite from then on.
        """
        sides = []
        for side, name in SIDES:
            if matrix.ndim == 2 and matrix.shape[side] <= self.bases.largest:
                sides.append((name, matrix.shape[side]))
        # A number of Python, so that no step waits for a device to tell it
        state: State = {"steps": 0}
        state |= {"mean": torch.zeros_like(matrix), "square": torch.zeros_like(matrix)}
        if not sides:
            return state
        # Waits: in the first step of a task, as the decomposition that follows does
        if not bool(matrix.isfinite().all()):
            return {}
        # Thin, the vectors of the shorter side are all there are; that of a longer one has no basis
        both = len(sides) == len(SIDES)
        # Waits: in the first step of a task, as a GPU's decomposition is checked by the host
        left, _, right = torch.linalg.svd(matrix, full_matrices=both)
        vectors = {"left": left, "right": right.T}
        for name, size in sides:
            state[name] = vectors[name].contiguous()
            state[f"{name}_gram"] = matrix.new_zeros(size, size)
        return state


def _direction(state: State, matrix: Tensor, group: dict[str, Any]) -> Tensor:
    """Return the step of a matrix before its learning rate, by both moments with its gradient."""
    beta1, beta2 = group["betas"]
    seen = _turned(state, matrix)
    state["mean"].lerp_(matrix, 1 - beta1)
    state["square"].mul_(beta2).addcmul_(seen, seen, value=1 - beta2)
    size = state["square"].sqrt().add_(group["eps"])
    return _turned_back(state, _turned(state, state["mean"]) / size)


def _correction(steps: int, betas: tuple[float, float]) -> float:
    """Return Adam's correction of both moments, which begin at 0."""
    beta1, beta2 = betas
    return float((1 - beta2**steps) ** 0.5 / (1 - beta1**steps))


def _turned(state: State, matrix: Tensor) -> Tensor:
    """Return Q_L^T X Q_R of a matrix X (rows, columns); without a basis a side stays."""
    if "left" in state:
        matrix = state["left"].T @ matrix
    if "right" in state:
        matrix = matrix @ state["right"]
    return matrix


def _turned_back(state: State, matrix: Tensor) -> Tensor:
    """Return Q_L X Q_R^T of a matrix X (rows, columns)."""
    if "left" in state:
        matrix = state["left"] @ matrix
    if "right" in state:
        matrix = matrix @ state["right"].T
    return matrix


def _learn(state: State, matrix: Tensor, beta2: float) -> None:
    """Add a gradient to L and R, where there are bases."""
    if "left_gram" in state:
        state["left_gram"].lerp_(matrix @ matrix.T, 1 - beta2)
    if "right_gram" in state:
        state["right_gram"].lerp_(matrix.T @ matrix, 1 - beta2)


def _turn(state: State) -> None:
    """Turn the bases towards the eigenvectors of L and R, by one step of a power iteration."""
    for side, name in SIDES:
        if name not in state:
            continue
        moved = state[f"{name}_gram"] @ state[name]
        values = (state[name] * moved).sum(dim=0)
        # Stable, so that equal values are in the same order on every machine
        order = values.argsort(descending=True, stable=True)
        # The second moment is of the columns of the basis, and goes with them
        state["square"] = state["square"].index_select(side, order)
        state[name] = torch.linalg.qr(moved.index_select(1, order)).Q.contiguous()
