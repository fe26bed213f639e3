"""Choosing the pairs of each step among candidates, by what the model and the untouched backbone make of them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from methods import Selection, Task
from methods.compute.towers import Towers
from methods.selection._joint import choose, pair_losses
from streams import Batch


class Selector:
    """A selection at work in one task; `model` is a plain CLIP."""

    def __init__(
        self, selection: Selection, model: nn.Module, task: Task, batch_pairs: int
    ) -> None:
        self.selection, self.batch_pairs = selection, batch_pairs
        self.reference = copy.deepcopy(model).requires_grad_(False)
        self.reference.load_state_dict(task.initial)
        self.choose: Callable[[Tensor], Tensor] = partial(
            choose, pairs=batch_pairs, chunks=selection.chunks
        )

    @torch.no_grad()
    def select(self, model: nn.Module, candidates: Batch, towers: Towers) -> Batch:
        """The pairs to learn from, in the order of the candidates."""
        reference = self._losses(self.reference, candidates, towers)
        own = self._losses(model, candidates, towers) if self.selection.asks_model else reference
        chosen = self.choose(self.selection.scores(own, reference))
        kept = {name: tensor[chosen.to(tensor.device)] for name, tensor in vars(candidates).items()}
        return replace(candidates, **kept)

    def _losses(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Pairwise losses, the pairs passed forward a batch at a time."""
        starts = range(0, len(batch.texts), self.batch_pairs)
        pieces = [slice(start, start + self.batch_pairs) for start in starts]
        encode = partial(towers.encode_image, model, normalize=True)
        images = torch.cat([encode(batch.images[piece]) for piece in pieces])
        encode = partial(towers.encode_text, model, normalize=True)
        texts = torch.cat([encode(batch.texts[piece]) for piece in pieces])
        scale = model.get_parameter("logit_scale")
        return pair_losses(images, texts, scale, self.selection.bias)


def candidates(selection: Selection | None, batch_pairs: int) -> int:
    """How many pairs a step draws, to learn from `batch_pairs` of them."""
    return batch_pairs if selection is None else round(batch_pairs / (1 - selection.filter_ratio))
