"""Choosing the pairs of each step among candidates, by what the model and the untouched backbone make of them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from methods import Selection, Task
from methods.compute.encoding import encoded
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
    def select(self, model: nn.Module, candidates: Batch) -> Batch:
        """The pairs to learn from, in the order of the candidates."""
        reference = self._losses(self.reference, candidates)
        own = self._losses(model, candidates) if self.selection.asks_model else reference
        chosen = self.choose(self.selection.scores(own, reference))
        kept = {name: tensor[chosen.to(tensor.device)] for name, tensor in vars(candidates).items()}
        return replace(candidates, **kept)

    def _losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Pairwise losses, the pairs passed forward a batch at a time."""
        pieces = range(0, len(batch.texts), self.batch_pairs)
        made = partial(encoded, model, normalize=True)
        images = torch.cat(
            [made("encode_image", batch.images[n : n + self.batch_pairs]) for n in pieces]
        )
        texts = torch.cat(
            [made("encode_text", batch.texts[n : n + self.batch_pairs]) for n in pieces]
        )
        return pair_losses(images, texts, model.get_parameter("logit_scale"), self.selection.bias)


def candidates(selection: Selection | None, batch_pairs: int) -> int:
    """How many pairs a step draws, to learn from `batch_pairs` of them."""
    return batch_pairs if selection is None else round(batch_pairs / (1 - selection.filter_ratio))
