"""Measure what counting FLOPs adds to a pass: Weir's counter beside torch's `FlopCounterMode`.

    python -m benchmarks.counting

A training step and the encoding of images, of towers as large as those of the embedded default and
of ViT-B/32, with random weights on the CPU, in one thread. The seconds are those of the processor,
the least of several tries.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from rich.console import Console
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import surroundings
from runner.worker.flops import FlopCounter

PAIRS, TRIES = 32, 5
COUNTERS: dict[str, Callable[[], Any]] = {
    "not counted": nullcontext,
    "Weir": FlopCounter,
    "FlopCounterMode": lambda: FlopCounterMode(display=False),
}
# The backbone `tiny` of schema/rows/world.sql
DEFAULT: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 96, "layers": 3, "head_width": 32},
    "text_cfg": {"context_length": 17, "width": 64, "heads": 2, "layers": 2, "vocab_size": 120},
}
Pass = Callable[[CLIP, Tensor, Tensor], None]


def step(model: CLIP, images: Tensor, texts: Tensor) -> None:
    """Compute the gradients of a batch."""
    model.zero_grad()
    logits = model.encode_image(images) @ model.encode_text(texts).T
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(images)))
    loss.backward()  # type: ignore[no-untyped-call]


@torch.inference_mode()
def encode(model: CLIP, images: Tensor, texts: Tensor) -> None:
    """Encode the images of a batch."""
    model.encode_image(images)


def seconds(work: Pass, counter: Callable[[], Any], *given: Any) -> float:
    """Return how long a pass takes a processor under a counter."""
    taken = []
    for _ in range(TRIES):
        began = time.process_time()
        with counter():
            work(*given)
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print a table, and what the numbers depend on."""
    torch.set_num_threads(1)
    print_line = Console(soft_wrap=True, highlight=False).print
    print_line("| model | pass | not counted | Weir | FlopCounterMode | ratio |")
    print_line("|---|---|--:|--:|--:|--:|")
    for name, config in (
        ("embedded default", DEFAULT),
        ("ViT-B/32", open_clip.get_model_config("ViT-B-32") or {}),
    ):
        model = CLIP(**config)
        size = config["vision_cfg"]["image_size"]
        images = torch.randn(PAIRS, 3, size, size)
        length = config["text_cfg"]["context_length"]
        texts = torch.randint(config["text_cfg"]["vocab_size"], (PAIRS, length))
        for work in (step, encode):
            work(model, images, texts)
            taken = [seconds(work, counter, model, images, texts) for counter in COUNTERS.values()]
            cells = " | ".join(f"{1000 * each:.1f} ms" for each in taken)
            print_line(f"| {name} | {work.__name__} | {cells} | {taken[2] / taken[1]:.2f} |")
    for what, value in surroundings("python -m benchmarks.counting"):
        print_line(f"{what}: {value}")


if __name__ == "__main__":
    main()
