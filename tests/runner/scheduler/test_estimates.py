"""What is pending and what it will cost: the solver in SQL against the one in Python, and a
forecast against pencil and paper.
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.table import Table

from runner.backends.local import Local
from runner.budget import BudgetError, Profiled, price, steps_per_task
from runner.scheduler import forecast_tables
from runner.scheduler.dry_run import SHOWN, Concurrency, concurrent, dry_run
from runner.scheduler.estimates import LIKELY, Sum, by_study, gpu_share, too_large, total
from runner.scheduler.forecast_remarks import remarks
from schema.catalog import Catalog
from schema.site import Needs, Site
from tests.filled import PAPER, Filled

few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KIND: dict[str, Any] = {
    "study": "s", "backbone": "tiny", "method": "m", "trials": 1, "steps": 10, "pflops": 1.0, "peak_bytes": 10**9, "device": "gpu",
    "seconds": 3600.0, "error_s": 0.0, "noise_s": 0.0, "priority": 0, "last_trial": 1, "profiled": True, "ranks": 1,
}  # fmt: skip


@few
@given(
    st.sampled_from(["steps", "pairs", "gflops", "maf_gflops"]),
    st.sampled_from(["once", "per_step"]),
    st.integers(1, 10**7),
    st.sampled_from([2, 20, 50, 100, 200]),
    st.floats(1e6, 1e12),
    st.floats(0, 1e13),
    st.integers(10**8, 10**11),
)
def test_sql_and_python_solve_alike(
    filled: Filled,
    unit: str,
    charging: str,
    total_units: int,
    tasks: int,
    flops: float,
    once: float,
    peak: int,
) -> None:
    """Any budget, any profile; and no task is ever over its share by more than half a step."""
    filled.clear()
    filled.connection.execute("DELETE FROM budget WHERE name = 'b'")
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total, charging) VALUES ('b', ?, ?, ?)",
        [unit, total_units, charging],
    )
    filled.profile(
        "finetune", train=(flops, 10**8), objective=(once, peak), full=(flops, 3 * 10**9)
    )
    row = filled.row("steps", budget="b", tasks=tasks)
    said = {"name": "b", "unit": unit, "total": total_units, "charging": charging}
    profiled = Profiled(flops / 1e9, once / 1e9, peak, 3 * 10**9)
    if unit.endswith("gflops") and not profiled.multiplier:
        return
    cost = price(said, 16, profiled)
    assert (row["step_price"], row["once_price"]) == pytest.approx((cost.step, cost.once))
    assert row["over_of_a_task"] <= 0.5 + 1e-6 * max(1, abs(row["steps"]))
    try:
        assert row["steps"] == steps_per_task(said, tasks, 16, profiled)
    except BudgetError:
        assert row["steps"] < 1


def test_price_has_what_is_charged(filled: Filled) -> None:
    """Choosing pairs is part of a step, the highest peak counts, and rows from before mixtures were
    told apart count for none.
    """
    filled.profile(
        "finetune", train=(2e9, 30), score=(1e9, 20), objective=(5e9, 40), full=(2e9, 30)
    )
    filled.profile("lora", mixture="", train=(2e9, 30), full=(2e9, 30))
    row = filled.row("price")
    assert (row["step_gflops"], row["once_gflops"], row["peak_bytes"], row["multiplier"]) == (
        3,
        5,
        40,
        1.3333,
    )
    assert row["step_maf_gflops"] == pytest.approx(3 * 1.3333)


def test_outlook_on_paper(filled: Filled) -> None:
    """Three that took 4, 5 and 9 s on the device that was used last; another device is not asked."""
    for seed, (seconds, device) in enumerate([(4, "new"), (5, "new"), (9, "new"), (1000, "old")]):
        trial = filled.trial(seed=seed)
        day = "2026-02-01" if device == "new" else "2026-01-01"
        filled.attempt(trial, state="done", device=device, finished_at=f"{day} 10:00:00+00")
        filled.cost(trial, 1, flops=2e15, seconds=seconds - 1)
        filled.cost(trial, 1, "evaluate", flops=9e15, seconds=1)
    filled.profile("lora", train=(8e13, 10**9), full=(8e13, 10**9))
    filled.profile("ewc", train=(8e13, 10**9), full=(8e13, 10**9))
    for seed in (10, 11):
        filled.trial(seed=seed)
    filled.trial(method="lora")
    filled.trial(method="ewc", mixture="replay")
    rows = {row["method"]: row for row in filled.rows("outlook")}
    # Three trials tell of a spread with two degrees of freedom
    spread = 4.303 / 1.959964 * math.sqrt((4 + 1 + 9) / 2)
    alike, rated, similar = rows["finetune"], rows["lora"], rows["ewc"]
    assert (alike["trials"], alike["by_what"], alike["based_on"], alike["device"]) == (
        2,
        "alike",
        3,
        "new",
    )
    assert (alike["seconds"], alike["pflops"]) == (6, 2)
    assert (alike["error_s"], alike["noise_s"]) == pytest.approx((spread / math.sqrt(3), spread))
    assert (rated["steps"], rated["pflops"], rated["by_what"], rated["peak_bytes"]) == (
        100,
        8,
        "by FLOPs",
        10**9,
    )
    assert (rated["seconds"], rated["error_s"]) == pytest.approx((24, 4 * spread))
    assert rated["noise_s"] == pytest.approx(24 * spread / 6)
    assert (similar["by_what"], similar["seconds"], similar["profiled"]) == ("similar", 6, False)
    each = {row["trial"]: row for row in filled.rows("forecast")}
    assert len(each) == 4 and sorted(row["seconds"] for row in each.values()) == pytest.approx(
        [6, 6, 6, 24]
    )


def finished(filled: Filled, once_s: float, **words: Any) -> int:
    """Add a finished trial of two tasks: 100 steps in 10 s, 2 s of evaluation, `once_s` of a pass."""
    trial = filled.trial(**words)
    filled.attempt(trial, state="done", device="cpu", finished_at="2026-02-01 10:00:00+00")
    for task in (1, 2):
        filled.cost(trial, task, flops=1e15, seconds=5)
        filled.cost(trial, task, "objective", flops=once_s * 1e14, seconds=once_s / 2)
        filled.cost(trial, task, "evaluate", flops=0, seconds=1)
    return trial


def with_fisher_pass(filled: Filled) -> None:
    """Make `ewc` a method that passes over pairs once per task."""
    filled.connection.execute(
        "UPDATE method SET objective = 'contrastive+ewc', "
        """objective_params = '{"ewc": {"fisher_pairs": 50000}}' WHERE name = 'ewc'"""
    )


def test_a_pass_that_nothing_tells_of_is_not_forecast_by_trials_without_one(filled: Filled) -> None:
    with_fisher_pass(filled)
    finished(filled, 0)
    filled.trial(method="ewc")
    filled.trial(method="lora")
    rows = {row["method"]: row for row in filled.rows("outlook")}
    assert (rows["lora"]["seconds"], rows["lora"]["by_what"]) == (12, "similar")
    assert (rows["ewc"]["seconds"], rows["ewc"]["by_what"], rows["ewc"]["based_on"]) == (
        None,
        None,
        0,
    )
    prices = {row["method"]: row["seconds"] for row in filled.rows("grid_cost()")}
    assert prices == {"finetune": 12, "lora": 12, "ewc": None}


def test_a_profiled_pass_is_in_the_forecast(filled: Filled) -> None:
    """100 steps of 0.02 PFLOPs take 12 s with evaluation, so two passes of 40 PFLOPs take 480 s more."""
    with_fisher_pass(filled)
    finished(filled, 0)
    filled.profile("ewc", train=(2e13, 10), objective=(4e16, 10), full=(2e13, 10))
    filled.trial(method="ewc")
    row = filled.row("outlook")
    assert (row["by_what"], row["seconds"]) == ("by FLOPs", pytest.approx(6 * (2 + 80)))
    assert filled.row("price")["once_gflops"] == pytest.approx(4e7)


def test_a_finished_pass_teaches_the_forecast_of_other_budgets(filled: Filled) -> None:
    """The pass runs once per task whatever the steps: ten times the steps are not ten times the pass."""
    with_fisher_pass(filled)
    finished(filled, 0)
    finished(filled, 800, method="ewc")
    filled.trial(method="ewc", budget="large")
    row = filled.row("outlook")
    assert (row["by_what"], row["based_on"], row["seconds"]) == ("by method", 1, 100 + 802)
    assert (row["error_s"], row["noise_s"]) == (None, 0)
    (price_row,) = filled.rows("grid_cost(methods := 'ewc', budgets := 'large')")
    assert (price_row["seconds"], price_row["based_on"]) == (902, 1)
    assert filled.row("forecast")["seconds"] == 902


def test_the_interval_of_a_forecast_by_method_is_that_of_its_trials(filled: Filled) -> None:
    """Two that took 10 + 102 and 10 + 302 s say 202 and 402 s of ten times the steps."""
    for seed, once_s in enumerate((100, 300)):
        finished(filled, once_s, seed=seed)
    filled.trial(budget="large")
    row = filled.row("outlook")
    assert row["seconds"] == pytest.approx((202 + 402) / 2)
    wider = 12.706 / 1.959964
    assert row["error_s"] == pytest.approx(wider * math.sqrt(2) * 100)
    spread = wider * math.sqrt(2) * 100 / 212
    assert row["noise_s"] == pytest.approx(spread * 302)


def test_a_budget_in_flops_is_not_guessed(filled: Filled) -> None:
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total) VALUES ('flops', 'maf_gflops', 100)"
    )
    filled.trial(budget="flops")
    filled.trial(budget="flops", method="ewc")
    filled.profile("finetune", train=(5e9, 10), full=(5e9, 10))
    rows = {row["method"]: row["steps"] for row in filled.rows("outlook")}
    assert rows == {"finetune": 20, "ewc": None}
    filled.connection.execute("UPDATE budget SET total = 4 WHERE name = 'flops'")
    assert filled.row("outlook", method="finetune")["steps"] == 0


def test_profiles_beside_the_published(filled: Filled) -> None:
    """EWC at every step, as published, and only when it runs."""
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total, charging) VALUES ('fomo', 'maf_gflops', 6e2, 'per_step')"
    )
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total) VALUES ('fomo_once', 'maf_gflops', 6e2)"
    )
    for metric, value, tasks in (
        ("step_gflops", 6, ""),
        ("memory_multiplier", 1.25, ""),
        ("steps_per_task", 4, ', "tasks": 20'),
    ):
        filled.connection.execute(
            "INSERT INTO reference_result (source, setting, metric, value, provenance) VALUES ('FoMo-in-Flux, compute', ?, ?, ?, 'seen')",
            [f'{{"backbone": "tiny", "batch_pairs": 16, "method": "EWC"{tasks}}}', metric, value],
        )
    filled.profile("ewc", train=(2e9, 10), objective=(3e9, 15), full=(2e9, 10))
    row, once = filled.row("profiles()"), filled.row("profiles(budget := 'fomo_once')")
    assert (row["steps"], row["published_steps"], once["steps"]) == (4, 4, 8)
    assert (row["gflops_apart"], once["gflops_apart"]) == pytest.approx((5 / 6 - 1, 2 / 6 - 1))
    assert (row["multiplier"], row["multiplier_apart"]) == pytest.approx((1.5, 0.2))


# ---------------------------------------------------------------- adding up


def test_sums_say_what_they_leave_out() -> None:
    found = Sum()
    found.add(
        KIND | {"trials": 4, "error_s": 360, "noise_s": 720},
        Needs(gpus_per_trial=2, trials_side_by_side=4),
    )
    assert (
        found.trials,
        found.steps,
        found.pflops,
        found.peak_gb,
        found.hours,
        found.gpu_hours,
    ) == (4, 40, 4, 1, 4, 2)
    assert found.relative_error == pytest.approx(LIKELY * math.sqrt(0.4**2 + 4 * 0.2**2) / 4)
    found.add(KIND | {"steps": None, "pflops": None, "seconds": None, "peak_bytes": None}, Needs())
    assert (found.stepless, found.flopless, found.timeless, found.hours) == (1, 1, 1, 4)
    found.add(KIND | {"error_s": None}, Needs())
    assert found.relative_error is None and found.hours == 5


@pytest.mark.parametrize(("ranks", "gpus"), [(1, 0.5), (4, 0.5), (8, 8)])
def test_gpus_are_those_of_all_nodes(site: Site, ranks: int, gpus: float) -> None:
    wide = replace(
        site, needs=Needs(gpus_per_trial=4, node_gpus=4, trials_per_job=8, trials_side_by_side=8)
    )
    assert total(wide, [KIND | {"ranks": ranks}]).gpu_hours == gpus


def test_studies_in_the_order_of_their_ends(site: Site) -> None:
    kinds = [KIND | {"study": "late", "last_trial": 9}, KIND | {"study": "early", "last_trial": 3}]
    kinds += [
        KIND | {"study": "urgent", "last_trial": 99, "priority": 5},
        KIND | {"study": "early", "last_trial": 2},
    ]
    assert list(by_study(site, kinds)) == ["urgent", "early", "late"]
    assert by_study(site, kinds)["early"].trials == 2 and total(site, kinds).trials == 4


def test_what_will_not_fit_is_said_by_backbone(site: Site) -> None:
    """Two beside each other need twice the memory; a class without gpu_memory_gb is not judged."""
    small = replace(
        site,
        needs=Needs(gpu_memory_gb=1.5),
        by_backbone={"big": Needs(gpu_memory_gb=1.5, trials_side_by_side=2)},
    )
    kinds = [KIND, KIND | {"backbone": "big", "trials": 3}]
    assert too_large(site, kinds) == {} and list(too_large(small, kinds)) == [("big", 1.5)]
    (line,) = remarks(small, kinds, total(small, kinds))
    assert line.startswith(
        "WILL NOT FIT: 3 trials of big (m) need up to 1.00 GB and its GPUs have 1.5 GB"
    )
    assert "is not checked: set gpu_memory_gb" in remarks(site, kinds, total(site, kinds))[0]


def test_what_is_unknown_is_said_with_what_makes_it_known(site: Site) -> None:
    words = {"mixture": "x", "recipe": "r"}
    kinds = [
        KIND | words | {"profiled": False, "steps": None, "seconds": None},
        KIND | words | {"steps": 0, "error_s": None},
    ]
    said = " ".join(remarks(site, kinds, total(site, kinds)))
    assert "not profiled: 1 trials, 1 combinations" in said and "--dry-run --profile" in said
    assert "WILL BE REFUSED: 1 trials" in said and "time unknown: 1 trials" in said
    assert "no interval" in " ".join(remarks(site, kinds[1:], total(site, kinds[1:])))


def test_concurrency_is_what_runs_and_what_would_start(site: Site) -> None:
    assert concurrent(site, [], 3) == Concurrency(
        3, "0 run now and 3 would start with the next pass"
    )
    packed_site = replace(site, needs=Needs(trials_per_job=4, trials_side_by_side=2))
    assert concurrent(packed_site, [], 8).trials == 4


def test_many_pending_are_grouped(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 100,000: the lines printed do not grow with them, nothing is written, and the totals are
    exact.
    """
    site.catalog.parent.mkdir()
    filled = Filled(site.catalog)
    for seed in range(3):
        filled.done(PAPER, seed=seed)
    filled.connection.execute(
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study) "
        "SELECT 'tiny', 'world', 'plain', m, 'usual', 'small', s, 'grid' FROM (SELECT unnest(['finetune', 'lora']) AS m), range(100, 50100) r(s)"
    )
    filled.connection.close()
    before = site.catalog.stat().st_mtime_ns
    assert dry_run(site, Local(site), None) == 0
    said = capsys.readouterr().out
    assert (
        "100000 pending in all" in said
        and "10,000,000" in said
        and len(said.splitlines()) < SHOWN + 15
    )
    assert site.catalog.stat().st_mtime_ns == before


@pytest.mark.slow
def test_what_is_profiled_is_remembered(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The real worker, on the tiny backbone.

    Two methods that differ in what is merged after a task, and one that cannot run.
    """
    from runner import profiling as profiles
    from tests.runner.worker.test_step_cost import TINY

    site.catalog.parent.mkdir()
    filled = Filled(site.catalog)
    filled.connection.execute(
        "INSERT INTO backbone (name, architecture) VALUES ('small', ?)", [TINY]
    )
    filled.connection.execute(
        "INSERT INTO method (name, merging, deploy) VALUES ('ema', 'interpolate', 'merged')"
    )
    filled.connection.execute("INSERT INTO method (name, objective) VALUES ('gere', 'gere')")
    filled.connection.close()
    monkeypatch.chdir(site.folder)
    assert (
        profiles.main(
            ["small", "usual", "--mixture", "plain", "--methods", "finetune", "ema", "gere"]
        )
        == 1
    )
    assert "write 'contrastive+gere'" in caplog.text
    assert "2 profiled" in capsys.readouterr().out
    with Catalog(site.catalog).open() as connection:
        found = connection.execute(
            "SELECT method, step_gflops > 0, multiplier FROM price ORDER BY method"
        ).fetchall()
    assert found == [("ema", True, 1), ("finetune", True, 1)]
    assert profiles.main(["small", "usual", "--mixture", "plain", "--methods", "finetune"]) == 0
    assert "0 profiled" in capsys.readouterr().out
    assert profiles.main(["smal", "usual"]) == 2
    assert "unknown backbone 'smal'. Did you mean 'small'?" in capsys.readouterr().err


def test_without_a_catalog(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from runner import profiling as profiles

    monkeypatch.chdir(tmp_path)
    assert profiles.main(["b", "r"]) == 2
    assert "make one with: python -m schema" in capsys.readouterr().err


# ---------------------------------------------------------------- the lines that are printed


def cells(table: Table) -> list[dict[str, str]]:
    """Return the rows of a printed table, by the names of its columns."""
    columns = [(str(column.header), list(column.cells)) for column in table.columns]
    return [{name: str(values[row]) for name, values in columns} for row in range(table.row_count)]


def ends(table: Table) -> list[datetime]:
    """Return the expected end of each line."""
    return [datetime.strptime(row["expected end"][:16], "%Y-%m-%d %H:%M") for row in cells(table)]


def test_a_study_ends_after_those_before_it(site: Site) -> None:
    """One hour, then two more: with one worker the second ends after three, and so do all."""
    words = {"mixture": "x", "recipe": "r", "stream": "s", "budget": "b", "by_what": "alike"}
    kinds = [
        KIND | words | {"study": "first", "last_trial": 1},
        KIND | words | {"study": "second", "last_trial": 2, "seconds": 7200.0},
    ]
    before = datetime.now()
    first, second, whole = ends(forecast_tables.studies(site, kinds, 1))
    minute = timedelta(minutes=1)
    assert abs(first - before - timedelta(hours=1)) <= minute
    assert abs(second - before - timedelta(hours=3)) <= minute and abs(whole - second) <= minute
    first, second, _ = ends(forecast_tables.studies(site, kinds, 3))
    assert abs(second - before - timedelta(hours=1)) <= 2 * minute


def test_lines_say_what_is_not_known(site: Site) -> None:
    words = {"mixture": "x", "recipe": "r", "stream": "s", "budget": "b", "by_what": "alike"}
    known = KIND | words | {"error_s": 360.0, "pflops": 1234.5}
    unknown = known | {"seconds": None, "steps": None, "pflops": None, "peak_bytes": None}
    table = forecast_tables.studies(site, [known, unknown | {"study": "later", "last_trial": 2}], 1)
    first, later, whole = cells(table)
    assert (first["steps"], first["PFLOPs"], first["peak GB"]) == ("10", "1,234", "1.00")
    assert first["hours"] == "1 (0.804 to 1.2)" and first["GPU-hours"] == "1 (0.804 to 1.2)"
    assert {later[name] for name in ("steps", "PFLOPs", "peak GB", "hours", "expected end")} == {
        "unknown"
    }
    assert (whole["steps"], whole["hours"], whole["expected end"]) == (
        "over 10",
        "over 1",
        "unknown",
    )


def test_the_next_trials_say_what_is_expected_of_them() -> None:
    words = {"mixture": "x", "recipe": "r", "stream": "s", "budget": "b"}
    kinds = [KIND | words | {"by_what": "by FLOPs", "based_on": 3}]
    kinds.append(kinds[0] | {"study": None, "seconds": None, "steps": None})
    trials = [kinds[0] | {"trial": 7, "seed": 2}, kinds[1] | {"trial": 8, "seed": 0}]
    first, second = cells(forecast_tables.next_trials(trials, kinds))
    assert (first["trial"], first["study"], first["seed"]) == ("7", "s", "2")
    assert (first["steps"], first["expected"]) == ("10", "1 h 00 min (by FLOPs, 3)")
    assert (second["study"], second["steps"], second["expected"]) == ("", "unknown", "unknown")


def test_a_gpu_is_shared_by_the_trials_beside_it() -> None:
    assert gpu_share(Needs(gpus_per_trial=2, trials_side_by_side=4), "an H200") == 0.5
    assert gpu_share(Needs(gpus_per_trial=2), None) == 2
    assert gpu_share(Needs(gpus_per_trial=2), "cpu (one core)") == 0


@pytest.mark.parametrize(("gpus", "beside", "large"), [(1, 2, True), (2, 2, False), (2, 3, True)])
def test_trials_on_one_gpu_need_their_memory_at_once(
    site: Site, gpus: int, beside: int, large: bool
) -> None:
    """1 GB each, and a GPU of 1.5 GB; 1 GB fits a GPU of exactly 1 GB."""
    needs = Needs(gpu_memory_gb=1.5, gpus_per_trial=gpus, trials_side_by_side=beside)
    assert bool(too_large(replace(site, needs=needs), [KIND])) == large
    assert too_large(replace(site, needs=Needs(gpu_memory_gb=1.0)), [KIND]) == {}
