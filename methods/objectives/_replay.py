"""Stores of pairs that an objective replays, with a model's embeddings of them."""

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
    """Pairs in numbered slots, kept on the CPU, as they may take more memory than the model.

    Row i of every tensor belongs to pair i.
    """

    # `images` and `texts`; a model's embeddings of the images are `seen`, of the texts `told`
    rows: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows["texts"]) if self.rows else 0

    def put(self, pairs: Batch, of_images: Tensor, of_texts: Tensor, slots: list[int]) -> None:
        """Write pairs into slots; slots beyond the end are appended, and must leave no gap.

        `of_images` and `of_texts` are a model's embeddings (B, D) of the images and of the texts.
        """
        new = {"images": pairs.images, "texts": pairs.texts, "seen": of_images, "told": of_texts}
        size = max(len(self), *(slot + 1 for slot in slots))
        for name, tensor in new.items():
            held = self.rows.get(name, tensor.new_zeros(0, *tensor.shape[1:], device="cpu"))
            grown = torch.cat([held, held.new_zeros(size - len(held), *held.shape[1:])])
            # Waits: pairs are kept on the host. Within a step this happens only until the set of
            # `gere` is full
            grown[slots] = tensor.detach().cpu()
            self.rows[name] = grown

    def draw(self, count: int, device: torch.device) -> tuple[Batch, Tensor, Tensor]:
        """Return at most `count` distinct pairs, with the embeddings (B, D) of images and of texts.

        They are on `device`, and drawn by torch's global generator.
        """
        chosen = torch.randperm(len(self))[:count]
        rows = {}
        for name, tensor in self.rows.items():
            rows[name] = devices.sent(tensor[chosen], device)
        sources = torch.full((len(chosen),), BUFFER, dtype=torch.int8, device=device)
        return Batch(rows["images"], rows["texts"], sources), rows["seen"], rows["told"]


@dataclass
class Reservoir:
    """A store of fixed size that keeps each pair ever offered with the same probability."""

    capacity: int
    store: Store = field(default_factory=Store)
    offered: int = 0

    def fill(
        self, model: nn.Module, fresh: FreshPairs, towers: Towers, transform: Transform
    ) -> None:
        """Offer `capacity` fresh pairs of the task, the same number in every task.

        `transform` of the plain CLIP's features (B, D) is kept with them.

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
        # Passed forward only now, so that pairs whose slot was overwritten cost nothing
        slots = sorted(chosen)
        for first in range(0, len(slots), at_once):
            some = slots[first : first + at_once]
            images = torch.stack([chosen[slot][0] for slot in some])
            texts = torch.stack([chosen[slot][1] for slot in some])
            pairs = Batch(images, texts, torch.full((len(texts),), UPDATE, dtype=torch.int8))
            of_images, of_texts = recalled(model, pairs, towers)
            self.store.put(pairs, transform(of_images), transform(of_texts), some)

    def _slot(self) -> int:
        """Return the slot of the next offered pair; one of `capacity` or more: it is not kept."""
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
    """Return the mean over pairs of the squared distance of embeddings to earlier ones.

    It averages over images and texts, whose embeddings are (B, D); () float32.
    """
    apart = (images - of_images).square().sum(dim=1) + (texts - of_texts).square().sum(dim=1)
    return apart.mean() / 2
