"""An evaluation of 50,000 images among 1,000 classes with 7 prompts each, of a ViT-B/32."""

import time

import numpy as np

import evals
from benchmarks.gpu.parts import Answer, Size
from evals import TestSet
from runner.worker import backbone as backbones

TEMPLATES = 7


def run(size: Size) -> Answer:
    """Measure zero-shot classification; images are in memory, as decoding is measured apart."""
    backbone = backbones.build(size.architecture("ViT-B-32"), 0, size.device)
    count, classes = size.of(50_000, 4), size.of(1_000, 3)
    few = np.random.default_rng(0).integers(0, 256, (min(count, 500), 3, 224, 224), np.uint8)
    images = few[np.arange(count) % len(few)]
    test = TestSet(
        name="noise",
        kind="classification",
        classes=[f"thing {number}" for number in range(classes)],
        templates=[f"a photo, number {number}, of a {{}}" for number in range(TEMPLATES)],
        images=images,
        labels=np.arange(count) % classes,
        captions=[""] * count,
    )
    began = time.perf_counter()
    values = dict(evals.measure(backbone, test))
    seconds = time.perf_counter() - began
    row = {"images": count, "classes": classes, "seconds": round(seconds, 1)}
    row |= {"images_per_s": round(count / seconds), "top1": round(values["top1"], 5)}
    return Answer(rows=[row])
