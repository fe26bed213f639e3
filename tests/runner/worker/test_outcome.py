"""Every way in which an attempt ends becomes an outcome, and a failure's traceback is in the log."""

import pytest
import torch

from runner.code_snapshot import CodeDriftError
from runner.run_files import Outcome
from runner.worker.outcome import (
    MESSAGE_CHARACTERS,
    DivergedError,
    StoppedError,
    outcome_of,
)


def test_work_that_ends_well_is_done() -> None:
    done: list[int] = []
    assert outcome_of(lambda: done.append(1)) == Outcome(state="done")
    assert done == [1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DivergedError("the loss is not finite"), "diverged"),
        (torch.OutOfMemoryError("CUDA out of memory"), "oom_gpu"),
        (MemoryError(), "oom_host"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "oom_host"),
        (CodeDriftError("other code"), "code_drift"),
        (ValueError("no such class"), "error"),
    ],
    ids=str,
)
def test_an_error_is_a_failure_of_its_kind(
    error: Exception, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        raise error

    outcome = outcome_of(work)
    assert (outcome.state, outcome.kind) == ("failed", kind)
    assert outcome.message == f"{type(error).__name__}: {error}"
    assert "Traceback" in caplog.text


def test_a_long_message_is_cut() -> None:
    def work() -> None:
        raise ValueError("x" * 1000)

    assert len(outcome_of(work).message or "") == MESSAGE_CHARACTERS


def test_being_told_to_end_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        raise StoppedError("timeout", "told to end (timeout)")

    expected = Outcome(state="failed", kind="timeout", message="told to end (timeout)")
    assert outcome_of(work) == expected
    assert "Traceback" not in caplog.text


def test_what_is_no_error_is_let_through() -> None:
    def work() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        outcome_of(work)
