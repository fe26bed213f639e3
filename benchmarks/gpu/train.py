"""Pairs per second of Weir's loop, open_clip's and the plain one, by `benchmarks.train`.

The share of the ceiling is that of a large matrix product measured in the same run; `mfu` is of the
peak that the maker publishes, by the FLOPs that Weir's profile counts.
"""

import json
import os

import torch

from benchmarks.gpu.parts import Answer, Row, Size
from benchmarks.train import SMALLER, compare

# Published peaks of dense bfloat16 products, by a word in the name of a GPU, in GFLOPs per second
PEAKS_GFLOPS = {"H200": 989_500.0, "H100": 989_500.0, "A100": 312_000.0}
# A model, pairs of a batch, where pairs come from, and steps that are timed: best known first
FULL = (
    ("ViT-B-16", 512, ("files", "memory"), 20),
    ("ViT-B-32", 512, ("files", "memory"), 20),
    ("ViT-L-14", 512, ("memory",), 5),
    ("ViT-B-32", 4096, ("memory",), 5),
    ("ViT-B-16", 4096, ("memory",), 3),
)
MODES = ["both"]


def run(size: Size) -> Answer:
    """Measure the loops; kernels of towers are made for the batches of 512 alone."""
    if size.rehearsal:
        rows = compare("tiny", json.dumps(SMALLER), 8, "fp32", 2, 0, [], ("memory",))
        return Answer(rows=rows)
    workers = max(1, (os.cpu_count() or 2) - 2)
    rows = []
    for architecture, pairs, sources, steps in FULL:
        modes = MODES if pairs == 512 and architecture != "ViT-L-14" else []
        rows += compare(architecture, architecture, pairs, "bf16", steps, workers, modes, sources)
    device = torch.cuda.get_device_name()
    peak = next((peak for word, peak in PEAKS_GFLOPS.items() if word in device), None)
    for row in rows:
        row["mfu"] = None if peak is None else round(row["gflops_per_s"] / peak, 4)
    return Answer(rows=rows, remarks=_aims(rows))


def _aims(rows: list[Row]) -> list[str]:
    """Say in words which aims were reached: 1.5 times the plain loop, never below open_clip's,
    and half of the ceiling on ViT-B/16.
    """
    remarks = []
    for row in rows:
        about = f"{row['model']}, {row['pairs']} pairs, {row['from']}"
        times = row["weir_is_times"]
        if row["loop"] == "plain autocast" and times is not None and times < 1.5:
            remarks.append(f"{about}: {times} times the plain loop, and the aim is 1.5")
        if row["loop"] == "open_clip_train" and times is not None and times < 1:
            remarks.append(f"{about}: {times} times open_clip's loop, and the aim is 1")
        if row["loop"] == "Weir" and row["model"] == "ViT-B-16" and row["of_ceiling"] < 0.5:
            remarks.append(f"{about}: {row['of_ceiling']:.0%} of the ceiling, and the aim is half")
    return remarks
