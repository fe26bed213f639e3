"""An exponential moving average of the weights over the steps of training: slow weights beside the
fast ones (online EMA-merge of FoMo-in-Flux, https://arxiv.org/abs/2408.14471; LAE,
https://arxiv.org/abs/2303.10070; I-LoRA, https://arxiv.org/abs/2402.18865).

    average <- decay average + (1 - decay) theta

The average starts at the weights that the task starts from, and is updated after every step. The
published decay is 0.999. With `ramp` the decay is at most 1 - 1 / step, so that the starting
weights drop out after the first step, as in I-LoRA. `restart` false carries the average across
tasks; true begins anew in each.

Memory: one more model on the device; no FLOPs to speak of under full fine-tuning.
"""


def share(step: int, *, decay: float = 0.999, ramp: bool = False) -> float:
    """Return the share of the new average that the weights after this step take.

    Raises:
        ValueError: a decay outside [0, 1].
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay is the share of the average so far, in [0, 1], not {decay}")
    return max(1 - decay, 1 / step) if ramp else 1 - decay
