"""Linear probe: only the two projections into the common space are trained (the linear probe of
CLIP, https://arxiv.org/abs/2103.00020, for a model without a classifier).

It is the lower baseline for training inside the towers. The features below the projections and the
temperature are frozen. Memory: optimizer state of two matrices. FLOPs: two forward passes and next
to nothing backward, about a third of full fine-tuning.
"""

from dataclasses import dataclass

from methods.tuning._partial import Partial


@dataclass
class LinearProbe(Partial):
    """The linear probe of `visual.proj` and `text_projection`.

    Each is a matrix, or the layer that some architectures have in its place.
    """

    def moves(self, name: str) -> bool:
        """Return whether a parameter belongs to one of the projections."""
        return name.removesuffix(".weight").removesuffix(".bias") in (
            "visual.proj",
            "visual.head.proj",
            "text_projection",
        )
