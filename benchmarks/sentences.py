"""The trials of the comparison, the same for all tools: sentences over Weir's vocabulary.

They come as a grid in SQL, and as dicts for the alternatives.
"""

from collections.abc import Iterator
from typing import Any

METHODS = (
    "finetune",
    "bitfit",
    "locked_image",
    "locked_text",
    "lora_r8",
)  # no two of them train the same
MIXTURES = ("update_only", "buffer_half", "pretraining_half", "replay_thirds")
RECIPES = ("tiny_lr_5e-4", "tiny_lr_1e-3", "tiny_lr_2e-3", "tiny_lr_4e-3", "tiny_lr_8e-3")
WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")


def sentences(count: int) -> Iterator[dict[str, Any]]:
    """The first `count` trials: every combination of method, mixture and recipe with seed 0, then with seed 1, ..."""
    for n in range(count):
        yield {
            "backbone": "tiny",
            "stream": "world",
            "mixture": MIXTURES[n // 5 % 4],
            "method": METHODS[n % 5],
            "recipe": RECIPES[n // 20 % 5],
            "budget": "steps_250",
            "seed": n // 100,
        }


def grid(count: int, tasks: int = 5) -> str:
    """The same trials as a grid file. `tasks`: into how many the stream is cut; 5 is the vocabulary's own."""
    stream = "world" if tasks == 5 else f"world_{tasks}"
    return f"""
INSERT INTO stream (name, sequence, tasks, suite) SELECT '{stream}', sequence, {tasks}, suite FROM stream WHERE name = 'world'
ON CONFLICT DO NOTHING;
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny', '{stream}', {list(MIXTURES)}[n // 5 % 4 + 1], {list(METHODS)}[n % 5 + 1], {list(RECIPES)}[n // 20 % 5 + 1],
       'steps_250', n // 100, 'benchmark'
FROM range({count}) AS numbers(n)
ON CONFLICT DO NOTHING;
"""
