"""Two processes that take each step together, beside one that takes it alone.

On one GPU both processes share it and talk by gloo; where there are two, each has its own, and they
talk by NCCL. Losses must be those of one process to rounding.
"""

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

import methods
from benchmarks.gpu.golden import Drawn
from benchmarks.gpu.parts import Answer, Row, Size
from benchmarks.profiles import spec_of
from methods import Task
from methods.compute import devices
from runner.worker import backbone as backbones
from runner.worker.training import Options, Training

STEPS = 4
TOLERANCE = 1e-3


def run(size: Size) -> Answer:
    """Train alone, and by two."""
    kinds = ["gloo"]
    if not size.rehearsal and torch.cuda.device_count() > 1:
        kinds.append("nccl")
    alone = _losses(size, size.device)
    rows: list[Row] = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            spawn(_one_of_two, (folder, kind, size), 2)  # type: ignore[no-untyped-call]
            losses = torch.load(Path(folder) / "losses").tolist()
        apart = max(abs(mine - its) / its for mine, its in zip(losses, alone, strict=True))
        rows.append({"by": kind, "processes": 2, "steps": STEPS, "losses_apart": apart})
    remarks = [] if "nccl" in kinds else ["there are no two GPUs, so NCCL was not tried"]
    return Answer(
        rows=rows, holds=all(row["losses_apart"] < TOLERANCE for row in rows), remarks=remarks
    )


def _one_of_two(rank: int, folder: str, kind: str, size: Size) -> None:
    """Take the steps with another process; the first one writes the losses."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    place = size.device
    if kind == "nccl":
        torch.cuda.set_device(rank)
    backend = "gloo" if kind == "gloo" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(
        backend,
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    losses = _losses(size, place)
    if rank == 0:
        torch.save(torch.tensor(losses, dtype=torch.float64), Path(folder) / "losses")
    dist.destroy_process_group()


def _losses(size: Size, place: str) -> list[float]:
    """Return the loss of each step."""
    devices.settle()
    spec = spec_of(size.architecture("ViT-B-32"), size.of(64, 4), "fp32", {})
    backbone = backbones.build(spec.backbone["architecture"], 0, place)
    initial = {name: tensor.cpu().clone() for name, tensor in backbone.model.state_dict().items()}
    task = Task(1, STEPS, initial)
    source = Drawn(spec, backbone, task).begin()
    training = Training(spec, backbone, methods.method(spec.method), task, source, Options())
    return [training.look() for _ in training.steps_from(0)]
