"""An exponential moving average of the weights over the steps of training: slow weights beside the
fast ones (online EMA-merge of FoMo-in-Flux, https://arxiv.org/abs/2408.14471; LAE,
https://arxiv.org/abs/2303.10070; I-LoRA, https://arxiv.org/abs/2402.18865).

    average <- decay average + (1 - decay) theta

It moves after every step, from the weights that the task starts from. The published decay is 0.999.
With `ramp` it is at most 1 - 1 / step, so that where it began is forgotten at once, as in I-LoRA.
`restart` false carries the average across tasks; true begins anew in each.

Memory: one more model on the device; no FLOPs to speak of under full fine-tuning.
"""


def share(step: int, *, decay: float = 0.999, ramp: bool = False) -> float:
    """Return the share of the weights after a step.

    Raises:
        ValueError: a decay outside [0, 1].
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay is the share of the average so far, in [0, 1], not {decay}")
    return max(1 - decay, 1 / step) if ramp else 1 - decay
