"""What a merging combines, and when: over tasks, from disk, by depth, and over steps."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrize

from methods import Weights, merge, merger, mergings, objective, optimizers
from methods.foldings import Parts, flat, unflat
from methods.merging._shares import SHARES
from methods.objectives._temperature import MAX_LOGIT_SCALE
from runner.run_folder import RunFolder, done_tasks
from runner.worker import backbone as backbones
from runner.worker.weight_update import in_use
from schema.checks.parts import OVER, PartError, averages_steps
from schema.checks.rows import check_method
from schema.spec import Spec
from tests.methods.test_merging import Loaded, weights
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought, spec_of
from tests.tiny_clip import (
    PLAINLY,
    RECIPE,
    batches,
    build,
    differing,
    names,
    objective_of,
    snapshot,
    step,
    task,
    tuning,
)
from tests.toy import DATA

TECHNIQUES = [
    name for name in names("methods/merging") if not averages_steps(name) and name != "none"
]
# Those whose merge of a task depends on tasks after it, or is drawn anew
READ_WHOLE = ("dare_ties", "iso_cts", "tall_masks", "tsv_m")
TUNINGS = names("methods/tuning")


# ---------------------------------------------------------------- over tasks


@pytest.mark.parametrize("name", TECHNIQUES)
def test_folding_on_from_disk_is_the_full_fold_to_the_bit(name: str, tmp_path: Path) -> None:
    made = merger(name, {}, "last", "merged")
    initial, running = weights(0), weights(0)
    for number in range(1, 6):
        running = dict(made.fold(initial, running, weights(number), number))
        assert all(tensor.dtype in (torch.float32, torch.float64) for tensor in running.values())
        save_file({key: tensor.contiguous() for key, tensor in running.items()}, tmp_path / "r")
        running = load_file(tmp_path / "r")
        history = [weights(seed) for seed in range(number + 1)]
        assert not differing(made.merge("running", history, running), merge(name, history, {}))


@pytest.mark.parametrize("name", TECHNIQUES)
def test_each_word_says_what_the_technique_is_given(name: str) -> None:
    history, own = (
        [weights(seed) for seed in range(4)],
        {"drop": 0.0} if name == "dare_ties" else {},
    )
    ends = merge(name, [history[0], history[3]], own | {"over": "all"})
    assert not differing(merge(name, history, own | {"over": "ends"}), ends)
    from_theta_0 = merge(name, [history[0], history[0], history[1]], own | {"over": "all"})
    assert not differing(merge(name, history[:2], own | {"over": "running"}), from_theta_0)


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("name", TECHNIQUES)
def test_memory_does_not_grow_with_the_tasks(name: str, over: str) -> None:
    most = []
    for length in (3, 9):
        history = Loaded(range(length))
        merge(name, history, {"over": over})
        most.append(history.most)
    assert most[1] <= most[0] <= 4


FOLDED = [
    *((name, {}) for name in TECHNIQUES),
    *(("interpolate", {"shares": shares}) for shares in SHARES),
    *(("slerp", {"shares": shares, "initial": True}) for shares in SHARES),
    ("interpolate", {"weight": 0.3, "initial": True}),
    ("breadcrumbs", {"elect": False}),
    ("emr", {"tasks": 2}),
]


@pytest.mark.parametrize(("name", "params"), FOLDED)
def test_a_running_form_from_disk_is_the_merge_of_the_whole_history_to_the_bit(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    """Also after every task, though the form is finished each time; and nothing grows with them."""
    made = merger(name, params | {"over": "all"}, "last", "merged")
    reversed_ = str(params.get("shares", "")).startswith("reverse_")
    assert (made.folding is None) == (name in READ_WHOLE or reversed_)
    if made.folding is None:
        return
    parts: Parts = {}
    sizes = []
    for number in range(1, 5):
        parts = made.take_in(parts, weights(0), weights(number))
        save_file({key: t.contiguous() for key, t in flat(parts).items()}, tmp_path / "f")
        parts = unflat(load_file(tmp_path / "f"))
        sizes.append(sum(tensor.nbytes for tensor in flat(parts).values()))
        history = [weights(seed) for seed in range(number + 1)]
        ends = [history[0], *([None] * (number - 1)), history[-1]]
        whole = merge(name, history, params | {"over": "all"})
        assert not differing(made.merge("all", ends, parts=parts), whole)
    assert sizes[-1] <= sizes[1] + 8 * len(sizes), "but for the count of what was taken in"


def test_lines_scales_by_depth_and_not_the_running_merge_itself() -> None:
    start = {
        "visual.transformer.resblocks.0.w": torch.zeros(1),
        "visual.transformer.resblocks.2.w": torch.zeros(1),
    }
    start |= {
        "visual.transformer.resblocks.1.w": torch.zeros(1),
        "positional_embedding": torch.zeros(1),
        "ln_final.w": torch.zeros(1),
    }
    moved = {name: torch.ones(1) for name in start}
    params = {"weight": 0.5, "lines": {"alpha": 0.2, "beta": 0.6}}
    once, twice = (merge("interpolate", [start, *[moved] * tasks], params) for tasks in (1, 2))
    expected = dict(zip(start, [0.2, 0.8, 0.5, 0.2, 0.2], strict=True))
    assert {name: float(tensor) for name, tensor in once.items()} == pytest.approx(
        {name: e / 2 for name, e in expected.items()}
    )
    assert {name: float(tensor) for name, tensor in twice.items()} == pytest.approx(
        {name: e * 3 / 4 for name, e in expected.items()}
    )


def test_the_depth_of_a_clip_is_the_place_of_the_block_in_its_tower() -> None:
    """All that is in no block stands at 0, before the blocks and after them."""
    found = mergings.depths(build().state_dict())
    assert {depth for name, depth in found.items() if "resblocks" not in name} == {0}
    for tower in ("transformer", "visual.transformer"):
        assert [found[f"{tower}.resblocks.{block}.ln_1.weight"] for block in (0, 1)] == [0, 1]
    names = ["visual.layer1.0.w", "visual.layer3.2.w", "visual.layer4.0.w", "visual.bn1.weight"]
    assert list(mergings.depths(names).values()) == [0, 2 / 3, 1, 0]
    assert list(mergings.depths(["trunk.blocks.0.w", "trunk.norm.weight"]).values()) == [1, 0]


ROW = {
    "name": "m", "tuning": "full", "tuning_params": {}, "objective": "contrastive",
    "objective_params": {},
    "merging": "ties", "merging_params": {}, "start": "merged", "deploy": "merged", "repair": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"start": "last", "deploy": "last"},
            "nothing uses merging 'ties': neither start nor deploy is 'merged'. Set one",
        ),
        (
            {"start": "last", "merging_params": {"start_over": "all"}},
            "start_over says what .* but start is 'last'. Leave it out",
        ),
        (
            {"deploy": "last", "merging_params": {"over": "all", "start_over": "running"}},
            "over says what is deployed, but deploy is 'last', and start has start_over. "
            "Leave it out",
        ),
        (
            {"merging_params": {"over": "al"}},
            "unknown over 'al'. Allowed: running, all, ends. Did you mean 'all'",
        ),
        (
            {"merging": "every_k", "merging_params": {"start_over": "all"}},
            "has no parameter 'start_over'. Allowed: every, lines, restart",
        ),
        (
            {"merging_params": {"lines": {"alpha": "x"}}},
            'lines is {"alpha": number, "beta": number} or null',
        ),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_at_the_insert(
    said: dict[str, Any], message: str
) -> None:
    with pytest.raises(PartError, match=message):
        check_method(ROW | said)


@pytest.mark.parametrize(
    "said",
    [
        {"start": "merged", "deploy": "last", "merging_params": {"over": "all"}},
        {
            "start": "merged",
            "deploy": "merged",
            "merging_params": {"over": "all", "start_over": "running", "lines": None},
        },
        {"merging": "ema_step", "merging_params": {"restart": False, "lines": {}}},
    ],
)
def test_a_row_of_any_place_in_the_grid_is_taken(said: dict[str, Any]) -> None:
    check_method(ROW | said)


# ---------------------------------------------------------------- over the steps of a task


def averaged(
    name: str, how: str, params: dict[str, Any], steps: int
) -> tuple[mergings.Merging, list[Weights]]:
    """Return the merging of a task, and the weights in use at the start and after each step."""
    made, model, tune, what = (
        merger(name, params, "last", "merged"),
        build(),
        tuning(how),
        objective_of("contrastive"),
    )
    made.begin(model, steps)
    seen = [snapshot(model)]
    torch.manual_seed(0)
    what.begin(model, task(1, steps))
    optimizer = optimizers.optimizer("adamw", tune.begin(model, task(1, steps)), RECIPE)
    stream = batches(1)
    for _ in range(steps):
        step(model, tune, what, optimizer, next(stream))
        made.step(partial(in_use, model))
        with parametrize.cached():
            seen.append({key: tensor.detach().clone() for key, tensor in in_use(model).items()})
    tune.end(model)
    last = snapshot(model)
    assert list(made.merge("steps", [seen[0], last])) == list(last)
    return made, [*seen, last]


@pytest.mark.parametrize("how", TUNINGS)
def test_ema_step_is_the_closed_form_of_the_weights_in_use(how: str) -> None:
    made, seen = averaged("ema_step", how, {"decay": 0.8}, 6)
    merged = made.merge("steps", [seen[0], seen[-1]])
    for name, tensor in merged.items():
        shares = [0.8**6, *(0.2 * 0.8 ** (6 - i) for i in range(1, 7))]
        expected = sum(
            share * weights[name].double() for share, weights in zip(shares, seen[:7], strict=True)
        )
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["contrastive", "siglip", "lixp"])
def test_an_average_sees_the_temperature_within_its_bounds(name: str) -> None:
    """A step moves it past the bound; the average of that step alone is what the model then holds."""
    average, model, what = (
        merger("ema_step", {"decay": 0.0}, "last", "merged"),
        build(),
        objective(name, {}),
    )
    with torch.no_grad():
        model.logit_scale.fill_(MAX_LOGIT_SCALE)
    average.begin(model)
    what.begin(model, task())
    tune = tuning("full")
    moving = tune.begin(model, task())
    what.loss(model, next(batches(1)), PLAINLY).backward()
    model.logit_scale.grad = torch.tensor(-1.0)
    with what.stepping(model, 1.0), tune.stepping(model, torch.optim.SGD(moving, 0.1)):
        torch.optim.SGD(moving, 0.1).step()
    average.step(partial(in_use, model))
    merged = average.merge("steps", [snapshot(model), snapshot(model)])
    assert float(merged["logit_scale"]) == float(torch.tensor(MAX_LOGIT_SCALE))
    what.loss(model, next(batches(2)), PLAINLY)
    assert torch.equal(merged["logit_scale"], model.logit_scale)


def test_a_ramp_is_the_mean_until_the_decay_is_reached() -> None:
    share = merger("ema_step", {"decay": 0.75, "ramp": True}, "last", "merged").share
    assert share is not None and [share(n) for n in (1, 2, 3, 4, 5, 100)] == [
        1,
        1 / 2,
        1 / 3,
        1 / 4,
        1 / 4,
        1 / 4,
    ]


@pytest.mark.parametrize("how", ["full", "lora"])
def test_every_k_is_the_mean_of_the_start_and_of_every_kth_step(how: str) -> None:
    made, seen = averaged("every_k", how, {"every": 2}, 7)
    for name, tensor in made.merge("steps", [seen[0], seen[-1]]).items():
        expected = torch.stack([seen[i][name].double() for i in (0, 2, 4, 6)]).mean(dim=0)
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["full", "lora"])
def test_before_cooldown_is_the_weights_in_use_when_the_cooldown_begins(how: str) -> None:
    for cooldown, step_before in ((0.3, 4), (0.0, 6), (1.0, 0)):
        made, seen = averaged("before_cooldown", how, {"cooldown": cooldown}, 6)
        merged = made.merge("steps", [seen[0], seen[-1]])
        expected = seen[step_before]
        assert not [name for name in merged if not torch.equal(merged[name], expected[name])]


def test_an_average_begins_anew_or_is_carried() -> None:
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    for restart in (True, False):
        made = merger("every_k", {"every": 1, "restart": restart}, "last", "merged")
        made.begin(one)
        made.step(partial(in_use, other))
        made.end()
        assert bool(made.state_dict()) is not restart, (
            "an average that begins anew is not kept between tasks"
        )
        carried = merger("every_k", {"every": 1, "restart": restart}, "last", "merged")
        carried.load_state_dict(made.state_dict())
        carried.begin(one)
        carried.step(partial(in_use, other))
        merged = carried.merge("steps", [snapshot(one), snapshot(other)])["weight"]
        share = 1 / 2 if restart else 2 / 3
        torch.testing.assert_close(merged, torch.lerp(one.weight, other.weight, share).detach())


def test_lines_scales_an_average_over_steps_too() -> None:
    start, learned = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    made = merger("every_k", {"every": 1, "lines": {"alpha": 0.5, "beta": 0.25}}, "last", "merged")
    made.begin(start)
    made.step(partial(in_use, learned))
    merged = made.merge("steps", [snapshot(start), snapshot(learned)])["weight"]
    torch.testing.assert_close(merged, torch.lerp(start.weight, learned.weight, 0.5 * 0.5).detach())


# ---------------------------------------------------------------- in a trial


def spec_with(**method: Any) -> Spec:
    """The toy trial in four tasks of two steps, with another method."""
    said = json.loads(spec_of("toy_ema").to_json())
    said["stream"] |= {"tasks": 4}
    said["method"] |= method
    return Spec.from_row(said)


CASES = {
    "all deployed, running begun from": {
        "merging": "dare_ties",
        "merging_params": {"over": "all", "start_over": "running"},
    },
    "all, in a running form": {
        "merging": "ties",
        "merging_params": {"over": "all"},
        "start": "initial",
        "deploy": "merged",
    },
    "running average over steps, carried": {
        "tuning": "lora",
        "merging": "ema_step",
        "merging_params": {"decay": 0.9, "restart": False},
        "start": "last",
    },
    "begun from before the cooldown, deployed last": {
        "merging": "before_cooldown",
        "merging_params": {"cooldown": 0.5},
        "deploy": "last",
    },
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    runs = {case: tmp_path_factory.mktemp("undisturbed") for case in CASES}
    for case, folder in runs.items():
        assert run_trial(attempt(folder, spec_with(**CASES[case]), 1, DATA)) == 0
    return runs


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "points", [["receipt:3", "results:2"], ["step:3", "checkpoint:3", "step:2"]], ids=str
)
def test_killed_and_resumed_over_attempts(
    case: str, points: list[str], undisturbed: dict[str, Path], tmp_path: Path
) -> None:
    spec = spec_with(**CASES[case])
    for number, point in enumerate(points, 1):
        assert run_trial(attempt(tmp_path, spec, number, DATA), crash_at=point) == -9
    assert run_trial(attempt(tmp_path, spec, len(points) + 1, DATA)) == 0
    assert brought(tmp_path) == brought(undisturbed[case])


@pytest.mark.slow
def test_the_running_merge_of_a_trial_is_that_of_its_whole_history(
    undisturbed: dict[str, Path],
) -> None:
    case = "all deployed, running begun from"
    run, spec = RunFolder(undisturbed[case] / "000001" / "01"), spec_with(**CASES[case])
    initial = backbones.load(spec.backbone, None, spec.seed).model.state_dict()
    history = [
        initial,
        *(load_file(run.path / f"task-{number:04d}.last.safetensors") for number in range(1, 5)),
    ]
    assert not _differing(
        load_file(run.path / "task-0004.running.safetensors"), merge("dare_ties", history, {})
    )
    assert not _differing(
        load_file(run.path / "task-0004.deployed.safetensors"),
        merge("dare_ties", history, {"over": "all"}),
    )


@pytest.mark.slow
def test_a_folder_keeps_what_a_merging_asks_for_and_no_more(undisturbed: dict[str, Path]) -> None:
    found = {
        case: sorted(path.name for path in folder.rglob("task-*.safetensors"))
        for case, folder in undisturbed.items()
    }
    lasts = [f"task-{number:04d}.last.safetensors" for number in range(1, 5)]
    deployed = "task-0004.deployed.safetensors"
    assert found["all deployed, running begun from"] == sorted(
        [deployed, "task-0004.running.safetensors", *lasts]
    )
    assert found["begun from before the cooldown, deployed last"] == [deployed]
    assert found["all, in a running form"] == [deployed, "task-0004.folded.safetensors"]
    held = done_tasks(
        [RunFolder(undisturbed["all deployed, running begun from"] / "000001" / "01")]
    )
    assert sorted(held[4][1].weights) == ["deployed", "last", "running"]


def _differing(one: Weights, other: Weights) -> list[str]:
    return [name for name in {*one, *other} if not torch.equal(one[name], other[name])]
