"""Print what a step of each method costs, and the steps that a budget buys it.

    python -m benchmarks.profiles

The budget is that of FoMo-in-Flux.

Prints the table of `docs/budgets.md`: profiles on fake tensors, so neither weights nor data nor a
GPU are needed.
"""

import argparse
import logging
import time
from typing import Any

from rich.console import Console

from runner.budget import PROFILED, BudgetError, Profiled, price, steps_per_task
from runner.worker.profiler.step_cost import PLAIN, Profiles, profiled
from schema.spec import Spec

TOTAL_GFLOPS = 1.8e9
TASKS = (20, 50, 100, 200)
METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "lora, rank 4": {"tuning": "lora"},
    "locked_image": {"tuning": "locked_image"},
    "locked_text": {"tuning": "locked_text"},
    "contrastive+ewc": {"objective": "contrastive+ewc"},
    "ema_step": {"merging": "ema_step", "deploy": "merged"},
    "full, muon": {"recipe": {"optimizer": "muon"}},
    "full, adamw_8bit": {"recipe": {"optimizer": "adamw_8bit"}},
    "full, learnability": {"mixture": {"selection": "learnability"}},
    "full, easy_reference": {"mixture": {"selection": "easy_reference"}},
}


def spec_of(architecture: str, pairs: int, precision: str, said: dict[str, Any]) -> Spec:
    """A sentence of one of the methods above."""
    mixture = {
        "name": "thirds",
        "update_share": 0.34,
        "buffer_share": 0.33,
        "pretraining_share": 0.33,
        "selection": "none",
    }
    recipe = {
        "name": "r",
        "optimizer": "adamw",
        "optimizer_params": {},
        "lr": 1e-5,
        "weight_decay": 0.2,
        "clip_norm": 1.0,
    }
    recipe |= {
        "batch_pairs": pairs,
        "precision": precision,
        "schedule": "cosine",
        "schedule_params": {},
        "augmentation_params": {},
    }
    words = {key: value for key, value in said.items() if key not in ("recipe", "mixture")}
    return Spec(
        {"name": architecture, "architecture": architecture, "pretrained": None},
        {"name": "s", "tasks": 1},
        mixture | {"selection_params": {}} | said.get("mixture", {}),
        {"name": "m"} | PLAIN | words,
        recipe | said.get("recipe", {}),
        {},
        0,
    )


def line(name: str, found: Profiled, seconds: float) -> list[str]:
    """Cells of a method's row."""
    cells = [
        name,
        f"{found.step_gflops:,.2f}",
        f"{found.once_gflops:,.0f}",
        f"{found.peak_bytes / 1e9:.2f}",
    ]
    cells.append(f"{found.multiplier:.4f}")
    for charging in ("once", "per_step"):
        budget = {
            "name": "published",
            "unit": PROFILED[1],
            "total": TOTAL_GFLOPS,
            "charging": charging,
        }
        if charging == "once":
            cells.append(f"{price(budget, 1, found).step:,.0f}")
        cells.append(" / ".join(steps(budget, tasks, found) for tasks in TASKS))
    return [*cells, f"{seconds:.0f}"]


def steps(budget: dict[str, Any], tasks: int, found: Profiled) -> str:
    """Of a task; `none` where the budget buys less than one."""
    try:
        return f"{steps_per_task(budget, tasks, 1, found):,}"
    except BudgetError:
        return "none"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="ViT-B-16")
    parser.add_argument("--pairs", type=int, default=512, help="in a batch")
    parser.add_argument("--precision", default="bf16", choices=("fp32", "bf16", "fp16"))
    parser.add_argument(
        "--only", nargs="*", default=list(METHODS), help=f"some of: {', '.join(METHODS)}"
    )
    asked = parser.parse_args()
    logging.disable(logging.WARNING)  # open_clip's, that the weights are random
    console = Console(highlight=False, width=200)
    head = [
        "method",
        "GFLOPs a step",
        "GFLOPs once per task",
        "peak GB",
        "multiplier",
        "MAF a step",
    ]
    head += ["steps of a task, charged once", "charged per step", "profiled in s"]
    console.print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    known = Profiles()
    for name in asked.only:
        began = time.monotonic()
        found = profiled(
            known.with_full(
                spec_of(asked.architecture, asked.pairs, asked.precision, METHODS[name])
            )
        )
        console.print(f"| {' | '.join(line(name, found, time.monotonic() - began))} |")


if __name__ == "__main__":
    main()
