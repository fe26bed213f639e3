"""Linear probe: only the two projections into the common space move (the linear probe of CLIP,
https://arxiv.org/abs/2103.00020, for a model without a classifier).

It is a floor for what learning inside the towers brings. The features below the projections stay
what they were; the temperature stays. Memory: optimizer state of two matrices. FLOPs: two forward
passes and next to nothing backward, about a third of full fine-tuning.
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
