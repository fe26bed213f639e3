"""`make gpu` where there is no GPU: it says so, and a rehearsal shows that its parts work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu.parts import PARTS, chosen, function
from docpages import gpu

ROOT = Path(__file__).resolve().parent.parent


def run(*words: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "benchmarks.gpu", *words]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_run_and_nothing_recorded() -> None:
    before = command.RECORD.read_bytes() if command.RECORD.exists() else None
    done = run()
    assert done.returncode == 0, done.stderr[-2000:]
    assert "This machine has no GPU: nothing is run, and the record stays as it is." in done.stdout
    assert (command.RECORD.read_bytes() if command.RECORD.exists() else None) == before


def test_every_part_is_a_module_that_can_be_run() -> None:
    assert [callable(function(part.name)) for part in PARTS] == [True] * len(PARTS)
    modules = {path.stem for path in (ROOT / "benchmarks/gpu").glob("*.py")}
    assert modules - {"__init__", "__main__", "parts"} == {part.name for part in PARTS}
    assert sum(part.least_s for part in PARTS) <= 600


def test_parts_are_chosen_by_name_in_their_own_order() -> None:
    assert [part.name for part in chosen(["train", "bits"])] == ["bits", "train"]
    with pytest.raises(ValueError, match=r"no part is called 'speed'. Parts: bits, golden, "):
        chosen(["speed"])


def test_what_the_time_does_not_suffice_for_is_left_out_and_said_so() -> None:
    record = command._run_all(chosen([]), 10.0, True)
    assert {name: sorted(part) for name, part in record["parts"].items()} == {
        part.name: ["left_out"] for part in PARTS
    }
    assert record["parts"]["bits"]["left_out"] == "10 s were left of 10"


def test_a_part_that_takes_too_long_is_ended_and_one_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert command._run(PARTS[1], 0.05, True) == {"failed": "not done after 0 s"}
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert command._run(PARTS[1], 60.0, True) == {"failed": "exit code 1"}


def test_the_record_is_shown_with_what_failed_and_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {
        "surroundings": {"date": "a day"},
        "device": "a GPU",
        "parts": {
            "golden": {
                "rows": [{"method": "full", "same": True}],
                "holds": True,
                "remarks": ["a word"],
                "seconds": 3.1,
            },
            "bits": {"failed": "it broke", "seconds": 1.0},
            "ranks": {"left_out": "2 s were left of 600"},
        },
    }
    monkeypatch.setattr(gpu, "RECORD", tmp_path / "record.json")
    assert gpu.page().startswith("**Nothing has been recorded")
    gpu.RECORD.write_text(json.dumps(record))
    text = gpu.page()
    assert "On a GPU (date: a day):" in text and "a word" in text
    assert "failed: it broke" in text and "left out: 2 s were left of 600" in text
    assert "| full | True |" in text and "holds, 3.1 s" in text


@pytest.mark.slow
def test_every_part_can_be_rehearsed() -> None:
    """In one command, as each part has a process of its own already."""
    done = run("--rehearse", "--minutes", "60")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for part in PARTS:
        assert f"{part.name}: holds, " in done.stdout
    assert "A rehearsal: its numbers say nothing, and nothing is recorded." in done.stdout
