"""LNFit: only the scales and shifts of layer norms move (https://arxiv.org/abs/2302.08106; as in FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

About a thousandth of the parameters; the temperature stays. Cost as `bitfit`. Usually wants a learning rate 10 to 100 times
that of full fine-tuning.
"""

from dataclasses import dataclass

from methods.tuning._partial import Partial


@dataclass
class Lnfit(Partial):
    """The norms of both towers, which open_clip names `ln_...`."""

    def moves(self, name: str) -> bool:
        """`ln_1`, `ln_2` of the blocks, `ln_pre`, `ln_post`, `ln_final`."""
        return any(part.startswith("ln_") for part in name.split("."))
