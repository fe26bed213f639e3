"""Where a step's time went is written beside a trial's results, and changes none of them."""

import gzip
import json
from pathlib import Path

import pytest

from runner.trial import main
from runner.worker.step_trace import LOOKED_AT, WARM_UP, Tracer
from tests.processes import SPAWN, attempt
from tests.runner.test_trial import brought, spec_of
from tests.toy import DATA


def _learn(*arguments: str) -> None:
    raise SystemExit(main(list(arguments)))


@pytest.mark.slow
def test_a_trial_that_is_looked_at_comes_to_the_same(tmp_path: Path) -> None:
    spec = spec_of("toy_ema")
    plain, seen = (
        attempt(tmp_path / "plain", spec, 1, DATA),
        attempt(tmp_path / "seen", spec, 1, DATA),
    )
    for arguments in ([str(plain)], [str(seen), "--trace"]):
        process = SPAWN.Process(target=_learn, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == 0
    assert brought(tmp_path / "plain") == brought(tmp_path / "seen") and not list(
        plain.glob("step.*")
    )
    text = (seen / "step.txt").read_text()
    first, rows = (
        text.splitlines()[0],
        {line.split()[0]: line.split()[1:] for line in text.splitlines()[2:9]},
    )
    assert first == f"{LOOKED_AT} steps after {WARM_UP}, milliseconds of the host per step"
    assert list(rows) == [
        "data",
        "tokenize",
        "transfer",
        "forward",
        "backward",
        "optimizer",
        "together",
    ]
    parts_ms = [float(row[0]) for row in rows.values()]
    assert all(part > 0 for part in parts_ms) and sum(parts_ms[:-1]) == pytest.approx(
        parts_ms[-1], abs=0.01
    )
    # Which operators are the slowest depends on what else the machine does
    assert text.count(" aten::") >= 10
    events = json.loads(gzip.decompress((seen / "step.trace.json.gz").read_bytes()))["traceEvents"]
    assert sum(event["name"] == "forward" and event["ph"] == "X" for event in events) == LOOKED_AT


def test_a_trial_that_is_too_short_to_be_looked_at_says_so(tmp_path: Path) -> None:
    tracer = Tracer(tmp_path)
    tracer.step()
    tracer.close()
    assert (
        tmp_path / "step.txt"
    ).read_text() == "nothing was looked at: 3 steps are passed over, and the trial took 1\n"
