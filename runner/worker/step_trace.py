"""Where the time of a step goes: `python -m runner.trial FOLDER --trace` looks at a few steps.

The trial runs as always. `step.txt` in its run folder has the parts of a step and the operators
that took longest, `step.trace.json.gz` all of it on a time line (open it in Perfetto or
chrome://tracing). Looking costs time and changes no number. Times of parts are the host's: on a GPU
what a part has asked for may run later, and the operators' own times on the device say how long.
"""

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

# Steps that are passed over: the first is counted, which is slow
WARM_UP = 3
# Steps that are looked at
LOOKED_AT = 5
# Operators that are shown
SHOWN = 25
PARTS = ("data", "tokenize", "transfer", "forward", "backward", "optimizer")
# Names what runs within it, for the tracer
mark = record_function


class Tracer:
    """Looks at the first few steps of a trial that follow a warm-up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps = 0
        self.closed = False
        kinds = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            kinds.append(ProfilerActivity.CUDA)
        self.profiler = profile(activities=kinds)

    def step(self) -> None:
        """Note that a step of the trial was taken."""
        self.steps += 1
        if self.steps == WARM_UP:
            self.profiler.start()
        elif self.steps == WARM_UP + LOOKED_AT:
            self.close()

    def close(self) -> None:
        """Write what was seen, once; where nothing was, write that."""
        if self.closed:
            return
        self.closed = True
        looked_at = self.steps - WARM_UP
        if looked_at < 1:
            text = (
                f"nothing was looked at: {WARM_UP} steps are passed over, "
                f"and the trial took {self.steps}\n"
            )
        else:
            self.profiler.stop()
            self.profiler.export_chrome_trace(str(self.folder / "step.trace.json.gz"))
            text = self._table(looked_at)
        (self.folder / "step.txt").write_text(text)

    def _table(self, steps: int) -> str:
        """Return the mean times of the parts of a step, then those of operators."""
        events = self.profiler.key_averages()
        parts_ms: dict[str, float] = {}
        for event in events:
            if event.key in PARTS:
                parts_ms[event.key] = event.cpu_time_total / 1e3 / steps
        total_ms = sum(parts_ms.values())
        lines = [f"{steps} steps after {WARM_UP}, milliseconds of the host per step", ""]
        for part in PARTS:
            if part in parts_ms:
                share = parts_ms[part] / total_ms
                lines.append(f"{part:12}{parts_ms[part]:10.3f}{share:8.1%}")
        lines += [f"{'together':12}{total_ms:10.3f}", ""]
        order = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        lines += [events.table(sort_by=order, row_limit=SHOWN), ""]
        return "\n".join(lines)
