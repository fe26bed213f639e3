"""BitFit: only biases are trained (https://arxiv.org/abs/2106.10199; as in FoMo-in-Flux,
https://arxiv.org/abs/2408.14471).

They are about a thousandth of the parameters; the temperature is frozen. No weight gradient of a
matrix is computed, which saves a third of full fine-tuning's FLOPs, and no optimizer state is kept
for one. BitFit usually wants a learning rate 10 to 100 times that of full fine-tuning.
"""

from dataclasses import dataclass

from methods.tuning._partial import Partial


@dataclass
class Bitfit(Partial):
    """BitFit, of the biases of projections, attention and normalisation alike."""

    def moves(self, name: str) -> bool:
        """Return whether a parameter is a bias.

        open_clip fuses the biases of query, key and value into `in_proj_bias`.
        """
        return name.endswith("bias") and not name.startswith("logit_")
