"""Locked image tower: only the text tower and the temperature are trained (LiT,
https://arxiv.org/abs/2111.07991).

Image features cannot drift; zero-shot accuracy still can, because the text tower changes. The image
tower, most of a CLIP's cost, runs no backward pass and has no optimizer state: it takes about a
third of its FLOPs under full fine-tuning.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw


@dataclass
class LockedImage(Tuning):
    """The tuning that trains everything but the image tower."""

    leaves: ClassVar[tuple[str, ...]] = ("image",)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze the image tower."""
        self._frozen = freeze(model, lambda name: name.startswith("visual."))
        return moving(model)

    def end(self, model: nn.Module) -> None:
        """Make the image tower trainable again."""
        thaw(model, self._frozen)
