"""Where a step's time goes: `python -m runner.trial FOLDER --profile` runs a trial as always and looks at a few of its steps.

`step.txt` in the run folder has the parts of a step and the operators that took longest, `step.trace.json.gz` all of it on a time
line (open it in Perfetto or chrome://tracing). Looking costs time and changes no number. Times of parts are the host's: on a GPU
what a part has asked for may run later, and the operators' own times on the device say how long.
"""

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

WARM_UP, LOOKED_AT, SHOWN = (
    3,
    5,
    25,
)  # steps passed over (the first is counted, which is slow), steps looked at, operators shown
PARTS = ("data", "tokenize", "transfer", "forward", "backward", "optimizer")
mark = record_function


class Tracer:
    """The steps of a trial that are looked at: the first few that follow a warm-up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self.done = folder, 0, False
        kinds = [ProfilerActivity.CPU] + (
            [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
        )
        self.profiler = profile(activities=kinds)

    def step(self) -> None:
        """After each step of a trial."""
        self.seen += 1
        if self.seen == WARM_UP:
            self.profiler.start()
        elif self.seen == WARM_UP + LOOKED_AT:
            self.close()

    def close(self) -> None:
        """Write what was seen; nothing where that has been done, or nothing was."""
        if self.done:
            return
        self.done, looked_at = True, self.seen - WARM_UP
        if looked_at < 1:
            text = f"nothing was looked at: {WARM_UP} steps are passed over, and the trial took {self.seen}\n"
        else:
            self.profiler.stop()
            self.profiler.export_chrome_trace(str(self.folder / "step.trace.json.gz"))
            text = self._table(looked_at)
        (self.folder / "step.txt").write_text(text)

    def _table(self, steps: int) -> str:
        """Parts of a step, then operators."""
        events = self.profiler.key_averages()
        spent_ms = {
            event.key: event.cpu_time_total / 1e3 / steps for event in events if event.key in PARTS
        }
        total_ms = sum(spent_ms.values())
        lines = [f"{steps} steps after {WARM_UP}, milliseconds of the host per step", ""]
        lines += [
            f"{part:12}{spent_ms[part]:10.3f}{spent_ms[part] / total_ms:8.1%}"
            for part in PARTS
            if part in spent_ms
        ]
        by = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        return "\n".join(
            [
                *lines,
                f"{'together':12}{total_ms:10.3f}",
                "",
                events.table(sort_by=by, row_limit=SHOWN),
                "",
            ]
        )
