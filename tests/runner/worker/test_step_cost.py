"""Profiles against published FLOPs and against real steps on real tensors, for every part.

Also what a trial derives from them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.profiler import ProfilerActivity
from torch.utils._python_dispatch import TorchDispatchMode

import methods
from methods import Method, Task
from methods.compute.towers import Towers
from runner.budget import steps_per_task
from runner.worker import backbone as backbones
from runner.worker.backbone import Backbone
from runner.worker.flops import FlopCounter
from runner.worker.profiler import step_cost as profiles
from runner.worker.profiler.budget_steps import solve
from runner.worker.profiler.fake_steps import BlankBatches, DryRun, ProfileError
from runner.worker.profiler.fake_tensors import Memory
from runner.worker.profiler.sampling import Books
from runner.worker.profiler.step_cost import (
    Profiles,
    Reread,
    Rows,
    profile,
    profile_merging,
    profile_with_full,
    profiled,
)
from runner.worker.repair import repairing
from runner.worker.training import TRAIN, Options, Training
from runner.worker.weights import Loaded
from schema.checks.parts import averages_steps
from schema.spec import Spec
from streams import BUFFER, Batch
from streams.shares import shares
from tests.tiny_clip import PARAMS, TEXT, VISION, names

# Of words of its own, as open_clip's tokenizer takes longer to make than such a model
WORDS = [f"word{number}" for number in range(28)]
TINY = json.dumps(
    {
        "embed_dim": 16,
        "vision_cfg": VISION | {"layers": 1},
        "text_cfg": TEXT | {"layers": 1},
        "words": WORDS,
    }
)
RECIPE = {
    "name": "r", "optimizer": "adamw", "optimizer_params": {}, "lr": 1e-3, "weight_decay": 0.1, "clip_norm": 1.0,
    "batch_pairs": 32, "precision": "fp32", "schedule": "cosine", "schedule_params": {}, "augmentation_params": {},
}  # fmt: skip
MIXTURE = {
    "name": "x", "update_share": 0.34, "buffer_share": 0.33, "pretraining_share": 0.33, "selection": "none", "selection_params": {}
}  # fmt: skip


def spec_of(
    architecture: str = TINY, pairs: int = 32, budget: dict[str, Any] | None = None, **method: Any
) -> Spec:
    """A sentence of a method that differs from full fine-tuning in what is said."""
    recipe = RECIPE | {"batch_pairs": pairs} | method.pop("recipe", {})
    mixture = MIXTURE | method.pop("mixture", {})
    row = {"name": "m"} | profiles.PLAIN | method
    return Spec(
        {"name": "b", "architecture": architecture, "pretrained": None}, {"name": "s", "tasks": 20}, mixture, row, recipe,
        budget or {}, 0,
    )  # fmt: skip


@cache
def full_fine_tuning() -> Rows:
    """The profile that others are held against, taken once."""
    return profile(spec_of())


@cache
def choosing(name: str) -> Rows:
    """The profile of full fine-tuning on chosen pairs, taken once."""
    return profile(spec_of(mixture={"selection": name}))


def ewc(pairs: int) -> dict[str, Any]:
    return {"objective": "contrastive+ewc", "objective_params": {"ewc": {"fisher_pairs": pairs}}}


def test_published_flops_of_full_fine_tuning() -> None:
    """FoMo-in-Flux, table of compute: GFLOPs of a step of 512 pairs."""
    rows = profile_with_full(spec_of("ViT-B-16", 512))
    assert rows["train"][0] / 1e9 == pytest.approx(63_394.7585, rel=1e-8)
    assert rows["full"] == rows["train"] and rows["objective"][0] == 0


@pytest.mark.slow
def test_published_flops_of_ewc() -> None:
    """With a Fisher pass over 50,000 pairs at every step."""
    rows = profile(spec_of("ViT-B-16", 512, **ewc(50_000)))
    assert (rows["train"][0] + rows["objective"][0]) / 1e9 == pytest.approx(6_276_081.094, rel=1e-8)


@pytest.mark.slow
def test_published_flops_of_lora() -> None:
    assert profile(spec_of("ViT-B-16", 512, tuning="lora"))["train"][0] / 1e9 == pytest.approx(
        54_479.2515, rel=1e-8
    )


@contextmanager
def allocated() -> Iterator[list[int]]:
    """Give the most bytes that the CPU allocator held beyond those held before.

    They are counted by torch's own profiler, not by code of ours.
    """
    found: list[int] = []
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        yield found
    held = most = 0
    assert seen.profiler is not None
    events = [
        event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    found.append(most)


@pytest.mark.parametrize(
    "method",
    [
        {},
        {"tuning": "lora"},
        {"tuning": "locked_image"},
        ewc(64),
        {"merging": "ema_step", "deploy": "merged"},
    ],
    ids=["full", "lora", "locked_image", "ewc", "ema_step"],
)
def test_fake_steps_cost_what_real_ones_do(method: dict[str, Any]) -> None:
    """FLOPs to the last; memory to within what kernels keep for themselves."""
    spec = spec_of(**method)
    made, backbone = methods.method(spec.method), backbones.build(TINY, 0, "cpu")
    initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    weights = sum(tensor.nbytes for tensor in initial.values())
    run = DryRun(spec=spec, backbone=backbone, method=made, memory=Memory(), sampled=False)
    with allocated() as most:
        for number in (1, 2):
            training = run.begin(Task(number, number, initial))
            for _ in training.steps_from(0):
                pass
            training.fold()
            made.merging.end()
    rows = profile(spec)
    assert (
        rows["train"][0] == training.costs.step_flops["train"]
        and rows["objective"][0] == training.costs.ledger.entries["objective"].flops
    )
    assert max(peak for _, peak in rows.values()) == pytest.approx(weights + most[0], rel=0.05)


class RandomBatches(BlankBatches):
    """Batches of the same shapes whose pairs are drawn at random."""

    def draw(self) -> Batch:
        blank = super().draw()
        images, texts = torch.rand_like(blank.images), torch.randint_like(blank.texts, 1, 8)
        return Batch(images, texts, blank.sources)


def real(
    spec: Spec, backbone: Backbone, method: Method, task: Task, phase: str = TRAIN, **options: Any
) -> Training:
    """Begin a task on tensors with contents; a selection chooses by scores."""
    batches = RandomBatches(spec, backbone, task)
    how = Options(phase=phase, ledger=Books(Memory()), **options)
    return Training(spec, backbone, method, task, batches, how)


class Decompositions(TorchDispatchMode):
    """FLOPs of the decompositions of real matrices, by the formula."""

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._linalg_svd.default:
            n, m = sorted(args[0].shape)
            self.flops += 6 * m * n**2 + 20 * n**3
        return func(*args, **(kwargs or {}))


def spent_for_real(spec: Spec) -> dict[str, float]:
    """Return FLOPs of a step of the second task by phase, counted on real tensors.

    Of one-off phases it is all FLOPs.
    """
    torch.manual_seed(0)
    made, backbone = methods.method(spec.method), backbones.build(TINY, 0, "cpu")
    initial = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    spent: dict[str, float] = {}
    for number in (1, 2):
        with Decompositions() as decomposed:
            training = real(spec, backbone, made, Task(number, number, initial))
            moves = list(training.steps_from(0))
            training.fold()
        if moves:
            costs = training.costs
            spent = {
                name: costs.step_flops.get(name, entry.flops)
                for name, entry in costs.ledger.entries.items()
            }
            spent |= {"svd": decomposed.flops} if decomposed.flops else {}
    if spec.method["repair"]:
        repair = methods.part("repair", spec.method["repair"], {})
        changed, alone = repairing(spec, repair)
        training = real(changed, backbone, alone, Task(2, 1, initial), "repair")
        list(training.steps_from(0))
        spent |= training.costs.step_flops
    return spent


OPTIMIZERS = ("muon", "adamw_8bit", "adamw_schedule_free", "soap")
EVERY_PART: list[dict[str, Any]] = (
    [{"tuning": name} for name in names("methods/tuning")]
    + [{"objective": name} for name in names("methods/objectives") if name != "contrastive"]
    + [{"mixture": {"selection": name}} for name in names("methods/selection")]
    + [
        {"merging": name, "deploy": "merged"}
        for name in names("methods/merging")
        if name != "none" and averages_steps(name)
    ]
    + [{"repair": name} for name in names("methods/repair")]
    + [{"recipe": {"optimizer": name}} for name in OPTIMIZERS]
    + [{"recipe": {"precision": name}} for name in ("fp16",)]
)
NOT_PROFILED: set[str] = set()  # parts that read values in a way that fake tensors cannot answer


@pytest.mark.parametrize("part", EVERY_PART, ids=str)
def test_every_part_can_be_profiled(part: dict[str, Any]) -> None:
    """A new file is profiled the moment it exists.

    It must run without values, or be named above. The fake steps count exactly what the counter
    sees of real ones.
    """
    name = part.get("objective")
    if name and methods.part("objectives", name, {}).penalty:
        part = {
            "objective": f"contrastive+{name}",
            "objective_params": {name: PARAMS.get(name, {})},
        }
    if NOT_PROFILED & set(map(str, part.values())):
        with pytest.raises(ProfileError):
            profile(spec_of(**part))
        return
    rows = choosing(part["mixture"]["selection"]) if "mixture" in part else profile(spec_of(**part))
    found, real = (
        {name: flops for name, (flops, _) in rows.items()},
        spent_for_real(spec_of(**part)),
    )
    decomposing = ("coso", "dns", "galore", "gnsp", "inflora", "keeplora", "nusa", "osf")
    decomposes = part.get("tuning") in decomposing or part.get("recipe") == {"optimizer": "soap"}
    assert ("svd" in found) == decomposes and found.get("svd", 1) > 0
    if (
        part.get("tuning") == "coso"
    ):  # its rank, and so what it decomposes later, follows from the gradients
        assert found.pop("svd") >= real.pop("svd") / 2
        assert found == pytest.approx(real, rel=0.01)
    elif name in (
        "der",
        "derpp",
    ):  # what their reservoir takes in is drawn; as much as there is room for is charged
        assert found["train"] == real["train"] and found["objective"] >= real["objective"] > 0
    else:
        assert found == real
    full = full_fine_tuning()["train"][0]
    assert 0 < rows["train"][1] < 1e9 and 0.3 * full < rows["train"][0] < 10 * full
    assert ("score" in rows) == ("mixture" in part)


def test_what_it_does_not_touch() -> None:
    """The generator of the trial that asks, and the machine's default device."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = profile(spec_of(tuning="lora"))
    assert torch.equal(before, torch.get_rng_state()) and torch.zeros(1).device.type == "cpu"
    assert profile(spec_of(tuning="lora")) == first


def test_selection_costs_a_forward_pass_of_every_candidate() -> None:
    """Two thirds of 96 candidates are left out, and all are passed forward.

    Learnability passes all through two models, easy_reference through one.
    """
    rows = {
        name: profile(
            spec_of(mixture={"selection": name, "selection_params": {"filter_ratio": 2 / 3}})
        )
        for name in ("learnability", "easy_reference")
    }
    model = backbones.build(TINY, 0, "cpu").model
    with torch.no_grad(), FlopCounter() as counter:
        for _ in range(3):
            batch = Batch(torch.zeros(32, 3, 16, 16), torch.ones(32, 8).long(), torch.zeros(32))
            model.encode_image(batch.images)
            model.encode_text(batch.texts)
    passes = counter.get_total_flops()
    logits = 2 * 96 * 96 * 16
    assert rows["learnability"]["score"][0] == 2 * (passes + logits)
    assert rows["easy_reference"]["score"][0] == passes + logits


@pytest.mark.parametrize("name", ["learnability", "easy_reference"])
def test_selection_holds_one_more_copy_of_the_weights(name: str) -> None:
    """That is the untouched backbone; what the task before held of it is gone."""
    model = backbones.build(TINY, 0, "cpu").model
    held = [*model.parameters(), *model.buffers()]
    chosen, plain = choosing(name), full_fine_tuning()
    copies = (chosen["objective"][1] - plain["objective"][1]) / sum(each.nbytes for each in held)
    assert copies == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("pairs", [0, 65, 160])
def test_looking_back_is_charged_as_if_all_of_it_were_done(pairs: int) -> None:
    spec = spec_of(**ewc(pairs))
    assert profile(spec)["objective"] == profile(spec, sampled=False)["objective"]


def test_a_pass_for_each_pair_is_charged_as_if_all_were_taken() -> None:
    """Of 3 groups of 6 pairs two are computed, and of each of these three passes.

    FLOPs and peak are exactly those of all 18 passes.
    """
    params = {"ewc": {"fisher_pairs": 18, "fisher_batch_pairs": 6, "estimator": "pair"}}
    spec = spec_of(objective="contrastive+ewc", objective_params=params)
    rows = profile(spec)
    assert rows == profile(spec, sampled=False)
    assert rows["objective"][0] > 18 / 6 * rows["train"][0] / 2


TECHNIQUES = [
    name for name in names("methods/merging") if name != "none" and not averages_steps(name)
]


@pytest.mark.parametrize("over", ["running", "all"])
@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_merging_costs_what_a_real_one_does(name: str, over: str) -> None:
    """FLOPs are the same, and the memory of the host within 5 %.

    It includes the untouched backbone and the newest weights.
    """
    spec = spec_of(merging=name, merging_params={"over": over}, deploy="merged")
    flops, peak_bytes = profile_merging(spec)["merge"]
    made = methods.merger(name, {"over": over}, "last", "merged")
    initial = dict(backbones.build(TINY, 0, "cpu").model.state_dict())
    torch.manual_seed(0)
    before = Reread({key: tensor.clone().normal_() for key, tensor in initial.items()})
    with allocated() as most:
        parts = None
        if over == "all" and made.folding is not None:
            parts = made.take_in({}, initial, before)
        last = {key: tensor.clone().normal_() for key, tensor in initial.items()}
        with FlopCounter() as counter:
            if parts is not None:
                parts = made.take_in(parts, initial, last)
            running = made.fold(initial, dict(before), last, 2) if over == "running" else None
            made.merge(over, Loaded([initial, before, last]), running, parts)
    assert flops == counter.get_total_flops()
    assert peak_bytes == pytest.approx(
        sum(tensor.nbytes for tensor in initial.values()) + most[0], rel=0.05
    )


@pytest.mark.parametrize(
    ("merging", "params", "models_read", "models_kept"),
    [
        ("tall_masks", {"over": "all"}, 1, 0),
        ("dare_ties", {"over": "all"}, 1, 0),
        ("interpolate", {"over": "all", "shares": "reverse_linear"}, 1, 0),
        ("task_arithmetic", {"over": "all"}, 0, 1),
        ("interpolate", {"over": "running"}, 0, 1),
        ("interpolate", {"over": "ends"}, 0, 0),
    ],
)
def test_what_a_merge_reads_of_earlier_tasks_is_counted(
    merging: str, params: dict[str, Any], models_read: int, models_kept: int
) -> None:
    """Each tensor of an earlier task once, or a running form that holds a model."""
    rows = profile_merging(spec_of(merging=merging, merging_params=params, deploy="merged"))
    model = sum(
        tensor.nbytes
        for tensor in backbones.build(TINY, 0, "cpu").model.state_dict().values()
        if tensor.is_floating_point()
    )
    assert rows.get("merge_read", (0.0, 0)) == (0.0, models_read * model)
    assert rows.get("merge_form", (0.0, 0)) == (0.0, models_kept * model)


def test_what_merges_over_no_tasks_has_no_phase_of_merging() -> None:
    assert profile_merging(spec_of()) == {}
    # It averages steps, and is charged with them
    assert profile_merging(spec_of(merging="ema_step", deploy="merged")) == {}
    # Nothing asks for what it merges
    assert profile_merging(spec_of(merging="ties")) == {}
    assert "merge" not in profile_with_full(spec_of(merging="ema_step", deploy="merged"))


@pytest.mark.parametrize("name", ["ewc", "mas"])
def test_looking_back_is_in_the_precision_of_a_step(name: str) -> None:
    """So it takes no more memory than a step and what it adds up, two copies of the weights."""
    weights = sum(
        tensor.nbytes for tensor in backbones.build(TINY, 0, "cpu").model.state_dict().values()
    )
    method = {"objective": f"contrastive+{name}", "objective_params": {}}
    rows = {
        low: profile(spec_of(pairs=512, recipe={"precision": low}, **method))
        for low in ("fp32", "bf16")
    }
    assert (
        rows["bf16"]["objective"][1]
        < rows["bf16"]["train"][1] + 2 * weights
        < rows["fp32"]["objective"][1]
    )
    assert rows["bf16"]["objective"][0] == rows["fp32"]["objective"][0]


def test_a_reservoir_is_charged_for_all_that_it_takes_in_at_first() -> None:
    """It is charged a forward pass of `buffer_pairs` pairs, as the first task's real end takes it."""
    params = {"der": {"buffer_pairs": 200}}
    spec = spec_of(
        objective="contrastive+der",
        objective_params=params,
        mixture={"update_share": 1.0, "buffer_share": 0, "pretraining_share": 0},
    )
    model = backbones.build(TINY, 0, "cpu").model
    with torch.no_grad(), FlopCounter() as counter:
        model.encode_image(torch.zeros(200, 3, 16, 16))
        model.encode_text(torch.ones(200, 8).long())
    assert profile(spec)["objective"][0] == counter.get_total_flops()


@dataclass
class Probe(methods.Objective):
    """Asks what `ask` asks; otherwise the loss of a linear layer."""

    ask: str = ""
    wide_pairs: int = 0

    def begin(self, model: nn.Module, task: Task) -> None:
        self.number = task.number

    def loss(self, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        features = model.encode_image(batch.images)
        if self.ask == "sources":
            buffer = batch.sources == BUFFER
            assert int(buffer.sum()) == shares(MIXTURE, 32, self.number).buffer
            if buffer.any():
                features = torch.cat([features, model.encode_image(batch.images[buffer])])
        elif self.ask == "values":
            features = features * float(features.detach().sum()) * bool(features[0, 0] > 0) + float(
                torch.equal(features, features)
            )
        elif self.ask == "how many":
            features = features[features[:, 0] > 0]
        return features.mean() + features.new_zeros(max(self.wide_pairs, 1)).mean()

    def end(self, model: nn.Module, fresh: methods.FreshPairs, towers: Towers) -> None:
        for _ in range(5):
            with torch.no_grad():
                model.encode_image(fresh.batch().images)


def probed(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Spec:
    found = methods.part
    monkeypatch.setattr(
        methods,
        "part",
        lambda kind, name, params: (
            Probe(**fields) if name == "probe" else found(kind, name, params)
        ),
    )
    return spec_of(objective="probe")


def test_an_objective_may_ask_where_pairs_come_from_and_for_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pairs of the buffer passed forward and back once more: that share of the cost once more."""
    plain = profile(probed(monkeypatch))["train"][0]
    buffer = shares(MIXTURE, 32, 2).buffer
    assert profile(probed(monkeypatch, ask="sources"))["train"][0] == pytest.approx(
        plain * (1 + buffer / 32), rel=1e-9
    )
    assert profile(probed(monkeypatch, ask="values"))["train"][0] == plain


def test_a_part_that_asks_how_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ProfileError,
        match="'m' cannot be profiled without values: it asks aten.nonzero.* or use a budget in steps",
    ):
        profile(probed(monkeypatch, ask="how many"))


def test_an_objective_that_looks_back_otherwise_is_profiled_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It asks for batches, which need not cost the same.

    All five are counted, and no field of it is touched.
    """
    expected = profile(probed(monkeypatch), sampled=False)
    assert profile(probed(monkeypatch, wide_pairs=5000))["objective"] == expected["objective"]


def test_profiling_replaces_nothing_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an objective and a merging see of torch while they are profiled is torch's own."""
    seen = []

    def loss(self: Probe, model: nn.Module, batch: Batch, towers: Towers) -> Tensor:
        seen.append((torch.autograd.grad, vars(FakeTensor).get("numpy")))
        return model.encode_image(batch.images).mean()

    before = torch.autograd.grad, vars(FakeTensor).get("numpy")
    monkeypatch.setattr(Probe, "loss", loss)
    profile(probed(monkeypatch))
    assert seen and set(seen) == {before}


@pytest.mark.parametrize(("pairs", "group_pairs"), [(80, 12), (170, 0), (7, 3)])
def test_groups_that_do_not_divide_are_charged_exactly(pairs: int, group_pairs: int) -> None:
    """Of groups of two sizes the first two of each are computed."""
    params = {"mas": {"importance_pairs": pairs, "importance_batch_pairs": group_pairs}}
    spec = spec_of(objective="contrastive+mas", objective_params=params)
    assert profile(spec) == profile(spec, sampled=False)


def test_profiles_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods that differ in their merging alone have the profile of their steps in common."""
    computed = list[str]()
    monkeypatch.setattr(
        profiles, "profile", lambda spec: computed.append(spec.method["merging"]) or profile(spec)
    )
    known = Profiles()
    rows = [known.with_full(spec_of(merging=name, deploy="merged")) for name in ("ties", "slerp")]
    assert computed == ["ties"] and rows[0]["train"] == rows[1]["train"]
    assert rows[0]["merge"] != rows[1]["merge"]
    assert rows[0] == profile_with_full(spec_of(merging="ties", deploy="merged"))


def test_a_budget_is_solved_from_the_definition_alone() -> None:
    rows = profile_with_full(spec_of(tuning="lora"))
    full, lora = full_fine_tuning()["train"], rows["train"]
    assert rows["full"] == full and lora[1] < full[1]
    share = round(lora[1] / full[1], 4)
    cost = lora[0] / 1e9 * share
    budget = {"name": "b", "unit": "maf_gflops", "total": 20 * 7.4 * cost, "charging": "once"}
    solved = solve(spec_of(budget=budget, tuning="lora"))
    assert solved.steps == 7
    said = {row["name"]: row["value"] for row in solved.statistics}
    assert said["budget_multiplier"] == share and said["budget_step_gflops"] == lora[0] / 1e9
    assert (said["budget_steps_per_task"], said["budget_multiplier_decimals"]) == (7, 4)
    assert {row["phase"]: (row["flops"], row["peak_bytes"]) for row in solved.profile} == rows
    assert solve(spec_of(budget={"name": "b", "unit": "steps", "total": 60})).profile == []


def test_a_budget_of_published_costs_profiles_nothing() -> None:
    """The definition holds them; what was solved from them is kept as of any other budget."""
    costs = {"step_gflops": 54_479.2515, "multiplier": 0.8702}
    budget = {"name": "b", "unit": "maf_gflops", "total": 1.8e9, "charging": "per_step"}
    solved = solve(spec_of(budget=budget | {"costs": "published", "published": costs}))
    assert (solved.steps, solved.profile) == (1898, [])
    numbers = {row["name"]: row["value"] for row in solved.statistics}
    assert numbers["budget_multiplier"] == 0.8702 and numbers["budget_once_gflops"] == 0
    assert numbers["budget_step_gflops"] == 54_479.2515


def test_one_off_phases_are_charged_as_the_budget_says() -> None:
    """Forty Fisher batches cost as much as forty steps.

    At every step they are most of the price, once per task they are forty steps.
    """
    rows = profile_with_full(spec_of(**ewc(40 * 32)))
    inputs = profiled(rows)
    assert inputs.once_gflops == pytest.approx(40 * rows["full"][0] / 1e9, rel=0.01)
    said = {"name": "b", "unit": "gflops", "total": 20 * 100 * rows["full"][0] / 1e9}
    steps = {
        charging: steps_per_task(said | {"charging": charging}, 20, 32, inputs)
        for charging in ("once", "per_step")
    }
    assert steps == {"once": 60, "per_step": 2}
