"""The peak memory of a training step, as measured and as profiled, by method.

Published multipliers of a method's memory differ from those of our profiles; both stand here beside
what a GPU's allocator says.
"""

import torch

import methods
from benchmarks.gpu.parts import Answer, Row, Size
from benchmarks.profiles import METHODS, spec_of
from methods import Task
from methods.compute import devices
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.profiler.fake_steps import BlankBatches
from runner.worker.profiler.step_cost import profile_with_full
from runner.worker.training import Options, Training
from schema.spec import Spec
from streams import Batch

STEPS = 3


class OnDevice(BlankBatches):
    """Blank batches, copied to the model's device."""

    def draw(self) -> Batch:
        """Return the next batch."""
        batch, device = super().draw(), next(self.model.parameters()).device
        return Batch(batch.images.to(device), batch.texts.to(device), batch.sources)


def run(size: Size) -> Answer:
    """Measure a few steps of each method."""
    devices.settle()
    architecture = size.architecture("ViT-B-32")
    names = list(METHODS)[: size.of(len(METHODS), 2)]
    rows: list[Row] = []
    for name in names:
        spec = spec_of(architecture, size.of(512, 4), "bf16", METHODS[name])
        rows.append({"method": name, "model": architecture} | _measured(spec, size))
    full = rows[0]["measured_bytes"]
    for row in rows:
        if full is not None:
            row["measured_multiplier"] = round(row["measured_bytes"] / full, 3)
    return Answer(rows=rows)


def _measured(spec: Spec, size: Size) -> Row:
    """Return what a step of a method takes; a CPU has no allocator that would say."""
    profiled = profile_with_full(spec)
    row: Row = {
        "profiled_bytes": int(profiled["train"][1]),
        "profiled_multiplier": round(profiled["train"][1] / profiled["full"][1], 3),
        "measured_bytes": None,
    }
    made = backbones.build(spec.backbone["architecture"], 0, size.device)
    backbone = Backbone(made.model, made.tokenizer, made.preprocessing)
    initial = {name: tensor.cpu().clone() for name, tensor in made.model.state_dict().items()}
    task = Task(1, STEPS, initial)
    source = OnDevice(spec, backbone, task)
    training = Training(spec, backbone, methods.method(spec.method), task, source, Options())
    for _ in training.steps_from(0):
        if not size.rehearsal:
            # Of the last step alone: the first makes what the optimizer remembers
            row["measured_bytes"] = torch.cuda.max_memory_allocated()
            torch.cuda.reset_peak_memory_stats()
    return row
