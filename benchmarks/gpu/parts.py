"""The parts of `make gpu`, most important first, with the types of their input and outcome."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

# The model of a rehearsal: a few layers of CLIP, with its tokenizer and pictures of its size
SMALL: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 224,
        "patch_size": 56,
        "width": 32,
        "layers": 2,
        "head_width": 16,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}

# A row of a part's table
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part, a module of this folder with a function `run`."""

    name: str
    about: str
    # Begun only if so many seconds are left, and ended after the most
    least_s: float
    most_s: float


PARTS = (
    Part(name="bits", about="trials that are killed and resumed come to the same bits", least_s=60, most_s=180),
    Part(name="golden", about="losses of 20 steps, beside those of the same kind of GPU", least_s=20, most_s=60),
    Part(name="memory", about="peak memory of a step, measured and profiled, by method", least_s=30, most_s=90),
    Part(name="train", about="pairs per second, beside open_clip's loop and the plain one", least_s=60, most_s=240),
    Part(name="pictures", about="JPEGs decoded by nvJPEG and by Pillow", least_s=15, most_s=60),
    Part(name="evaluate", about="50,000 images and 1,000 classes", least_s=30, most_s=90),
    Part(name="ranks", about="two processes: on one GPU by gloo, on two by NCCL", least_s=30, most_s=60),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a part does: all of it, or next to nothing, to see that it works."""

    rehearsal: bool = False

    @property
    def device(self) -> str:
        """Return the type of device that a part computes on; a rehearsal needs no GPU."""
        return "cpu" if self.rehearsal else "cuda"

    def of(self, full: int, small: int) -> int:
        """Return a number for this size."""
        return small if self.rehearsal else full

    def architecture(self, full: str) -> str:
        """Return an architecture for this size: the named one, or that of a rehearsal."""
        return json.dumps(SMALL) if self.rehearsal else full


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a part."""

    rows: list[Row]
    # Whether everything holds that must; a part that only measures holds
    holds: bool = True
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON takes it."""
        return dataclasses.asdict(self)


def function(name: str) -> Callable[[Size], Answer]:
    """Return the function of a part."""
    run: Callable[[Size], Answer] = import_module(f"benchmarks.gpu.{name}").run
    return run


def chosen(names: list[str]) -> list[Part]:
    """Return the parts of some names, in their order; all of them where none is named.

    Raises:
        ValueError: a name that no part has.
    """
    known = [part.name for part in PARTS]
    for name in names:
        if name not in known:
            raise ValueError(f"no part is called {name!r}. Parts: {', '.join(known)}")
    return [part for part in PARTS if not names or part.name in names]
