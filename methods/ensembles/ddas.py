"""The member of the task whose autoencoder knows an image best, and the untouched backbone where
none does: the distribution discriminative auto-selector of MoE-Adapters
(https://arxiv.org/abs/2403.11549; code: https://github.com/JiazuoYu/MoE-Adapters4CL).

    z      = sigmoid(sqrt(D) f_0(x))                 f_0(x): features of norm 1, D of them
    e_i(x) = |r_i(z) - z|^2 / D,   r_i(z) = sigmoid(U_i relu(E_i z + a_i) + b_i)
    k(x)   = argmin_i e_i(x);   0, the untouched backbone, where e_k(x) > slack m_k
    m_i    = the mean of e_i over the task's images
    logits(x, y) = s_k <f_k(x), g_k(y)>,  k = k(x)

The autoencoder of a task is trained by `steps` steps of Adam on the mean of e_i over `pairs` of its
images, all at once, and stays. f_0 is the untouched image tower; the authors take features of an
AlexNet, and one limit for all tasks, chosen by hand. Their mixture of experts is not here: its
router and the ReLU within an expert depend on the input, and cannot be folded into a plain CLIP.
With tuning `lora` a member is one low-rank expert, folded (method `ddas_lora`). Cost: an image is
encoded twice, by the untouched backbone and by the member; a text by each member and by the
untouched backbone. Memory: two matrices of D x `code` for each task.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from methods.ensembles._routed import Routed, check_order

# The tensors of one task: E (code, D), a, U (D, code), b, and the mean of its errors
NAMES = ("down", "down_bias", "up", "up_bias", "mean")
Coder = dict[str, Tensor]


@dataclass
class Ddas(Routed):
    """The rule that chooses by autoencoders, one for each task."""

    falls_back: ClassVar[bool] = True
    # One member per task
    members: ClassVar[tuple[str, ...]] = ("all",)

    pairs: int = 1024
    # The width of an autoencoder's code
    code: int = 100
    steps: int = 200
    lr: float = 0.003
    # How many times the mean error of a task's own images an image may have to be of it
    slack: float = 2.0
    seed: int = 0
    _coders: list[Coder] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        counts = min(self.pairs, self.code, self.steps) >= 1
        if not counts or self.lr <= 0 or self.slack <= 0:
            raise ValueError(
                f"ddas takes pairs, code and steps >= 1, lr > 0 and slack > 0, not {self}"
            )

    def learn(self, features: Tensor, task: int) -> None:
        """Train the autoencoder of a task on its features."""
        check_order(len(self._coders), task)
        known = entries(features)
        coder = self._begun(known, task)
        weights = list(coder.values())
        # One kernel for each tensor, which adds in the same order on every device
        adam = torch.optim.Adam(weights, lr=self.lr, foreach=False)
        with torch.enable_grad():
            for _ in range(self.steps):
                adam.zero_grad()
                errors(coder, known).mean().backward()  # type: ignore[no-untyped-call]
                adam.step()
        coder = {name: tensor.detach() for name, tensor in coder.items()}
        coder["mean"] = errors(coder, known).mean()
        self._coders.append({name: coder[name].cpu() for name in NAMES})

    def _begun(self, known: Tensor, task: int) -> Coder:
        """Return an autoencoder of random weights, which depend on the seed and the task alone."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + task)
        width, coder = known.shape[1], Coder()
        for name, rows, columns in (("down", self.code, width), ("up", width, self.code)):
            # As torch begins a linear layer
            for key, size in ((name, (rows, columns)), (f"{name}_bias", (rows,))):
                drawn = torch.rand(size, generator=generator, dtype=torch.float64)
                placed = ((2 * drawn - 1) / columns**0.5).to(known)
                coder[key] = placed.requires_grad_()
        return coder

    def chosen(self, features: Tensor) -> Tensor:
        """Return each image's place among the members: 0 is the untouched backbone, i task i."""
        known, apart, limits = entries(features), [], []
        for kept in self._coders:
            coder = {name: tensor.to(known) for name, tensor in kept.items()}
            apart.append(errors(coder, known))
            limits.append(self.slack * coder["mean"])
        least, places = torch.stack(apart).min(dim=0)
        within = least <= torch.stack(limits)[places]
        chosen: Tensor = torch.where(within, places + 1, torch.zeros_like(places))
        return chosen

    def state_dict(self) -> dict[str, Tensor]:
        """Return the autoencoders, each tensor with a first side of tasks."""
        state = {}
        for name in NAMES if self._coders else ():
            state[name] = torch.stack([coder[name] for coder in self._coders])
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the autoencoders."""
        self._coders = []
        for task in range(len(state["mean"]) if state else 0):
            self._coders.append({name: state[name][task] for name in NAMES})


def entries(features: Tensor) -> Tensor:
    """Return z (N, D), between 0 and 1, of features of norm 1."""
    return (features * math.sqrt(features.shape[1])).sigmoid()


def errors(coder: Coder, known: Tensor) -> Tensor:
    """Return how far an autoencoder's answer is from each row, as the mean of squares, (N,)."""
    hidden = functional.linear(known, coder["down"], coder["down_bias"]).relu()
    answer = functional.linear(hidden, coder["up"], coder["up_bias"]).sigmoid()
    apart: Tensor = (answer - known).square().mean(dim=1)
    return apart
