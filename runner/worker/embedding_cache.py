"""What a tower that does not move makes of an item, computed once and then looked up: `cache_frozen` of a recipe.

In a trial an image is known by where it comes from (which pairs, which place in them), a text by its tokens. So that a number
depends neither on what an item happens to be drawn with nor on what is known already, an item is always encoded in a batch of the
same size and at the same place in it, which follows from what it is known by: in towers without statistics of a batch no row
sees another. A trial that resumes, or another one, comes to the same bits. Beside the plain pass, whose batch has another size,
they are the same to rounding; steps that are counted (the first of a task) take the plain one, so the FLOPs that are charged are
the full ones.

Other trials know an item by what it is: the sha256 of its pixels or tokens, and its place in the batch. What a task has computed
is left in the store as one entry, below the name of all that its numbers depend on: the tower's weights, how rows are made of
pixels, how steps are computed, code, packages and device. A task begins with all that is there; what two trials compute at once
is there twice, and the same. With `compile` auto nothing is shared, as the numbers depend on a clock.

Rows are kept on the CPU, in the precision that the tower gives them, up to BOUND_BYTES; what comes later is computed each time,
to the same bits. In the store those of LEFT_BYTES stay that were used last. What is known ends when the tower's weights are
others, as after a merging or a repair.
"""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from methods.compute.towers import Towers
from runner.worker.backbone import Backbone
from runner.worker.checkpoint import digest
from runner.worker.shared_store import SEES_BY, Shelf
from schema.checks.compute import Compute, ComputeError
from schema.spec import Spec
from streams import Draw

AT_ONCE = 32  # items
BOUND_BYTES = 4 * 2**30
LEFT_BYTES = 16 * 2**30
TOWERS = {"image": "encode_image", "text": "encode_text"}


class Item(NamedTuple):
    """One pair's image or text."""

    key: Hashable  # what it is known by in this trial
    place: int  # in the batch that it is encoded in
    content: np.ndarray  # its pixels or tokens

    @property
    def name(self) -> bytes:
        """What it is known by everywhere, (NAME_BYTES,)."""
        return hashlib.sha256(np.ascontiguousarray(self.content).data).digest() + bytes(
            [self.place]
        )


NAME_BYTES = 33


class Embedded:
    """Of one trial: what is known of the tower that its tuning leaves."""

    def __init__(self, which: str, shelf: Shelf, about: dict[str, Any]) -> None:
        """`shelf`: where trials leave what they computed; `about`: what a number depends on beside the tower's weights."""
        self.which, self.encode, self.about = which, TOWERS[which], about
        self.shelf = self.own = shelf
        self.weights = ""  # those that made what is known, as a number
        self.known: dict[Hashable, Tensor] = {}  # (D,) each, on the CPU
        self.left: dict[bytes, Tensor] = {}  # by name, those of the store
        self.new: dict[bytes, Tensor] = {}  # by name, to be left there
        self.entries: set[str] = set()  # of the store that were read, or written
        self.bytes = self.asked = self.made = 0

    @classmethod
    def of(
        cls, spec: Spec, backbone: Backbone, leaves: Sequence[str], shelf: Shelf
    ) -> "Embedded | None":
        """For a trial whose tuning leaves a tower as it is; None where its recipe does not want it."""
        compute, recipe = Compute.of(spec.recipe), spec.recipe
        if not compute.cache_frozen or not leaves:
            return None
        about = {
            "backbone": {name: spec.backbone[name] for name in SEES_BY},
            "pixels": [backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()],
            "precision": recipe["precision"],
            "compute": vars(compute),
        }
        return cls(leaves[0], shelf if compute.compile != "auto" else Shelf(None, shelf.job), about)

    def begin(self, model: nn.Module) -> None:
        """A task, whose tuning is at work.

        Raises:
            ComputeError: the tower would not make the same of an item each time.
        """
        image = self.which == "image"
        owned = {
            name: tensor
            for name, tensor in model.state_dict().items()
            if name.startswith("visual.") == image
        }
        tower = {name: tensor for name, tensor in owned.items() if not name.startswith("logit_")}
        for path, module in model.named_modules():
            chance = getattr(module, "p" if isinstance(module, nn.Dropout) else "prob", 0.0)
            if path.startswith("visual.") == image and isinstance(chance, float) and chance > 0:
                raise ComputeError(
                    f"cache_frozen: {path} drops {chance:.0%} at random in training. Leave cache_frozen out"
                )
        moves = [
            name
            for name, parameter in model.named_parameters()
            if name in tower and parameter.requires_grad
        ]
        if moves or not tower:
            listed = ", ".join(moves[:3]) or "it has no weights of its own"
            raise ComputeError(
                f"cache_frozen: the {self.which} tower moves ({listed}). Leave cache_frozen out"
            )
        weights = digest(tower)
        if weights != self.weights:
            self.known, self.left, self.new, self.entries, self.bytes = {}, {}, {}, set(), 0
            self.weights, self.own = (
                weights,
                self.shelf.part(self.shelf.key(tower=weights, which=self.which, **self.about)),
            )
        self.take_over()

    def take_over(self) -> None:
        """What trials have left since this one last looked."""
        for name in self.own.names():
            found = (
                self.own.get(name)
                if name not in self.entries and self.bytes < BOUND_BYTES
                else None
            )
            if found is not None:
                state, _ = found
                names = state["items"].numpy().tobytes()
                for n, row in enumerate(state["rows"]):
                    self.left.setdefault(names[n * NAME_BYTES : (n + 1) * NAME_BYTES], row)
                self.bytes += state["rows"].nbytes
                self.entries.add(name)

    def leave(self) -> None:
        """What was computed since this was last done, for other trials."""
        if self.new:
            names = b"".join(self.new)
            key = hashlib.sha256(names).hexdigest()[:32]
            items = torch.frombuffer(bytearray(names), dtype=torch.uint8).view(-1, NAME_BYTES)
            self.own.put(key, {"items": items, "rows": torch.stack(list(self.new.values()))})
            self.shelf.keep(LEFT_BYTES)
            self.left, self.new = self.left | self.new, {}
            self.entries.add(key)

    def items(self, drawn: Draw, tokens: Tensor) -> list[Item]:
        """Of each pair of a batch; `tokens`: (B, L) on the CPU."""
        if self.which == "image":
            known = [(id(pairs), int(place)) for pairs, places in drawn.chosen for place in places]
            return [
                Item(key, key[1] % AT_ONCE, pixels)
                for key, pixels in zip(known, drawn.images.numpy(), strict=True)
            ]
        said = [(row.tobytes(), row) for row in tokens.numpy()]
        return [Item(key, crc32(key) % AT_ONCE, row) for key, row in said]

    @torch.no_grad()
    def rows(self, model: nn.Module, items: Sequence[Item], rows: Tensor, towers: Towers) -> Tensor:
        """(B, D), on the CPU, of (B, ...) rows on the model's device."""
        self.look_up(items)
        made, waiting = dict[Hashable, Tensor](), defaultdict[int, dict[Hashable, int]](dict)
        for n, item in enumerate(items):
            if item.key not in self.known:
                waiting[item.place].setdefault(item.key, n)
        self.asked, self.made = self.asked + len(items), self.made + sum(map(len, waiting.values()))
        while waiting:
            some = {
                place: keys.popitem() for place, keys in waiting.items()
            }  # one item for each place
            waiting = defaultdict(dict, {place: keys for place, keys in waiting.items() if keys})
            batch = rows.new_zeros(AT_ONCE, *rows.shape[1:])
            places = torch.tensor(list(some), device=rows.device)
            batch[places] = rows[torch.tensor([n for _, n in some.values()], device=rows.device)]
            found = getattr(towers, self.encode)(model, batch).cpu()
            made |= {
                key: self._kept(items[n], found[place].clone()) for place, (key, n) in some.items()
            }
        return torch.stack(
            [self.known[item.key] if item.key in self.known else made[item.key] for item in items]
        )

    def look_up(self, items: Sequence[Item]) -> None:
        """Know from now on, of these items, what the store has."""
        for item in items if self.left else ():
            if item.key not in self.known and (row := self.left.get(item.name)) is not None:
                self.known[item.key] = row

    def _kept(self, item: Item, row: Tensor) -> Tensor:
        """A row that was computed; it is known from now on if there is room."""
        if self.bytes + row.nbytes <= BOUND_BYTES:
            self.known[item.key], self.bytes = row, self.bytes + row.nbytes
            if self.own.folder is not None:
                self.new[item.name] = row
        return row

    def end(self, task: int) -> None:
        """Of a task: what it computed is left for others, and what its steps did not compute is said in the trial's log; FLOPs
        are charged as if they had."""
        self.leave()
        if self.asked:
            saved, held_gb = 1 - self.made / self.asked, self.bytes / 1e9
            print(
                f"task {task}: {saved:.0%} of {self.asked} {self.which} embeddings were known already ({held_gb:.2f} GB held)",
                file=sys.stderr,
                flush=True,
            )
        self.asked = self.made = 0
