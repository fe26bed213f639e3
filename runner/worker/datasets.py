"""The datasets of a trial, opened once: what the tasks draw from and what is measured on."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

import evals
from evals import fewshot
from methods.compute import distributed
from runner.worker.evaluation import load_shots, load_test
from schema.checks.augmentation import Augmentation
from schema.checks.compute import Compute
from schema.spec import EVERYTHING, Spec
from streams import DatasetError, Pairs, image_px, open_pairs
from streams.decoding import decoder
from streams.formats._files import Files
from streams.loading import Loader
from streams.mixtures import Mixture, Portion
from streams.tasks import chunks


class Desk:
    """Opens datasets when first asked for."""

    def __init__(
        self,
        spec: Spec,
        data: Path,
        workers: int = 0,
        image_px: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        """`image_px`: what the backbone takes; None: whatever the rows say. `device`: which decodes JPEGs, if the recipe wants
        that.

        Raises:
            ComputeError: it cannot.
        """
        self.spec, self.data, self.workers, self.image_px = spec, data, workers, image_px
        self.rows = {dataset["name"]: dataset for dataset in spec.stream["datasets"]}
        self.device = decoder(Compute.of(spec.recipe), device) if device is not None else None
        self.opened: dict[tuple[str, str], Pairs] = {}  # by name and split
        self.named: dict[
            tuple[str, str], int
        ] = {}  # how many unreadable items of each have been named
        self.tasks = chunks(
            [(dataset, concept) for dataset, concept in spec.stream["sequence"]["concepts"]],
            spec.stream["tasks"],
        )

    @cached_property
    def tests(self) -> dict[str, evals.TestSet]:
        """What is measured on, by dataset."""
        members = self.spec.stream["suite"]["members"]
        found = {}
        for name in sorted({member["dataset"] for member in members}):
            found[name] = load_test(self.rows[name], self.open(self.rows[name], "test"))
            if any(
                member["dataset"] == name and member["metric"] in fewshot.PROBES
                for member in members
            ):
                found[name].shots = load_shots(self.rows[name], self.open(self.rows[name]))
        return found

    @cached_property
    def brought(self) -> dict[str, np.ndarray]:
        """Of each dataset of `tests`, (C,) int64: the first task that brings a class; 0 for what no task brings."""
        first: dict[tuple[str, str], int] = {}
        for task, concepts in enumerate(self.tasks, 1):
            for concept in concepts:
                first.setdefault(concept, task)
        classes = {name: self.rows[name]["classes"] for name in self.tests}
        return {
            name: np.array(
                [first.get((name, one), first.get((name, EVERYTHING), 0)) for one in named],
                np.int64,
            )
            for name, named in classes.items()
        }

    def batches(
        self, task: int, mixture: Mapping[str, Any], batch_pairs: int, steps: int | None = None
    ) -> Loader:
        """The endless batches of a task from their beginning, `steps` of them expected; of their pairs this process's part."""
        pool = self.open(mixture["pretraining_dataset"]) if mixture["pretraining_share"] else None
        recipe = self.spec.recipe
        augmentation = Augmentation.of(recipe["augmentation_params"], f"recipe {recipe['name']!r}")
        drawn = Mixture(mixture, batch_pairs, self.spec.seed, pool, augmentation, self.device)
        drawn.begin(
            task,
            self.portions(self.tasks[task - 1]),
            [self.portions(done) for done in self.tasks[: task - 1]],
        )
        return Loader(drawn, self.workers, distributed.part(batch_pairs), steps)

    def portions(self, concepts: list[tuple[str, str]]) -> list[Portion]:
        """The training pairs of concepts, by dataset and label; the concept * is all of a dataset."""
        portions = []
        for name, concept in concepts:
            pairs = self.open(self.rows[name])
            if concept == EVERYTHING:
                indices = np.arange(len(pairs))
            else:
                indices = np.flatnonzero(pairs.labels == self.rows[name]["classes"].index(concept))
            if not len(indices):
                raise ValueError(f"dataset {name!r} has no training pairs of concept {concept!r}")
            portions.append((pairs, indices))
        return portions

    def unreadable(self) -> list[str]:
        """Return a line for each dataset with items, met since this was last asked, that could not be
        read and were replaced; once, what lies at its place and is not used, by reason."""
        lines = []
        for (name, split), pairs in self.opened.items():
            where = f"dataset {name!r}, {split}"
            if isinstance(pairs, Files) and (name, split) not in self.named:
                lines += [f"{where}: {line}" for line in pairs.unused.lines()]
                lines += [f"{where}: {remark}" for remark in pairs.remarks]
            corrupt: list[str] = getattr(pairs, "corrupt", [])
            new = corrupt[self.named.get((name, split), 0) :]
            if new:
                lines.append(
                    f"{where}: {len(new)} items cannot be read and were replaced: {', '.join(new)}"
                )
            self.named[name, split] = len(corrupt)
        return lines

    def statistics(self, task: int) -> list[dict[str, Any]]:
        """Return rows of `statistic`: how much lies at the place of each dataset that a task opens and
        is not used, as `not_used`, by dataset, split and reason. Task 0 opens what is measured on.

        A count of the place, not of what was read so far: a resumed trial writes the same.
        """
        split, rows = "train", [self.rows[name] for name, _ in self.tasks[max(task, 1) - 1]]
        if task == 0:
            members = self.spec.stream["suite"]["members"]
            split, rows = "test", [self.rows[member["dataset"]] for member in members]
        elif task == 1 and self.spec.mixture["pretraining_share"]:
            rows.append(self.spec.mixture["pretraining_dataset"])
        statistics = []
        for name, row in sorted({row["name"]: row for row in rows}.items()):
            pairs = self.open(row, split)
            counts = pairs.unused.counts if isinstance(pairs, Files) else {}
            for reason, count in sorted(counts.items()):
                about = {"task": task, "name": "not_used", "part": f"{name}, {split}: {reason}"}
                statistics.append(about | {"value": float(count)})
        return statistics

    def open(self, row: dict[str, Any], split: str = "train") -> Pairs:
        """The pairs of a dataset row.

        Raises:
            DatasetError: what the format refuses, or images of another size than the backbone's.
        """
        if (row["name"], split) not in self.opened:
            if self.image_px is not None and image_px(row) != self.image_px:
                backbone, made, taken = self.spec.backbone["name"], image_px(row), self.image_px
                raise DatasetError(
                    f"dataset {row['name']!r}: its images are made {made} x {made} px, and the backbone {backbone!r} takes "
                    f'{taken} x {taken}. Insert a row with "image_px": {taken} in its params, or choose a backbone of that size.'
                )
            self.opened[row["name"], split] = open_pairs(row, split, self.data)
        return self.opened[row["name"], split]
