"""What a person sees while a grid runs."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from runner.run_folder import write_json
from runner.scheduler.forecast_tables import duration
from runner.scheduler.report import Report
from runner.scheduler.watch import Snapshot, line, outlook, picture, read, watch
from runner.sync import publish
from schema.catalog import Catalog
from schema.site import Site
from tests.filled import Filled


def drawn(state: Snapshot, report: Report, rows: int = 40) -> str:
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(picture(state, report, rows))
    console.file.close()
    return console.export_text()


def test_counts_bars_rates_and_reasons(tmp_path: Path) -> None:
    state = Snapshot()
    state.counts = {"done": 3, "running": 2, "pending": 10}
    state.running = [
        (4, "ema_merge", "replay_thirds", 1, tmp_path),
        (5, "finetune", "update_only", 2, tmp_path / "none"),
    ]
    state.failed = [(9, "failed", "diverged: the loss is nan")]
    said = {
        "task": 2,
        "tasks": 5,
        "step": 25,
        "steps": 50,
        "loss": 1.0,
        "pairs_per_s": 100.0,
        "batch_pairs": 10,
        "at": "",
    }
    write_json(tmp_path / "progress.json", said)
    text = drawn(state, Report(problems=[("task-0001.json", "torn")]))
    assert "3 done   2 running   10 pending" in text
    assert "trial 4" in text and "ema_merge / replay_thirds / seed 1" in text
    assert "task 2/5 step 25/50" in text and "100 pairs/s" in text
    # 175 steps of 10 pairs at 100 pairs a second
    assert "18 s left" in text
    assert "trial 5" in text and "not begun" in text
    assert "trial 9 failed: diverged: the loss is nan" in text
    assert "degraded: task-0001.json: torn" in text


def test_queue_and_outlook(tmp_path: Path) -> None:
    state = Snapshot(
        counts={"running": 90},
        hours=20.0,
        gpu_hours=80.0,
        gpus=4.0,
        left_s=36_000.0,
        done_last_hour=12,
    )
    state.running = [
        (trial, "finetune", "update_only", 1, tmp_path / str(trial)) for trial in range(90)
    ]
    said = {
        "task": 1,
        "tasks": 1,
        "step": 0,
        "steps": 36,
        "loss": 1.0,
        "pairs_per_s": 1.0,
        "batch_pairs": 100,
        "at": "",
    }
    for trial in (1, 2):
        (tmp_path / str(trial)).mkdir()
        write_json(tmp_path / str(trial) / "progress.json", said)
    report = Report()
    report.queue.update({"Priority": 80, "Resources": 8})
    text = drawn(state, report, rows=30)
    assert "queue: 80 Priority, 8 Resources" in text
    # 10 h and 2 of 1 h, by 4
    assert (
        "12 done in the last hour; spent 80.0 GPU-hours, left 48.0 GPU-hours; expected end" in text
    )
    # Two at once
    assert "(in 6 h 00 min)" in text
    assert "trial 29 " in text and "trial 30 " not in text and "... and 60 more" in text
    state.left_unknown = 7
    assert "and 7 trials like none that has finished" in drawn(state, report)
    assert "take over" not in text
    state.after_others = 5
    assert "; 5 wait to take over what others train" in drawn(state, report)
    assert line(state, report).endswith(
        "; 5 wait to take over what others train; waiting: 80 Priority, 8 Resources"
    )


def test_the_line_for_a_log() -> None:
    state = Snapshot()
    state.counts = {"done": 1, "running": 2}
    assert line(state, Report(submitted=2, ended=1, rows=30)).endswith(
        " 1 done, 2 running; 2 submitted, 1 ended, 30 rows ingested"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0.4, "0 s"),
        (61, "1 min 01 s"),
        (3600, "1 h 00 min"),
        (7_500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_the_same_snapshot_is_not_read_again(site: Site, catalog: Catalog) -> None:
    """What is known of it is given back; a newer one is read."""
    with catalog.open() as connection:
        publish(site, catalog, connection)
        first = read(site.current)
        assert read(site.current, first) is first
        publish(site, catalog, connection)
    second = read(site.current, first)
    assert second is not first and second.path != first.path


def test_the_expected_end_lies_as_far_ahead_as_is_left() -> None:
    """10 hours of work, two trials at once."""
    begun = datetime.now()
    words = outlook(Snapshot(hours=1.0), left_s=36_000.0, started=2)
    later = datetime.now()
    ends = set()
    while begun <= later + timedelta(minutes=1):
        ends.add(f"expected end {begun + timedelta(hours=5):%a %H:%M} (in 5 h 00 min)")
        begun += timedelta(minutes=1)
    assert words.split("; ")[-1] in ends
    assert "expected end" not in outlook(Snapshot(hours=1.0), left_s=36_000.0, started=0)
    assert "expected end" not in outlook(Snapshot(hours=1.0), left_s=0.0, started=2)


@pytest.mark.parametrize(
    ("reports", "lines"),
    [
        # A pass without news has no line
        ([Report(submitted=1, running=1), Report(running=1), Report(ended=1)], 2),
        ([Report(pending=1), Report()], 1),
        ([Report()], 1),
    ],
)
def test_a_log_has_a_line_for_each_pass_with_news_and_one_in_any_case(
    reports: list[Report], lines: int, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on while something runs, is pending or was submitted."""
    filled = Filled(site.catalog)
    filled.trial()
    publish(site, Catalog(site.catalog), filled.connection)
    passes = iter(reports)
    place: Any = SimpleNamespace(pause_s=0.0, wait=lambda folders, seconds: None)
    assert watch(site.current, place, lambda: next(passes)) == 0
    assert list(passes) == []
    output = capsys.readouterr().out.splitlines()
    assert len(output) == lines and all("1 pending" in text for text in output)


def test_a_log_says_what_is_wrong_when_it_begins_and_when_it_is_over(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once and not in every pass; what is wrong in the end is not said again."""
    filled = Filled(site.catalog)
    filled.trial()
    publish(site, Catalog(site.catalog), filled.connection)
    away, torn = ("runs", "is not there"), ("task-0001.json", "torn")
    passes = iter([[away], [away], [away, torn], [torn]])

    def sync() -> Report:
        problems = next(passes)
        return Report(problems=problems, running=int(problems != [torn]))

    place: Any = SimpleNamespace(pause_s=0.0, wait=lambda folders, seconds: None)
    assert watch(site.current, place, sync) == 1
    assert capsys.readouterr().err.splitlines() == [
        "degraded: runs: is not there",
        "degraded: task-0001.json: torn",
        "no longer degraded: runs: is not there",
    ]
