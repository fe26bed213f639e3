"""Losses of 20 steps of some parts, beside those that the same kind of GPU had before.

They are kept in `golden.json`, by the name of the GPU and torch's version, and must be the same to
the bit: a change of code that changes them says so in its commit. A kind of GPU that is met for the
first time is put on record.
"""

import json
from pathlib import Path
from typing import Any

import torch

import methods
from benchmarks.gpu.memory import OnDevice
from benchmarks.gpu.parts import Answer, Size
from benchmarks.profiles import spec_of
from methods import Task
from methods.compute import devices
from runner.worker import backbone as backbones
from runner.worker.training import Options, Training
from streams import Batch

GOLDEN = Path(__file__).parent / "golden.json"
STEPS = 20
SENTENCES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"tuning": "lora"},
    "galore": {"tuning": "galore"},
    "lwf": {"objective": "contrastive+lwf"},
    "ema_step": {"merging": "ema_step", "deploy": "merged"},
    "muon": {"recipe": {"optimizer": "muon", "clip_norm": 1.0}},
}


class Drawn(OnDevice):
    """Batches of noise, the same each time they are drawn."""

    def draw(self) -> Batch:
        """Return the next batch."""
        blank = super().draw()
        images = torch.randn(blank.images.shape, generator=self.generator)
        texts = torch.randint(1, 400, blank.texts.shape, generator=self.generator)
        device = blank.images.device
        return Batch(images.to(device), texts.to(device), blank.sources)

    def begin(self) -> "Drawn":
        """Begin with the first batch."""
        self.generator = torch.Generator().manual_seed(1)
        return self


def run(size: Size) -> Answer:
    """Compare, or put on record."""
    devices.settle()
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    machine = (
        "CPU" if size.rehearsal else f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    )
    rows, remarks = [], []
    for precision in ("fp32", "bf16")[: size.of(2, 1)]:
        for name in list(SENTENCES)[: size.of(len(SENTENCES), 2)]:
            losses = _losses(name, precision, size)
            before = known.setdefault(machine, {}).setdefault(f"{name}, {precision}", losses)
            rows.append(
                {
                    "method": name,
                    "precision": precision,
                    "last": losses[-1],
                    "same": losses == before,
                }
            )
    if not size.rehearsal:
        GOLDEN.write_text(json.dumps(known, indent=1) + "\n")
        remarks.append(f"losses of {machine} are in {GOLDEN.name}")
    return Answer(rows=rows, holds=all(row["same"] for row in rows), remarks=remarks)


def _losses(name: str, precision: str, size: Size) -> list[float]:
    """Return the loss of each step."""
    spec = spec_of(size.architecture("ViT-S-32-alt"), size.of(64, 4), precision, SENTENCES[name])
    backbone = backbones.build(spec.backbone["architecture"], 0, size.device)
    initial = {key: tensor.cpu().clone() for key, tensor in backbone.model.state_dict().items()}
    task = Task(1, size.of(STEPS, 2), initial)
    source = Drawn(spec, backbone, task).begin()
    training = Training(spec, backbone, methods.method(spec.method), task, source, Options())
    return [training.look() for _ in training.steps_from(0)]
