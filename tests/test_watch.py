"""What a person sees while a grid runs."""

from pathlib import Path

import pytest
from rich.console import Console

from runner.folder import write_json
from runner.forecast import duration
from runner.report import Report
from runner.watch import Snapshot, line, picture


def drawn(state: Snapshot, report: Report) -> str:
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(picture(state, report))
    console.file.close()
    return console.export_text()


def test_counts_bars_rates_and_reasons(tmp_path: Path) -> None:
    state = Snapshot()
    state.counts = {"done": 3, "running": 2, "pending": 10}
    state.running = [(4, "ema_merge", "replay_thirds", 1, tmp_path), (5, "finetune", "update_only", 2, tmp_path / "none")]
    state.failed = [(9, "failed", "diverged: the loss is nan")]
    said = {"task": 2, "tasks": 5, "step": 25, "steps": 50, "loss": 1.0, "pairs_per_s": 100.0, "batch_pairs": 10, "at": ""}
    write_json(tmp_path / "progress.json", said)
    text = drawn(state, Report(problems=[("task-0001.json", "torn")]))
    assert "3 done   2 running   10 pending" in text
    assert "trial 4" in text and "ema_merge / replay_thirds / seed 1" in text
    assert "task 2/5 step 25/50" in text and "100 pairs/s" in text
    assert "18 s left" in text  # 175 steps of 10 pairs at 100 pairs a second
    assert "trial 5" in text and "starting" in text
    assert "trial 9 failed: diverged: the loss is nan" in text
    assert "degraded: task-0001.json: torn" in text


def test_the_line_for_a_log() -> None:
    state = Snapshot()
    state.counts = {"done": 1, "running": 2}
    assert line(state, Report(submitted=2, ended=1, rows=30)).endswith(
        " 1 done, 2 running; 2 submitted, 1 ended, 30 rows ingested"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "unknown"), (0.4, "0 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7_500, "2 h 05 min")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
