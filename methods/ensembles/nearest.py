"""The member of the nearest task: each task leaves the mean of its images' features, and an image
goes to the nearest of these (nearest class mean, https://arxiv.org/abs/1611.07725, with tasks in
place of classes; routing by features of a frozen CLIP, https://arxiv.org/abs/2403.11549).

    p_i  = mean over images x of task i of f_0(x)
    k(x) = argmax_i <f_0(x), p_i> / |p_i|
    logits(x, y) = s_k <f_k(x), g_k(y)>,  k = k(x)

f_0 is the untouched image tower, and `pairs` is the number of images in a task's mean. Cost: an
image is encoded twice, by the untouched backbone and by the member; a text by each member. Memory:
a row for each task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from methods.ensembles._routed import Routed, check_order


@dataclass
class Nearest(Routed):
    """The rule that chooses the member of the task whose mean image features are nearest."""

    # One member per task
    members: ClassVar[tuple[str, ...]] = ("all",)

    pairs: int = 1024
    _means: list[Tensor] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"nearest takes pairs >= 1, not {self}")

    def learn(self, features: Tensor, task: int) -> None:
        """Keep the mean of a task's features."""
        check_order(len(self._means), task)
        self._means.append(features.double().mean(dim=0).cpu())

    def chosen(self, features: Tensor) -> Tensor:
        """Return the index of the nearest mean for each image; of equals the first."""
        means = functional.normalize(torch.stack(self._means), dim=1).to(features.device)
        return (features.double() @ means.T).argmax(dim=1)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the means (tasks, D)."""
        return {"means": torch.stack(self._means)} if self._means else {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the means."""
        self._means = list(state["means"]) if state else []
