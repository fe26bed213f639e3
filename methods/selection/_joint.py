"""Joint example selection (https://arxiv.org/abs/2406.17711, section 3.3).

Pairs are chosen jointly, because in a contrastive loss the value of a pair depends on the rest of
the batch. N is the number of candidates, B that of the pairs to choose.
"""

import torch
from torch import Tensor
from torch.nn import functional


def pair_losses(images: Tensor, texts: Tensor, scale: Tensor, bias: float) -> Tensor:
    """Return the sigmoid loss of every image with every text, (N, N) float32.

    Images and texts are (N, D) of unit norm, `scale` is logit_scale, (). By equation 1 of
    https://arxiv.org/abs/2303.15343, where the pairs on the diagonal are the positives.
    """
    with torch.autocast(images.device.type, enabled=False):
        logits = scale.float().exp() * images.float() @ texts.float().T + bias
        signs = 2 * torch.eye(len(logits), device=logits.device) - 1
        return -functional.logsigmoid(signs * logits)


def choose(scores: Tensor, pairs: int, chunks: int) -> Tensor:
    """Return the indices of the chosen candidates, ascending, (B,) int64 where B is `pairs`.

    They are drawn in `chunks`, with probabilities that are the softmax of what each candidate would
    add to the total score of those chosen so far. Scores are (N, N). Draws use torch's global
    generator.
    """
    chosen = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    own, both = scores.diagonal(), scores + scores.T
    for chunk in range(chunks):
        # Waits: which pairs are next depends on how many have been chosen
        due = pairs * (chunk + 1) // chunks - int(chosen.sum())
        if due:
            adds = own + (both * chosen).sum(dim=1)
            # Gumbel noise: the top k are a draw of k without replacement
            # Waits: the noise is drawn on the CPU, by the generator that checkpoints restore
            noise = -torch.empty(len(scores)).exponential_().log().to(scores.device)
            places = (adds + noise).masked_fill(chosen, -torch.inf).topk(due).indices
            chosen[places] = True
    # Waits: a batch has as many rows as were chosen
    return chosen.nonzero().squeeze(1)
