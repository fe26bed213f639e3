"""The logs of FoMo-in-Flux' code, as it writes them (utils/evaluation.py, utils/training.py), become rows to import."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from schema.imports import fomo
from schema.imports.rows import COLUMNS

SENTENCE = ["--backbone", "tiny", "--stream", "world", "--mixture", "plain", "--method", "finetune"]
SENTENCE += ["--recipe", "usual", "--budget", "small", "--seed", "3"]


def results(birds: list[float], pictures: list[float]) -> dict[str, Any]:
    """A dataset of classes and one of captions, as `give_results_dict` lays them out."""
    return {
        "birds": {
            "total": {"accuracy": birds, "recall@5": [], "task_masked_accuracy": birds},
            "task": {"accuracy": [[1.0, 2.0]]},
            "task_seen": [],
            "exp_task": [],
        },
        "pictures": {"total": {"accuracy": [], "recall@5": pictures}, "task": {}},
        "task_ids_evaluated_on": [],
        "total_experiment_sequence": [],
    }


def flat(birds: float, begins: str = "start_zeroshot") -> dict[str, Any]:
    """A log entry, as `prepare_log_dict` names it."""
    return {
        f"{begins}.birds.total.accuracy": birds,
        f"{begins}.alldata-full.total.accuracy": birds,
        f"{begins}.birds.task-1.accuracy": 1.0,
        "global_counter": 7,
    }


def run_folder(place: Path) -> Path:
    place.mkdir()
    files = {
        "evaluation_zeroshot_results.json": results([40.0], [12.5]),
        "evaluation_results.json": results([50.0, 60.0], [12.0, float("nan")]),
        "zeroshot_score_initial.json": flat(41.0),
        "zeroshot_score_final.json": flat(61.0),
    }
    for name, content in files.items():
        (place / name).write_text(json.dumps(content))
    return place


def converted(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[set[tuple[str, ...]], str]:
    """What is printed as (task, dataset, metric, value, fraction), and what is said of it."""
    assert fomo.main([*words, *SENTENCE]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert set(rows[0]) <= set(COLUMNS) and {row["source"] for row in rows} == {"fomo"}
    names = ("task", "dataset", "metric", "value", "fraction")
    return {tuple(row[name] for name in names) for row in rows}, printed.err


def test_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After each task on a part of the test sets, at the ends on whole ones."""
    place = run_folder(tmp_path / "run")
    rows, said = converted(capsys, str(place), "--subset", "0.1")
    assert rows == {
        ("0", "birds", "top1", "0.4", "0.1"),
        ("0", "pictures", "r5", "0.125", "0.1"),
        ("1", "birds", "top1", "0.5", "0.1"),
        ("2", "birds", "top1", "0.6", "0.1"),
        ("1", "pictures", "r5", "0.12", "0.1"),
        ("0", "birds", "top1", "0.41", "1"),
        ("2", "birds", "top1", "0.61", "1"),
    }
    assert "left out: 3 values of task_masked_accuracy" in said
    whole, _ = converted(capsys, str(place), "--subset", "1")
    assert ("2", "birds", "top1", "0.6", "1") in whole and len(whole) == 5


def test_tasks_that_were_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every third task: the first, 3, 6 and the last, of which two were measured so far."""
    place = run_folder(tmp_path / "run")
    words = ("--subset", "0.5", "--every", "3", "--tasks", "7")
    rows, _ = converted(capsys, str(place), *words)
    assert {task for task, *_, fraction in rows if fraction == "0.5"} == {"0", "1", "3"}
    assert ("7", "birds", "top1", "0.61", "1") in rows
    assert fomo.main([str(place), *SENTENCE, "--subset", "1", "--every", "3"]) == 2
    assert "--every needs --tasks" in capsys.readouterr().err
    assert fomo.main([str(place), *SENTENCE, "--subset", "1", "--tasks", "1"]) == 2
    assert "correct --tasks or --every" in capsys.readouterr().err


def test_the_history_of_a_wandb_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The untouched backbone comes first; steps of training lie between; the last row is of whole test sets."""
    rows: list[dict[str, Any]] = [
        flat(40.0, "adaptation") | flat(41.0),
        {"loss": 0.5},
        flat(50.0, "adaptation"),
        flat(60.0, "adaptation"),
        flat(61.0),
    ]
    path = tmp_path / "history.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for row in rows for name in row}))
        writer.writeheader()
        writer.writerows(rows)
    found, _ = converted(capsys, str(path), "--subset", "0.1")
    assert found == {
        ("0", "birds", "top1", "0.4", "0.1"),
        ("1", "birds", "top1", "0.5", "0.1"),
        ("2", "birds", "top1", "0.6", "0.1"),
        ("0", "birds", "top1", "0.41", "1"),
        ("2", "birds", "top1", "0.61", "1"),
    }


def test_pickles_are_never_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pickle = tmp_path / "evaluation_results.pkl"
    pickle.write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    for place in (pickle, tmp_path):
        assert fomo.main([str(place), *SENTENCE, "--subset", "1"]) == 2
        assert "a pickle is never opened" in capsys.readouterr().err.lower()
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation_results.pkl"]


def test_what_is_no_log_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evaluation_results.json").write_text("[]")
    assert fomo.main([str(tmp_path), *SENTENCE, "--subset", "1"]) == 2
    assert "is no object of datasets" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("loss\n0.5\n")
    assert fomo.main([str(tmp_path / "other.csv"), *SENTENCE, "--subset", "1"]) == 2
    assert "no column like adaptation.<dataset>.total.accuracy" in capsys.readouterr().err
