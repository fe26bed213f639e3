"""Who says the shares of a task's segments, at work: it sees what each segment came to.

Where a segment ends, the loss of held-out pairs of each source is measured, and the mixing says the
shares of the next. What it sees are these losses and the shares so far, nothing else, so a trial
that goes on from a checkpoint is told the same.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from methods import Mixing, Segment, part
from methods.compute import distributed
from methods.compute.towers import Towers
from methods.objectives._embeddings import recalled, symmetric_loss, unit
from runner.worker.costs import Ledger
from runner.worker.validation import Validation
from runner.worker.weight_update import autocast
from schema.spec import Spec
from streams import Batch
from streams.pools import MixtureError
from streams.shares import Segments, in_task, row_shares

# The phase of a task in which held-out pairs are measured, in the table `cost`
MIX = "mix"
# Rows of `statistic`: of each segment and source its share, and the loss after it; and how many
# pairs of a source are held out
SHARE, LOSS, HELD_OUT = "mixing_share", "mixing_loss", "held_out_pairs"


class Segmented(Protocol):
    """Whatever draws batches by the shares that a mixing says."""

    @property
    def segments(self) -> Segments:
        """Return the pieces of the task, and the shares that are said so far."""
        ...


class Mixer:
    """A mixing at work in one task."""

    def __init__(
        self, spec: Spec, task: int, batches: Segmented, validation: Validation | None
    ) -> None:
        """Say the shares of the first segment, and of all where nothing is measured.

        `validation`: what is measured, where the mixing asks for it.
        """
        self.mixing, self.task, self.batches = mixing_of(spec), task, batches
        self.validation, self.recipe = validation, spec.recipe
        self.own = in_task(row_shares(spec.mixture), task)
        # Of each segment that is measured, the loss of each source
        self.losses: list[dict[str, float]] = []
        segments = batches.segments
        while len(segments.said) < (1 if self.mixing.measured_pairs else segments.pieces):
            self.go_on()

    def before(self, step: int, ledger: Ledger, model: nn.Module, towers: Towers) -> None:
        """Say the shares of the segment that begins with a step, from 0, if one does.

        `ledger`, `model` and `towers` are as in `measure`.
        """
        if self.batches.segments.lack(step):
            self.measure(ledger, model, towers)
            self.go_on()

    def measure(self, ledger: Ledger, model: nn.Module, towers: Towers) -> None:
        """Measure the held-out pairs of each source, as the model has them now, and charge it.

        Changes nothing of the model, and draws nothing by chance.
        """
        assert self.validation is not None
        device, found = next(model.parameters()).device, {}
        with ledger.phase(MIX) as entry, autocast(self.recipe, device):
            for source, batch in self.validation.batches(self.mixing.measured_pairs).items():
                found[source] = _loss(model, batch, towers)
        entry.pairs += self.mixing.measured_pairs * len(found)
        self.losses.append(found)

    def go_on(self) -> None:
        """Say the shares of the next segment, from what those before it came to."""
        seen = []
        for number, own in enumerate(self.batches.segments.said):
            losses = self.losses[number] if self.mixing.measured_pairs else {}
            seen.append(Segment(shares=own, losses=losses))
        self.batches.segments.say(in_task(self.mixing.shares(self.own, seen), self.task))

    def rows(self) -> list[dict[str, Any]]:
        """Return rows of the table `statistic`; none where a task is one segment."""
        segments = self.batches.segments
        rows = []
        if segments.pieces > 1:
            for number, own in enumerate(segments.said, 1):
                rows += self._rows(SHARE, f"{number} ", own)
        for number, losses in enumerate(self.losses, 1):
            rows += self._rows(LOSS, f"{number} ", losses)
        if self.validation is not None:
            rows += self._rows(HELD_OUT, "", self.validation.counts())
        return rows

    def _rows(self, name: str, prefix: str, values: Mapping[str, float]) -> list[dict[str, Any]]:
        found = []
        for source, value in values.items():
            row = {"name": name, "part": prefix + source, "value": float(value)}
            found.append({"task": self.task, **row})
        return found

    def state_dict(self) -> list[dict[str, float]]:
        """Return what was measured; the shares are of the state of the batches."""
        return self.losses

    def load_state_dict(self, state: list[dict[str, float]]) -> None:
        """Go on from what another mixer of the same task has measured."""
        self.losses = list(state)


def mixing_of(spec: Spec) -> Mixing:
    """Return who says the shares of a definition's mixture; without a word of it, the row does."""
    mixture = spec.mixture
    # Definitions older than this column lack it
    name = mixture.get("mixing") or "listed"
    mixing: Mixing = part("mixing", name, mixture.get("mixing_params") or {})
    return mixing


def pieces_of(spec: Spec, steps: int) -> int:
    """Return into how many segments a task of so many steps is cut.

    Raises:
        MixtureError: there are fewer steps than segments that are measured.
    """
    mixing = mixing_of(spec)
    if mixing.measured_pairs and steps < mixing.pieces:
        raise MixtureError(
            f"mixture {spec.mixture['name']!r}: {spec.mixture['mixing']} measures "
            f"{mixing.pieces} segments of a task, and a task takes {steps} steps. Raise the "
            "budget, or lower segments in mixing_params"
        )
    return mixing.pieces


@torch.no_grad()
def _loss(model: nn.Module, batch: Batch, towers: Towers) -> float:
    """Return the contrastive loss of a batch over ln n, that of n pairs at chance.

    The same in all processes, as all go by the first one's.
    """
    images, texts = map(unit, recalled(model, batch, towers))
    loss = symmetric_loss(images, texts, model.get_parameter("logit_scale"))
    # The shares that follow are said on the host, between two segments
    value = float(loss) / math.log(len(batch.texts))
    return float(distributed.as_first({"loss": torch.tensor(value, dtype=torch.float64)})["loss"])
