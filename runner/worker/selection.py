"""Choosing the pairs of each step among candidates.

They are chosen by what the model and the untouched backbone make of them.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from methods import Selection, Task, part
from methods.compute.towers import Towers
from methods.selection._joint import choose, pair_losses
from schema.spec import Spec
from streams import Batch

# Scores (N, N) -> the places of the chosen pairs, (B,) int64
Chooser = Callable[[Tensor], Tensor]


class Selector:
    """A selection at work in one task; `model` is a plain CLIP."""

    def __init__(
        self,
        selection: Selection,
        model: nn.Module,
        task: Task,
        batch_pairs: int,
        chooser: Chooser | None = None,
    ) -> None:
        """Choose `batch_pairs` pairs; by `chooser` where tensors hold no scores to choose by."""
        self.selection, self.batch_pairs = selection, batch_pairs
        self.candidates = candidates(selection, batch_pairs)
        self.reference = copy.deepcopy(model).requires_grad_(False)
        self.reference.load_state_dict(task.initial)
        self.choose: Chooser = chooser or partial(
            choose, pairs=batch_pairs, chunks=selection.chunks
        )

    @torch.no_grad()
    def select(self, model: nn.Module, batch: Batch, towers: Towers) -> Batch:
        """Return the pairs to learn from, in the order of the candidates in `batch`."""
        reference = self._losses(self.reference, batch, towers)
        own = reference
        if self.selection.asks_model:
            own = self._losses(model, batch, towers)
        chosen = self.choose(self.selection.scores(own, reference))
        columns = {}
        for name, tensor in vars(batch).items():
            # Waits: the sources of pairs are on the host
            columns[name] = tensor[chosen.to(tensor.device)]
        return replace(batch, **columns)

    def _losses(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        """Return pairwise losses (N, N), the pairs passed forward a batch at a time."""
        starts = range(0, len(batch.texts), self.batch_pairs)
        pieces = [slice(start, start + self.batch_pairs) for start in starts]
        encode = partial(towers.encode_image, model, normalize=True)
        images = torch.cat([encode(batch.images[piece]) for piece in pieces])
        encode = partial(towers.encode_text, model, normalize=True)
        texts = torch.cat([encode(batch.texts[piece]) for piece in pieces])
        scale = model.get_parameter("logit_scale")
        return pair_losses(images, texts, scale, self.selection.bias)


def selection_of(spec: Spec) -> Selection | None:
    """Return the selection that the mixture names; None where every pair is learned from."""
    mixture = spec.mixture
    if mixture["selection"] == "none":
        return None
    selection: Selection = part("selection", mixture["selection"], mixture["selection_params"])
    return selection


def selector_of(spec: Spec, model: nn.Module, task: Task, has_values: bool) -> Selector | None:
    """Return the selector of a task that begins on a plain CLIP; None where none is wanted.

    Where tensors hold no values (`has_values` false) there are no scores: the first are chosen.
    """
    selection, pairs = selection_of(spec), int(spec.recipe["batch_pairs"])
    if selection is None:
        return None
    chooser = None if has_values else partial(first_pairs, pairs=pairs)
    return Selector(selection, model, task, pairs, chooser)


def candidates(selection: Selection | None, batch_pairs: int) -> int:
    """Return how many pairs a step draws, to learn from `batch_pairs` of them."""
    if selection is None:
        return batch_pairs
    return round(batch_pairs / (1 - selection.filter_ratio))


def first_pairs(scores: Tensor, pairs: int) -> Tensor:
    """Return the first places, (B,) int64, whatever the scores (N, N)."""
    return torch.arange(pairs, device=scores.device)
