"""Pairs that an objective keeps itself, with what a model gave for them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods import FreshPairs
from methods.compute import devices
from methods.compute.towers import Towers
from methods.objectives._embeddings import recalled
from streams import BUFFER, UPDATE, Batch

Transform = Callable[[Tensor], Tensor]


@dataclass
class Store:
    """Pairs in slots, on the CPU, because they may take more memory than the model.

    Row i of every tensor belongs to pair i.
    """

    # `images` and `texts`; what a model gave for an image is `seen`, for a text `told`
    rows: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows["texts"]) if self.rows else 0

    def put(self, pairs: Batch, of_images: Tensor, of_texts: Tensor, slots: list[int]) -> None:
        """Write pairs into slots; those beyond the end are appended, and leave no gap.

        `of_images` and `of_texts` are (B, D), what a model gave for the images and for the texts.
        """
        new = {"images": pairs.images, "texts": pairs.texts, "seen": of_images, "told": of_texts}
        size = max(len(self), *(slot + 1 for slot in slots))
        for name, tensor in new.items():
            held = self.rows.get(name, tensor.new_zeros(0, *tensor.shape[1:], device="cpu"))
            grown = torch.cat([held, held.new_zeros(size - len(held), *held.shape[1:])])
            # Waits: pairs are kept on the host; within a step only until the set of `gere` is full
            grown[slots] = tensor.detach().cpu()
            self.rows[name] = grown

    def draw(self, count: int, device: torch.device) -> tuple[Batch, Tensor, Tensor]:
        """Return at most `count` pairs, none twice, and what a model gave for them.

        They are on a device, drawn by torch's global generator; the last two are (B, D), of the
        images and of the texts.
        """
        chosen = torch.randperm(len(self))[:count]
        rows = {}
        for name, tensor in self.rows.items():
            rows[name] = devices.sent(tensor[chosen], device)
        sources = torch.full((len(chosen),), BUFFER, dtype=torch.int8, device=device)
        return Batch(rows["images"], rows["texts"], sources), rows["seen"], rows["told"]


@dataclass
class Reservoir:
    """A store of fixed size in which every pair ever offered has had the same chance to be."""

    capacity: int
    store: Store = field(default_factory=Store)
    offered: int = 0

    def fill(
        self, model: nn.Module, fresh: FreshPairs, towers: Towers, transform: Transform
    ) -> None:
        """Offer `capacity` fresh pairs of the task, as many for every task.

        What `transform` makes of a plain CLIP's features (B, D) is kept with them.

        Raises:
            ValueError: a batch holds none of the task's own pairs.
        """
        chosen: dict[int, tuple[Tensor, Tensor]] = {}
        until, at_once = self.offered + self.capacity, 1
        while self.offered < until:
            batch = fresh.batch()
            own = (batch.sources == UPDATE).nonzero()[:, 0].tolist()
            if not own:
                raise ValueError(
                    "a buffer keeps the task's own pairs and this batch has none; use a mixture "
                    "with update_share > 0"
                )
            at_once = max(at_once, len(batch.texts))
            for pair in own[: until - self.offered]:
                slot = self._slot()
                if slot < self.capacity:
                    chosen[slot] = batch.images[pair], batch.texts[pair]
        # Passed forward only now: of pairs that took each other's slot the last alone is kept
        slots = sorted(chosen)
        for first in range(0, len(slots), at_once):
            some = slots[first : first + at_once]
            images = torch.stack([chosen[slot][0] for slot in some])
            texts = torch.stack([chosen[slot][1] for slot in some])
            pairs = Batch(images, texts, torch.full((len(texts),), UPDATE, dtype=torch.int8))
            of_images, of_texts = recalled(model, pairs, towers)
            self.store.put(pairs, transform(of_images), transform(of_texts), some)

    def _slot(self) -> int:
        """Return the slot of the next pair that is offered; from `capacity` on there is none."""
        self.offered += 1
        if self.offered <= self.capacity:
            return self.offered - 1
        return int(torch.randint(self.offered, ()))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the pairs, and how many have been offered."""
        return {**self.store.rows, "offered": torch.tensor(self.offered)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        rows = dict(state)
        self.offered = int(rows.pop("offered"))
        self.store.rows = {name: tensor.cpu() for name, tensor in rows.items()}


def squared_distance(images: Tensor, texts: Tensor, of_images: Tensor, of_texts: Tensor) -> Tensor:
    """Return the mean over pairs of the squared distance of embeddings to what they were.

    The mean of both embeddings, (B, D) each; () float32.
    """
    apart = (images - of_images).square().sum(dim=1) + (texts - of_texts).square().sum(dim=1)
    return apart.mean() / 2
