"""Measure pairs per second of a training step, Weir's loop beside two others.

    python -m benchmarks.train [--quick] [--out FILE.md]

(a) open_clip's own training loop, `open_clip_train.train.train_one_epoch` as installed from PyPI;
(b) the plain autocast loop that looks at its loss after every step. The same JPEG files, captions,
model, weights, batch, precision, optimizer and clipping for all, one after the other, ROUNDS times
in turn, the best of each; a few steps are passed over before the clock starts. Once from files,
decoding included (for the others by torch's DataLoader with open_clip's transform and as many
workers), once from memory (where they get tensors that are normalised and tokenised already). The
share of the ceiling is the FLOPs of a step, by Weir's profile, against a large matrix product
measured here in the same precision. On a GPU: ViT-B-32 and ViT-B-16 at 512 pairs in bfloat16; on a
CPU: a tiny model at 64 pairs in float32, which says nothing about a GPU. `--modes` takes Weir's
loop in more ways (`compute_params`): all of them on a GPU and none on a CPU if it is not said; with
`--quick` both at once, and no kernels are made.
"""

import argparse
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from open_clip import ClipLoss, image_transform
from open_clip_train.train import train_one_epoch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset, TensorDataset

import methods
from benchmarks.formats import imagefolder, jpeg, row_of
from benchmarks.measuring import load, surroundings
from methods import Task
from methods.compute import compiled, devices
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.batches import MixtureBatches
from runner.worker.profiler.step_cost import PLAIN, profile
from runner.worker.training import Options, Training
from runner.worker.weight_update import DTYPES
from schema.spec import Spec
from streams import EVERY, Pairs, open_pairs
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pictures import Crop, recut

ROUNDS, WARM_UP = 3, 3
TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
# A rehearsal's, which has a layer a tower
SMALLER: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
MIXTURE = {
    "name": "m", "update_share": 1.0, "buffer_share": 0.0, "pretraining_share": 0.0, "buffer_pairs": None, "selection": "none",
    "selection_params": {},
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {
    "channels_last": {"channels_last": True},
    "compile": {"compile": "on"},
    "both": {"channels_last": True, "compile": "on"},
}
CAPTION = "a photo of a {}"


class Clock:
    """Pairs per second of the steps after the warm-up."""

    def __init__(self, device: torch.device, steps: int, pairs: int) -> None:
        self.device, self.steps, self.pairs, self.taken = device, steps, pairs, 0

    def tick(self) -> None:
        """Count a step that begins; the clock starts after the warm-up."""
        if self.taken == WARM_UP:
            self.began = self.now()
        self.taken += 1

    def now(self) -> float:
        """Wait for the device to finish, and return the time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def speed(self) -> float:
        """After the last step."""
        assert self.taken == WARM_UP + self.steps
        return self.steps * self.pairs / (self.now() - self.began)


class InMemory:
    """Pairs that are decoded and held in memory."""

    def __init__(self, images: np.ndarray, captions: list[str]) -> None:
        self.pixels, self.texts, self.labels = images, captions, np.zeros(len(images), np.int64)

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: np.ndarray, crops: Sequence[Crop] | None = None) -> np.ndarray:
        """(B, 3, P, P) uint8."""
        found: np.ndarray = recut(self.pixels[indices], crops)
        return found

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """The one that each has."""
        return [self.texts[index] for index in indices][part]


def shuffled(spec: Spec, pairs: Pairs, workers: int, steps: int) -> Loader:
    """The loader of Weir's steps: all pairs, shuffled anew in each epoch."""
    batches = Mixture(spec.mixture, int(spec.recipe["batch_pairs"]), 1, None)
    batches.begin(1, [(pairs, np.arange(len(pairs)))], [])
    return Loader(batches, workers, steps=steps)


class Endless:
    """Batches of a DataLoader for so many steps, each noted by a clock; what open_clip asks of its data."""

    def __init__(self, loader: DataLoader[Any], clock: Clock) -> None:
        self.loader, self.clock = loader, clock
        self.num_batches = WARM_UP + clock.steps
        self.num_samples, self.dataloader = self.num_batches * clock.pairs, self

    def set_epoch(self, epoch: int) -> None:
        """Do nothing, as there is only one epoch."""

    def __iter__(self) -> Iterator[Any]:
        taken = iter(self.loader)
        for _ in range(self.num_batches):
            batch = next(taken, None)
            if batch is None:
                taken = iter(self.loader)
                batch = next(taken)
            self.clock.tick()
            yield batch


def weirs(spec: Spec, backbone: Backbone, pairs: Pairs, workers: int, clock: Clock) -> None:
    """Weir's own steps, with kernels that keep bits, as a trial takes them."""
    devices.settle()
    task = Task(1, WARM_UP + clock.steps, {})
    loader = shuffled(spec, pairs, workers, task.steps)
    batches = MixtureBatches(loader, backbone, clock.pairs)
    method = methods.method(spec.method)
    training = Training(spec, backbone, method, task, batches, Options())
    clock.tick()
    for done in training.steps_from(0):
        if done < WARM_UP + clock.steps:
            clock.tick()
    # The other loops are not held to that
    torch.use_deterministic_algorithms(False)


def adamw(spec: Spec, backbone: Backbone) -> torch.optim.Optimizer:
    """Return the optimizer of the recipe."""
    return torch.optim.AdamW(
        backbone.model.parameters(), lr=spec.recipe["lr"], weight_decay=spec.recipe["weight_decay"]
    )


def open_clips(
    spec: Spec, backbone: Backbone, loader: Callable[[], DataLoader[Any]], clock: Clock
) -> None:
    """Train with open_clip's loop."""
    backbone.model.output_dict = True
    said = SimpleNamespace(
        device=backbone.device.type, precision="amp_bf16" if spec.recipe["precision"] == "bf16" else "fp32", distill=False,
        accum_freq=1, skip_scheduler=True, horovod=False, grad_clip_norm=spec.recipe["clip_norm"], log_every_n_steps=100, rank=0,
        batch_size=clock.pairs, world_size=1, wandb=False,
    )  # fmt: skip
    data, optimizer = {"train": Endless(loader(), clock)}, adamw(spec, backbone)
    train_one_epoch(backbone.model, data, ClipLoss(), 0, optimizer, None, None, None, said)


def plain(
    spec: Spec, backbone: Backbone, loader: Callable[[], DataLoader[Any]], clock: Clock
) -> None:
    """Train with autocast, reading the loss after every step."""
    model, optimizer, loss_of = backbone.model.train(), adamw(spec, backbone), ClipLoss()
    device, dtype = backbone.device, DTYPES[spec.recipe["precision"]]
    for images, texts in Endless(loader(), clock):
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            seen, told, scale = model(images.to(device), texts.to(device))[:3]
            loss = loss_of(seen, told, scale)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.recipe["clip_norm"])
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if not math.isfinite(loss.item()):
            raise ArithmeticError("the loss is not finite")


def spec_of(architecture: str, pairs: int, precision: str) -> Spec:
    """Return the definition of full fine-tuning by the contrastive loss."""
    recipe = {
        "name": "r", "optimizer": "adamw", "optimizer_params": {}, "lr": 1e-5, "weight_decay": 0.2, "clip_norm": 1.0,
        "batch_pairs": pairs, "precision": precision, "schedule": "cosine", "schedule_params": {}, "augmentation_params": {},
    }  # fmt: skip
    backbone = {"name": "b", "architecture": architecture, "pretrained": None}
    return Spec(backbone, {"name": "s", "tasks": 2}, MIXTURE, {"name": "m"} | PLAIN, recipe, {}, 0)


def ceiling_gflops(device: torch.device, precision: str) -> float:
    """Return the GFLOPs per second of a large matrix product, the best of several."""
    size, dtype = 8192 if device.type == "cuda" else 1024, DTYPES[precision]
    one, best = torch.randn(size, size, device=device, dtype=dtype), 0.0
    clock = Clock(device, 1, 1)
    for _ in range(10):
        began = clock.now()
        for _ in range(5):
            one @ one
        best = max(best, 5 * 2 * size**3 / (clock.now() - began) / 1e9)
    return best


class Listed(Dataset[Any]):
    """Files and captions, as open_clip's CsvDataset gives them (which wants packages that are not needed here)."""

    def __init__(
        self, paths: list[Path], seen: Callable[[Any], torch.Tensor], backbone: Backbone
    ) -> None:
        self.paths, self.seen, self.backbone = paths, seen, backbone

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        path = self.paths[index]
        return self.seen(Image.open(path)), self.backbone.tokenizer(
            [CAPTION.format(path.parent.name)]
        )[0]


class Files:
    """The same JPEG files as Weir, open_clip and a plain loop read them."""

    def __init__(self, folder: Path, count: int, image_px: int, backbone: Backbone) -> None:
        params = imagefolder(folder / "files", [jpeg(n, 340, 256) for n in range(count)]) | {
            "image_px": image_px
        }
        row = row_of("imagefolder", folder / "files", params)
        self.pairs = open_pairs(row | {"templates": [CAPTION]}, "train", folder)
        mean, std = (
            tuple(float(value) for value in each.flatten())
            for each in (backbone.mean, backbone.std)
        )
        seen = image_transform(image_px, is_train=False, mean=mean, std=std)
        self.listed = Listed(sorted((folder / "files").glob("*/*.jpg")), seen, backbone)

    def in_memory(self, backbone: Backbone) -> tuple[Pairs, Dataset[Any]]:
        """All of them decoded: as bytes for Weir, as the model takes them for the others."""
        every = np.arange(len(self.pairs))
        images, texts = (
            self.pairs.images(every),
            self.pairs.captions(every, np.random.default_rng(0)),
        )
        seen = torch.cat(
            [
                backbone.normalise(torch.from_numpy(images[n : n + 64])).cpu()
                for n in range(0, len(images), 64)
            ]
        )
        return InMemory(images, texts), TensorDataset(seen, backbone.tokenize(texts))


def computed(spec: Spec, mode: str) -> Spec:
    """Return the definition with the settings of one of MODES."""
    return replace(spec, recipe=spec.recipe | {"compute_params": MODES[mode]})


def compare(
    name: str,
    architecture: str,
    pairs: int,
    precision: str,
    steps: int,
    workers: int,
    modes: list[str],
    sources: Sequence[str] = ("files", "memory"),
) -> list[dict[str, Any]]:
    """A model, from files and from memory: a row for each loop.

    A loop whose batch does not fit the device is named with no speed.
    """
    rows = []
    spec, made = spec_of(architecture, pairs, precision), backbones.build(architecture, 0)
    on_device = made.model.to("cuda" if torch.cuda.is_available() else "cpu")
    initial = {key: tensor.clone() for key, tensor in on_device.state_dict().items()}
    backbone = Backbone(on_device, made.tokenizer, made.preprocessing)
    size = on_device.visual.image_size
    image_px = size[0] if isinstance(size, tuple) else size
    ceiling, flops = ceiling_gflops(backbone.device, precision), profile(spec)["train"][0]
    with tempfile.TemporaryDirectory() as place:
        # A rehearsal has few pairs, and needs few files
        files = Files(Path(place), max(2 * pairs, min(4 * pairs, 256)), image_px, backbone)
        for source in sources:
            own, theirs = (
                (files.pairs, files.listed) if source == "files" else files.in_memory(backbone)
            )
            at_work = workers if source == "files" else 0
            pinned = backbone.device.type == "cuda"
            kept = at_work > 0
            other = partial(
                DataLoader,
                theirs,
                pairs,
                True,
                num_workers=at_work,
                pin_memory=pinned,
                drop_last=True,
                persistent_workers=kept,
            )
            loops: dict[str, Callable[[Clock], None]] = {
                "Weir": partial(weirs, spec, backbone, own, at_work),
                **{
                    f"Weir, {mode}": partial(weirs, computed(spec, mode), backbone, own, at_work)
                    for mode in modes
                },
                "open_clip_train": partial(open_clips, spec, backbone, other),
                "plain autocast": partial(plain, spec, backbone, other),
            }
            best = dict.fromkeys(loops, 0.0)
            for _ in range(ROUNDS if steps > 2 else 1):
                for what, loop in loops.items():
                    on_device.load_state_dict(initial)
                    on_device.output_dict = False
                    clock = Clock(backbone.device, steps, pairs)
                    try:
                        loop(clock)
                    except torch.OutOfMemoryError:
                        torch.cuda.empty_cache()
                        continue
                    best[what] = max(best[what], clock.speed())
            for what, speed in best.items():
                gflops = speed / pairs * flops / 1e9
                row = {"model": name, "pairs": pairs, "precision": precision, "from": source}
                row |= {"loop": what, "pairs_per_s": round(speed, 1), "gflops_per_s": round(gflops)}
                row |= {"of_ceiling": round(gflops / ceiling, 4), "ceiling_gflops": round(ceiling)}
                row["weir_is_times"] = round(best["Weir"] / speed, 3) if speed else None
                rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row of `compare` as cells of the table."""
    times = "-" if row["weir_is_times"] is None else f"{row['weir_is_times']:.2f}"
    about = [row["model"], str(row["pairs"]), row["precision"], row["from"], row["loop"]]
    return [*about, f"{row['pairs_per_s']:,.0f}", f"{row['of_ceiling']:.0%}", times]


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--quick", action="store_true", help="a few steps of the tiny model, to see that it works"
    )
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    parser.add_argument(
        "--steps", type=int, default=0, help="that are timed; default: 30 on a GPU, 10 on a CPU"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="that decode; default: 0 on a CPU, all cores but one beside a GPU",
    )
    parser.add_argument(
        "--modes",
        help=f"of Weir's loop, beside the plain one, with commas between: {', '.join(MODES)}",
    )
    given = parser.parse_args()
    logging.getLogger().setLevel(logging.WARNING)
    gpu = torch.cuda.is_available() and not given.quick
    steps = given.steps or (2 if given.quick else 30 if gpu else 10)
    workers = given.workers or (max(1, (os.cpu_count() or 2) - 1) if gpu else 0)
    modes = (
        given.modes.split(",")
        if given.modes
        else list(MODES)
        if gpu
        else ["both"]
        if given.quick
        else []
    )
    if set(modes) - set(MODES):
        parser.error(f"--modes takes {', '.join(MODES)}, not {given.modes}")
    if given.quick:
        compiled.BACKEND = "eager"
    console = Console(record=True, width=130)
    console.print(f"load of the machine before: {load()}")
    table = Table(
        "model",
        "pairs",
        "precision",
        "from",
        "loop",
        "pairs/s",
        "of the ceiling",
        "Weir is times",
        box=None,
    )
    wanted = (
        [("ViT-B-32", "ViT-B-32", 512), ("ViT-B-16", "ViT-B-16", 512)]
        if gpu
        else [("tiny", json.dumps(SMALLER), 8)]
        if given.quick
        else [("tiny", json.dumps(TINY), 64)]
    )
    for name, architecture, pairs in wanted:
        rows = compare(
            name,
            architecture,
            16 if given.quick else pairs,
            "bf16" if gpu else "fp32",
            steps,
            workers,
            modes,
        )
        for row in rows:
            table.add_row(*cells(row))
    console.print(table)
    for name, words in surroundings(
        "python -m benchmarks.train" + (" --quick" if given.quick else "")
    ):
        console.print(f"{name}: {words}")
    console.print(
        f"device: {torch.cuda.get_device_name() if gpu else 'CPU'}, {torch.get_num_threads()} threads, {workers} workers"
    )
    if given.out:
        given.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
