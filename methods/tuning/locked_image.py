"""Locked image tower: the text tower and the temperature move (LiT,
https://arxiv.org/abs/2111.07991).

Image features cannot drift; zero-shot accuracy still can, because the text side moves. No gradient
enters the image tower, which is most of a CLIP's cost: about a third of full fine-tuning's FLOPs
there, and no optimizer state.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw


@dataclass
class LockedImage(Tuning):
    """The tuning that moves everything but the image tower."""

    leaves: ClassVar[tuple[str, ...]] = ("image",)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze the image tower."""
        self._frozen = freeze(model, lambda name: name.startswith("visual."))
        return moving(model)

    def end(self, model: nn.Module) -> None:
        """Let the image tower move again."""
        thaw(model, self._frozen)
