"""The datasets of a trial, opened once: what the tasks draw from and what is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

import evals
from evals import fewshot
from methods.compute import distributed
from runner.worker.pixel_store import PixelStore
from runner.worker.sources import Sources
from runner.worker.suites import load_shots, load_test
from schema.checks.augmentation import Augmentation
from schema.checks.compute import Compute
from schema.checks.preprocessing import Preprocessing
from schema.spec import EVERYTHING, Spec
from streams import DatasetError, FetchedTo, Pairs, image_px, open_pairs
from streams.decoding import decoder
from streams.formats._files import Files
from streams.formats._shard_pairs import ShardPairs
from streams.held_out import HeldOut
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pools import Portion
from streams.shares import shares
from streams.tasks import Concept, chunks


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """How a trial makes its images, and where those are that were made before."""

    # The size that the backbone takes; None: whatever the rows say
    px: int | None = None
    # What decodes JPEGs, if the recipe wants that
    device: torch.device | None = None
    # How the backbone wants its images; None: as OpenAI's CLIP does
    preprocessing: Preprocessing | None = None
    # Decoded test images on the disk; None: they are decoded each time
    decoded: PixelStore | None = None


class Datasets:
    """The datasets that a definition names, each opened when it is first asked for."""

    def __init__(
        self,
        spec: Spec,
        data: Path,
        workers: int = 0,
        images: ImageSettings | None = None,
        fetched_to: FetchedTo | None = None,
    ) -> None:
        """Find datasets below the folder `data`, and decode batches ahead by `workers` processes.

        `fetched_to` is where streams of shards at an address are fetched to; None: below `data`.

        Raises:
            ComputeError: the device of `images` decodes no JPEGs, and the recipe wants it to.
        """
        self.spec, self.data, self.workers = spec, data, workers
        self.images, self.fetched_to = images or ImageSettings(), fetched_to
        self.rows = {dataset["name"]: dataset for dataset in spec.stream["datasets"]}
        self.device: torch.device | None = None
        if self.images.device is not None:
            self.device = decoder(Compute.of(spec.recipe), self.images.device)
        # By name and split
        self.opened: dict[tuple[str, str], Pairs] = {}
        # How many unreadable items of each have been reported
        self.reported: dict[tuple[str, str], int] = {}
        concepts = [(dataset, concept) for dataset, concept in spec.stream["sequence"]["concepts"]]
        self.tasks = chunks(concepts, spec.stream["tasks"])
        # What only looks at datasets has no mixture, and older definitions lack the column
        held_out = HeldOut(spec.mixture.get("held_out_share") or 0.0)
        self.sources = Sources(open=self.open, rows=self.rows, tasks=self.tasks, held_out=held_out)

    @cached_property
    def tests(self) -> dict[str, evals.TestSet]:
        """Return what is measured on, by dataset, and with it what probes learn from.

        Texts and labels are held; images are decoded when they are encoded.
        """
        metrics: dict[str, set[str]] = {}
        for member in self.spec.stream["suite"]["members"]:
            metrics.setdefault(member["dataset"], set()).add(member["metric"])
        tests, decoded = {}, self.images.decoded
        for name in sorted(metrics):
            row = self.rows[name]
            tests[name] = load_test(row, self.open(row, "test"), decoded)
            if not metrics[name].isdisjoint(fewshot.PROBES):
                tests[name].shots = load_shots(row, self.open(row), decoded)
            # Every process of the trial has looked at the same images: one folder will do
            self.publish_decoded()
        return tests

    def publish_decoded(self) -> None:
        """Leave what was decoded of test sets where other processes and trials find it."""
        if self.images.decoded is not None:
            self.images.decoded.publish()

    @cached_property
    def brought(self) -> dict[str, np.ndarray]:
        """Return of each dataset of `tests` the first task that brings each class, (C,) int64.

        It is 0 for a class that no task brings.
        """
        first: dict[Concept, int] = {}
        for task, concepts in enumerate(self.tasks, 1):
            for concept in concepts:
                first.setdefault(concept, task)
        brought = {}
        for name in self.tests:
            whole = first.get((name, EVERYTHING), 0)
            tasks = [first.get((name, label), whole) for label in self.rows[name]["classes"]]
            brought[name] = np.array(tasks, np.int64)
        return brought

    def batches(
        self,
        task: int,
        mixture: Mapping[str, Any],
        batch_pairs: int,
        steps: int | None = None,
        pieces: int = 1,
    ) -> Loader:
        """Return the endless batches of a task from their beginning, `steps` of them expected.

        The task is cut into `pieces`, whose shares are said one after the other. Of the pairs of
        each batch, this process reads its part.
        """
        pool = self.sources.pool(mixture)
        recipe = self.spec.recipe
        augmentation = Augmentation.of(recipe["augmentation_params"], f"recipe {recipe['name']!r}")
        batches = Mixture(mixture, batch_pairs, self.spec.seed, pool, augmentation, self.device)
        earlier = list[list[Portion]]()
        # What is not drawn from is not opened: a stream may have years behind it
        if shares(mixture, batch_pairs, task).buffer or (pieces > 1 and mixture["buffer_share"]):
            earlier = self.sources.buffer(task, mixture)
        batches.begin(task, self.sources.update(task), earlier, steps, pieces)
        return Loader(batches, self.workers, distributed.part(batch_pairs), steps)

    def unreadable(self) -> list[str]:
        """Return a line for each dataset with items that could not be read and were replaced.

        An item is in one line only, that of the first call after it was met. What lies at a place
        and is not used is in lines once, by reason.
        """
        lines = []
        for (name, split), pairs in self.opened.items():
            where, known = f"dataset {name!r}, {split}", self.reported.get((name, split))
            if isinstance(pairs, ShardPairs):
                lines += [f"{where}: {line}" for line in pairs.lines()]
                continue
            if known is None:
                lines += _unused_lines(where, pairs)
            corrupt: list[str] = getattr(pairs, "corrupt", [])
            new = corrupt[known or 0 :]
            if new:
                lines.append(
                    f"{where}: {len(new)} items cannot be read and were replaced: {', '.join(new)}"
                )
            self.reported[name, split] = len(corrupt)
        return lines

    def open(self, row: dict[str, Any], split: str = "train") -> Pairs:
        """Return the pairs of a dataset row.

        Raises:
            DatasetError: what the format refuses, or images of another size than the backbone's.
        """
        key = row["name"], split
        if key not in self.opened:
            self._check_size(row)
            self.opened[key] = open_pairs(
                row, split, self.data, self.images.preprocessing, self.fetched_to
            )
        return self.opened[key]

    def _check_size(self, row: dict[str, Any]) -> None:
        taken = self.images.px
        if taken is None or image_px(row) == taken:
            return
        size, backbone = image_px(row), self.spec.backbone["name"]
        raise DatasetError(
            f"dataset {row['name']!r}: its images are made {size} x {size} px, and the backbone "
            f'{backbone!r} takes {taken} x {taken}. Insert a row with "image_px": {taken} in its '
            "params, or choose a backbone of that size."
        )


def _unused_lines(where: str, pairs: Pairs) -> list[str]:
    """Return what lies at the place of a dataset and is not used, and what is odd there."""
    if not isinstance(pairs, Files):
        return []
    remarks = [*pairs.unused.lines(), *pairs.remarks]
    return [f"{where}: {remark}" for remark in remarks]
