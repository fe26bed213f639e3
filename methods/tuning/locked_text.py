"""Locked text tower: only the image tower and the temperature are trained (the mirror image of LiT,
https://arxiv.org/abs/2111.07991; one of the partial tunings of FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

Every class keeps the embedding of its name, so the images' embeddings must move to the texts'. In
open_clip's CLIP the text tower is every parameter outside of `visual.` except the temperature.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, thaw


@dataclass
class LockedText(Tuning):
    """The tuning that trains everything but the text tower."""

    leaves: ClassVar[tuple[str, ...]] = ("text",)
    _frozen: list[str] = field(default_factory=list, init=False, repr=False)

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze the text tower."""
        self._frozen = freeze(model, lambda name: not name.startswith(("visual.", "logit_")))
        return moving(model)

    def end(self, model: nn.Module) -> None:
        """Make the text tower trainable again."""
        thaw(model, self._frozen)
