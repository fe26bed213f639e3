"""Pairs that an objective keeps itself, with what a model made of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods.compute.towers import Towers
from methods.objectives._embeddings import recalled
from streams import BUFFER, UPDATE, Batch

Transform = Callable[[Tensor], Tensor]


@dataclass
class Store:
    """On the CPU, because what is kept may be larger than the model; row i of every tensor belongs to pair i."""

    rows: dict[str, Tensor] = field(
        default_factory=dict
    )  # images, texts; seen, told: what a model made of each

    def __len__(self) -> int:
        return len(self.rows["texts"]) if self.rows else 0

    def put(self, pairs: Batch, seen: Tensor, told: Tensor, slots: list[int]) -> None:
        """Write pairs into slots; those beyond the end are appended, and leave no gap."""
        new = {"images": pairs.images, "texts": pairs.texts, "seen": seen, "told": told}
        size = max(len(self), *(slot + 1 for slot in slots))
        for name, tensor in new.items():
            held = self.rows.get(name, tensor.new_zeros(0, *tensor.shape[1:], device="cpu"))
            grown = torch.cat([held, held.new_zeros(size - len(held), *held.shape[1:])])
            grown[slots] = tensor.detach().cpu()
            self.rows[name] = grown

    def draw(self, count: int, device: torch.device) -> tuple[Batch, Tensor, Tensor]:
        """At most `count` pairs, none twice, by torch's global generator; with what was made of their images and texts."""
        chosen = torch.randperm(len(self))[:count]
        images, texts, seen, told = (
            self.rows[name][chosen].to(device) for name in ("images", "texts", "seen", "told")
        )
        return (
            Batch(
                images, texts, torch.full((len(texts),), BUFFER, dtype=torch.int8, device=device)
            ),
            seen,
            told,
        )


@dataclass
class Reservoir:
    """A store of fixed size in which every pair ever offered has had the same chance to be."""

    capacity: int
    store: Store = field(default_factory=Store)
    offered: int = 0

    def fill(
        self, model: nn.Module, batches: Iterator[Batch], towers: Towers, made: Transform
    ) -> None:
        """Offer `capacity` fresh pairs of the task, as many for every task; `made` of a plain CLIP's features is kept with them.

        Raises:
            ValueError: a batch holds none of the task's own pairs.
        """
        chosen: dict[int, tuple[Tensor, Tensor]] = {}
        until, at_once = self.offered + self.capacity, 1
        while self.offered < until:
            batch = next(batches)
            own = (batch.sources == UPDATE).nonzero()[:, 0].tolist()
            if not own:
                raise ValueError(
                    "a buffer keeps the task's own pairs and this batch has none; use a mixture with update_share > 0"
                )
            at_once = max(at_once, len(batch.texts))
            for pair in own[: until - self.offered]:
                slot = self._slot()
                if slot < self.capacity:
                    chosen[slot] = batch.images[pair], batch.texts[pair]
        slots = sorted(chosen)
        for first in range(0, len(slots), at_once):
            some = slots[first : first + at_once]
            images, texts = (
                torch.stack(rows) for rows in zip(*(chosen[slot] for slot in some), strict=True)
            )
            pairs = Batch(images, texts, torch.full((len(texts),), UPDATE, dtype=torch.int8))
            seen, told = recalled(model, pairs, towers)
            self.store.put(pairs, made(seen), made(told), some)

    def _slot(self) -> int:
        """Where the next pair goes; nowhere from `capacity` on."""
        self.offered += 1
        return (
            self.offered - 1
            if self.offered <= self.capacity
            else int(torch.randint(self.offered, ()))
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The pairs, and how many have been offered."""
        return {**self.store.rows, "offered": torch.tensor(self.offered)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The reverse."""
        self.store.rows = {
            name: tensor.cpu() for name, tensor in state.items() if name != "offered"
        }
        self.offered = int(state["offered"])


def squared_distance(images: Tensor, texts: Tensor, seen: Tensor, told: Tensor) -> Tensor:
    """Mean over pairs of the squared distance of both embeddings to what they were, () float32."""
    return ((images - seen).square().sum(dim=1) + (texts - told).square().sum(dim=1)).mean() / 2
