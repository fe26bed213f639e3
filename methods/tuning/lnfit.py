"""LNFit: only the scales and shifts of layer norms are trained (https://arxiv.org/abs/2302.08106;
as in FoMo-in-Flux, https://arxiv.org/abs/2408.14471).

They are about a thousandth of the parameters; the temperature is frozen. The cost is that of
`bitfit`. LNFit usually wants a learning rate 10 to 100 times that of full fine-tuning.
"""

from dataclasses import dataclass

from methods.tuning._partial import Partial


@dataclass
class Lnfit(Partial):
    """LNFit, of the norms of both towers, which open_clip names `ln_...`."""

    def moves(self, name: str) -> bool:
        """Return whether a parameter belongs to a norm.

        Those are `ln_1` and `ln_2` of the blocks, `ln_pre`, `ln_post` and `ln_final`.
        """
        return any(part.startswith("ln_") for part in name.split("."))
