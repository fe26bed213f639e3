"""Compiled towers are the same function under every tuning and way to run them.

No pass falls back to plain code unseen. Where a trial chooses by the clock, its decision is kept
and said.
"""

import json
import mmap
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch._inductor.utils import fresh_cache

from methods.compute import compiled
from methods.compute.towers import Towers
from methods.objectives._distillation import frozen
from runner.run_files import Assignment
from runner.run_folder import STOPS, RunFolder, attempt_folder
from runner.trial import learn
from runner.worker import autotune as choosing
from runner.worker.autotune import Choice
from runner.worker.between_steps import BetweenSteps
from runner.worker.flops import FlopCounter
from runner.worker.profiler.step_cost import profile
from schema.checks.compute import Compute, ComputeError
from schema.spec import Spec
from tests.methods.test_compute import double as double
from tests.methods.test_compute import gradients
from tests.processes import attempt
from tests.runner.test_trial import brought
from tests.runner.test_trial import spec_of as toy
from tests.runner.worker.test_step_cost import full_fine_tuning, spec_of
from tests.tiny_clip import TEXT, VISION, objective_of, task, tuning
from tests.tiny_clip import learn as learned
from tests.toy import DATA

PLAIN, ON = Compute(), Compute(compile="on")
AUTO = Towers(compute=Compute(compile="auto"))
WAYS = {
    "whole": ON,
    "chunks": replace(ON, chunk_pairs=4),
    "checkpointing": replace(ON, checkpointing=True),
}


def small() -> nn.Module:
    """One layer a tower, the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CLIP(embed_dim=16, vision_cfg=VISION | {"layers": 1}, text_cfg=TEXT | {"layers": 1})


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[CompileCounter]:
    """In place of a backend that makes kernels: traced graphs are run as they are, and counted."""
    made, fused = CompileCounter(), torch.backends.mha.get_fastpath_enabled()
    monkeypatch.setattr(compiled, "BACKEND", made)
    yield made
    torch._dynamo.reset()
    torch.backends.mha.set_fastpath_enabled(fused)


@pytest.mark.parametrize(
    ("name", "way"), [("full", "chunks"), ("lora", "checkpointing"), ("locked_image", "whole")]
)
@pytest.mark.usefixtures("double")
def test_a_step_is_the_plain_one_to_the_bit(name: str, way: str, counter: CompileCounter) -> None:
    """But for kernels, which are not made here.

    The traced tower is that of the model, with the weights in use.
    """
    model, what, how = small().double(), objective_of("contrastive"), tuning(name)
    towers = Towers.of(WAYS[way], model)
    learned(model, tuning("full"), what, 1)
    what.begin(model, task(2))
    moving = how.begin(model, task(2))
    with torch.no_grad():
        for parameter in moving:
            parameter.add_(0.01)
    found = [
        gradients(model, each, what, moving)
        for each in (replace(towers, compute=replace(WAYS[way], compile="off")), towers)
    ]
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True)) and any(
        bool(each.any()) for each in found[0][1:]
    )
    assert counter.frame_count == 2


def test_copies_run_what_is_made_already(counter: CompileCounter) -> None:
    """With and without gradients are two ways to run a tower.

    A teacher of the next task is another model, with other weights.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    model, rows = small(), torch.randn(2, 3, 16, 16)
    towers = Towers.of(ON, model)
    towers.encode_image(model, rows)
    for number in (1, 2):
        teacher = frozen(
            model, {name: tensor * number for name, tensor in model.state_dict().items()}
        )
        with torch.no_grad():
            assert torch.equal(towers.encode_image(teacher, rows), teacher.encode_image(rows))
    assert counter.frame_count == 2


def test_what_is_listened_to_or_counted_runs_plainly(counter: CompileCounter) -> None:
    model = small()
    towers = Towers.of(ON, model)
    rows = torch.randn(2, 3, 16, 16)
    with FlopCounter() as seen:
        plainly = towers.encode_image(model, rows)
    assert counter.frame_count == 0 and seen.get_total_flops() > 0
    hook = model.visual.ln_post.register_forward_hook(lambda *_: None)
    assert torch.equal(towers.encode_image(model, rows), plainly) and counter.frame_count == 0
    hook.remove()
    assert torch.equal(towers.encode_image(model, rows), plainly) and counter.frame_count == 1


def test_a_profile_is_that_of_the_plain_step() -> None:
    assert profile(spec_of(recipe={"compute_params": {"compile": "on"}})) == full_fine_tuning()


def test_what_cannot_be_compiled_is_an_error_and_not_a_plain_pass(
    counter: CompileCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "SHAPES", 1)
    model = small()
    towers = Towers.of(ON, model)
    towers.encode_image(model, torch.randn(2, 3, 16, 16))
    with pytest.raises(
        ComputeError,
        match="torch.compile cannot take encode_image of this backbone: .* Let compile be off",
    ):
        towers.encode_image(model, torch.randn(3, 3, 16, 16))


def test_without_a_compiler_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    words = r"compile needs a compiler \(c\+\+, g\+\+, clang\+\+\), and none is on the path. Install one \(apt install g\+\+.*CXX"
    for said in ("on", "auto"):
        with pytest.raises(ComputeError, match=words):
            Towers.of(Compute(compile=said), small())
    with pytest.raises(
        ComputeError,
        match="a compiler .cc, gcc, clang., and none .* set CC to it, or let compile be off",
    ):
        compiled.compiler("cuda")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ComputeError, match="CXX=no-such-compiler"):
        compiled.compiler("cpu")


class Clock:
    """Time that passes as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(choosing, "_now", lambda: self.now_s)

    def step(
        self, choice: Choice, steps_left: int, plain_s: float, compiled_s: float, compile_s: float
    ) -> str:
        """One step, and how it was computed."""
        how = choice.how.compile
        with choice.timed(steps_left):
            self.now_s += (
                plain_s if how == "off" else compiled_s + (0 if choice.compiled_s else compile_s)
            )
        return how


@pytest.mark.parametrize(
    ("steps", "compiled_s", "compile_s", "kept"),
    [(200, 0.6, 50.0, "on"), (200, 0.9, 50.0, "off"), (200, 1.1, 0.0, "off")],
)
def test_it_stays_with_what_will_be_over_sooner(
    steps: int, compiled_s: float, compile_s: float, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, choice = Clock(monkeypatch), Choice(AUTO)
    said = [clock.step(choice, steps - n, 1.0, compiled_s, compile_s) for n in range(1, 12)]
    assert said == ["off"] * 4 + ["on"] * 4 + [kept] * 3
    times = {
        "compiled": float(kept == "on"),
        "plain_step_s": 1.0,
        "compiled_step_s": compiled_s,
        "compile_s": compile_s,
    }
    assert choice.facts == pytest.approx(times)
    assert {row["name"]: row["value"] for row in choice.rows(2)} == choice.facts
    assert all(row["task"] == 2 and row["part"] == "all" for row in choice.rows(2))


def test_a_trial_that_is_nearly_over_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, choice = Clock(monkeypatch), Choice(AUTO)
    assert [clock.step(choice, 30 - n, 1.0, 0.1, 1.0) for n in range(1, 8)] == ["off"] * 7
    assert choice.facts == {"compiled": 0.0, "plain_step_s": 1.0}
    assert Choice(Towers()).rows(1) == [] and Choice(Towers(compute=ON)).rows(1)[0]["value"] == 1.0


def test_where_somebody_listens_nothing_is_tried_and_it_is_said_that_it_ran_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on, auto = Choice(Towers(compute=ON)), Choice(AUTO)
    for choice in (on, auto):
        choice.begin_task(listened=True)
    assert [Clock(monkeypatch).step(auto, 200 - n, 1.0, 0.1, 1.0) for n in range(9)] == [
        "off"
    ] * 9 and not auto.facts
    assert [choice.rows(2)[0]["value"] for choice in (on, auto)] == [0.0, 0.0]
    other = Choice(Towers(compute=ON))
    other.load_state_dict(on.state_dict())
    assert other.rows(2) == on.rows(2) and Choice(Towers(compute=ON)).rows(2)[0]["value"] == 1.0


def computed(**params: Any) -> Spec:
    """A toy trial whose recipe says so."""
    said = json.loads(toy("toy_lora_ewc").to_json())
    said["recipe"]["compute_params"] = params
    return Spec.from_row(said)


def learn_all(
    runs: Path,
    spec: Spec,
    stop_at: tuple[int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
    store: str = "",
) -> dict[str, Any]:
    """In this process; told to end at (task, step), and gone on with by another attempt."""
    for number, told in enumerate([stop_at, None] if stop_at else [None], 1):
        word = mmap.mmap(-1, 1)

        def report(
            between_steps: BetweenSteps,
            step: int,
            training: Any,
            told: Any = told,
            word: mmap.mmap = word,
        ) -> None:
            if (training.task, step) == told:
                word[0] = STOPS.index("preempted")

        monkeypatch.setattr(BetweenSteps, "report", report)
        torch._dynamo.reset()
        assert learn(RunFolder(attempt(runs, spec, number, DATA, store=store)), word) == (
            1 if told else 0
        )
    return brought(runs)


@pytest.mark.parametrize("said", [pytest.param("on", marks=pytest.mark.slow), "auto"])
def test_resumed_it_comes_to_the_same_bits(
    said: str, counter: CompileCounter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both towers' graphs are made anew in the second attempt.

    What `auto` decided in the first, by a clock that has it compiled, stays.
    """
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(choosing, "TIMED", 1)
    monkeypatch.setattr(choosing, "LEAST_S", 0.0)
    for runs, stop_at in ((tmp_path / "whole", None), (tmp_path / "killed", (2, 2))):
        times = iter(
            [0.0, 9.0, 10.0, 19.0, 20.0, 25.0, 30.0, 30.5]
        )  # two plain steps, two compiled ones; then nobody looks
        monkeypatch.setattr(choosing, "_now", partial(next, times))
        found.append(learn_all(runs, computed(compile=said), stop_at, monkeypatch))
    undisturbed, resumed = found
    assert resumed == undisturbed and counter.frame_count == 3 * 2
    facts = {row[1]: row[3] for row in undisturbed["statistic 2"]}
    assert facts["compiled"] == 1.0 and ("plain_step_s" in facts) == (said == "auto")


def test_a_task_that_ran_plainly_says_so(
    counter: CompileCounter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MIGU listens to the layers from the second task on."""
    said = json.loads(computed(compile="on").to_json())
    said["method"] |= {
        "tuning": "migu",
        "tuning_params": {},
        "objective": "contrastive",
        "objective_params": {},
    }
    found = learn_all(tmp_path, Spec.from_row(said), None, monkeypatch)
    assert [
        row[3] for task in (1, 2) for row in found[f"statistic {task}"] if row[1] == "compiled"
    ] == [1.0, 0.0]
    assert counter.frame_count == 2


def test_the_decision_belongs_to_what_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two trials with `auto` the second trains nothing, and reads no clock.

    The same bits, costs in full, the first's decision.
    """
    monkeypatch.setattr(choosing, "TIMED", 1)
    monkeypatch.setattr(choosing, "LEAST_S", 1e9)
    for trial, times in ((1, [0.0, 9.0, 10.0, 19.0]), (2, [])):
        monkeypatch.setattr(choosing, "_now", partial(next, iter(times)))
        folder = attempt_folder(tmp_path / str(trial), trial, 1)
        about = {"checkpoint_minutes": 0.0, "store": str(tmp_path / "store"), "stem": "toy"}
        RunFolder(folder).create(
            computed(compile="auto"),
            Assignment(trial=trial, attempt=1, batch="batch", position=0, data=str(DATA), **about),
        )
        assert learn(RunFolder(folder), mmap.mmap(-1, 1)) == 0
    first, second = (brought(tmp_path / str(trial)) for trial in (1, 2))
    assert first == second
    facts = {row[1]: row[3] for row in second["statistic 2"]}
    assert (facts["compiled"], facts["plain_step_s"]) == (0.0, 9.0)
    assert len(list((tmp_path / "store/trunks/toy").iterdir())) == 2


@pytest.mark.slow
def test_kernels_made_anew_are_the_same() -> None:
    """A pass of one layer of the image tower, really compiled, twice from nothing.

    Equal to the bit, and to torch to rounding.
    """
    found: list[Tensor] = []
    for how in (PLAIN, ON, ON):
        model, rows = small(), torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)
        torch._dynamo.reset()
        with fresh_cache(), torch.no_grad():
            found.append(Towers.of(how, model).encode_image(model, rows))
    plain, once, again = found
    assert torch.equal(once, again)
    torch.testing.assert_close(once, plain, rtol=1e-4, atol=1e-5)
