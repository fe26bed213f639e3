"""Each technique against its paper's formula, written again in numpy and in float64."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import Weights, merge
from methods.merging._shares import SHARES
from tests.tiny_clip import differing

Array = np.ndarray
SHAPES = {"matrix": (8, 5), "vector": (11,), "scalar": ()}
TECHNIQUES = (
    "interpolate",
    "slerp",
    "task_arithmetic",
    "ties",
    "dare_ties",
    "breadcrumbs",
    "magmax",
    "model_stock",
    "tall_masks",
)
seeds = st.integers(0, 10_000)


def history(length: int, seed: int = 0) -> list[Weights]:
    """Task vectors that share a direction, as fine-tuned ones do."""
    generator = torch.Generator().manual_seed(seed)
    start, common = (
        [torch.randn(shape, generator=generator).double() for shape in SHAPES.values()]
        for _ in range(2)
    )
    moved = [
        [
            a + (b + torch.randn(a.shape, generator=generator).double()) / 2
            for a, b in zip(start, common, strict=True)
        ]
        for _ in range(length)
    ]
    return [dict(zip(SHAPES, tensors, strict=True)) for tensors in (start, *moved)]


def arrays(held: list[Weights]) -> tuple[dict[str, Array], list[dict[str, Array]]]:
    """theta_0 and the task vectors."""
    start, *moved = ({name: tensor.numpy() for name, tensor in weights.items()} for weights in held)
    return start, [{name: weights[name] - start[name] for name in start} for weights in moved]


def flat(vector: dict[str, Array]) -> Array:
    return np.concatenate([array.ravel() for array in vector.values()])


def unflat(row: Array) -> dict[str, Array]:
    ends = np.cumsum([math.prod(shape) for shape in SHAPES.values()])[:-1]
    return {
        name: part.reshape(SHAPES[name])
        for name, part in zip(SHAPES, np.split(row, ends), strict=True)
    }


def disjoint_mean(rows: Array) -> Array:
    sign = np.sign(rows.sum(axis=0))
    agrees = (np.sign(rows) == sign) & (rows != 0)
    return np.where(
        agrees.any(axis=0), (rows * agrees).sum(axis=0) / np.maximum(agrees.sum(axis=0), 1), 0.0
    )


def check(
    name: str, held: list[Weights], params: dict[str, object], expected: dict[str, Array]
) -> None:
    for key, tensor in merge(name, held, params | {"over": "all"}).items():
        np.testing.assert_allclose(tensor.numpy(), expected[key], rtol=1e-6, atol=1e-9, err_msg=key)


def moved_by(start: dict[str, Array], row: Array, scale: float = 1.0) -> dict[str, Array]:
    return {name: start[name] + scale * part for name, part in unflat(row).items()}


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("initial", [False, True])
def test_interpolate_is_the_weighted_mean_of_numpy(shares: str, initial: bool) -> None:
    growths: dict[str, Callable[[Array], Array]] = {
        "uniform": np.ones_like,
        "log": np.log1p,
        "sqrt": np.sqrt,
        "linear": np.asarray,
        "quadratic": np.square,
        "cubic": lambda i: i**3,
        "exp": np.exp,
    }
    held = history(5)
    taking = held if initial else held[1:]
    weights = growths[shares.removeprefix("reverse_")](np.arange(1.0, len(taking) + 1))
    weights = weights[::-1] if shares.startswith("reverse_") else weights
    expected = {
        name: np.average([one[name].numpy() for one in taking], axis=0, weights=weights)
        for name in SHAPES
    }
    check("interpolate", held, {"shares": shares, "initial": initial}, expected)


@given(seed=seeds, weight=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_slerp_is_shoemakes_formula(seed: int, weight: float) -> None:
    held = history(2, seed)
    expected = {}
    for name in SHAPES:
        a, b = (one[name].numpy().ravel() for one in held[1:])
        cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
        omega = math.acos(max(-1.0, min(1.0, cosine)))
        arc = (1 - weight) * a + weight * b
        if abs(cosine) <= 0.9995:
            arc = (math.sin((1 - weight) * omega) * a + math.sin(weight * omega) * b) / math.sin(
                omega
            )
        expected[name] = arc.reshape(SHAPES[name])
    check("slerp", held, {"weight": weight}, expected)


def test_slerp_keeps_the_length_and_halves_the_angle() -> None:
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    merged = merge("slerp", [{"w": one}, {"w": other}], {"over": "ends"})["w"]
    torch.testing.assert_close(merged, torch.tensor([0.5, 0.5]).sqrt())


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_task_arithmetic_is_the_scaled_sum(scale: float) -> None:
    held = history(4)
    start, vectors = arrays(held)
    check(
        "task_arithmetic",
        held,
        {"scale": scale},
        moved_by(start, sum(map(flat, vectors), np.zeros(52)), scale),
    )


@given(seed=seeds, keep=st.floats(0.05, 1), length=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_ties_is_trim_elect_and_disjoint_mean(seed: int, keep: float, length: int) -> None:
    held = history(length, seed)
    start, vectors = arrays(held)
    rows = np.stack([flat(vector) for vector in vectors])
    kept = int(keep * rows.shape[1])
    for row in rows:
        row[np.argsort(np.abs(row))[: rows.shape[1] - kept]] = 0
    check("ties", held, {"keep": keep, "scale": 0.7}, moved_by(start, disjoint_mean(rows), 0.7))


def test_ties_trims_the_whole_model_and_not_each_tensor() -> None:
    held = [
        {"small": torch.zeros(4), "large": torch.zeros(4)},
        {"small": torch.full((4,), 0.1), "large": torch.arange(4) + 1.0},
    ]
    merged = merge("ties", held, {"over": "ends", "keep": 0.5})
    assert not merged["small"].any() and merged["large"].all()


@pytest.mark.parametrize("drop", [0.0, 0.7])
def test_dare_ties_is_the_disjoint_mean_of_what_each_task_keeps(drop: float) -> None:
    """Merging one task alone shows what was left of it: as many as said, enlarged.

    Its place decides which.
    """
    held = history(3)
    start, vectors = arrays(held)
    rows = []
    for index, vector in enumerate(vectors):
        alone = [{name: torch.zeros_like(tensor) for name, tensor in held[0].items()}] * 4
        alone[index + 1] = {
            name: torch.from_numpy(np.asarray(array)) for name, array in vector.items()
        }
        left = flat(
            {
                name: tensor.numpy()
                for name, tensor in merge("dare_ties", alone, {"drop": drop, "over": "all"}).items()
            }
        )
        np.testing.assert_allclose(
            left[left != 0], (flat(vector) / (1 - drop))[left != 0], rtol=1e-12
        )
        rows.append(left)
    check("dare_ties", held, {"drop": drop}, moved_by(start, disjoint_mean(np.stack(rows))))


def test_dare_drops_the_share_it_says_anew_for_each_task_and_seed() -> None:
    held = [{"w": torch.zeros(100_000)}, {"w": torch.ones(100_000)}]
    params = {"over": "ends", "drop": 0.7}
    first = merge("dare_ties", held, params)["w"]
    assert sorted(set(first.tolist())) == pytest.approx([0, 1 / 0.3])
    assert float((first == 0).double().mean()) == pytest.approx(0.7, abs=0.01)
    assert torch.equal(first, merge("dare_ties", held, params)["w"])
    for other in (
        merge("dare_ties", [held[0], *held], params),
        merge("dare_ties", held, params | {"seed": 1}),
    ):
        both = float(((first == 0) & (other["w"] == 0)).double().mean())
        assert both == pytest.approx(0.49, abs=0.01), (
            "drops of another task, or by another seed, are independent"
        )


@given(seed=seeds, top=st.floats(0, 0.3), bottom=st.floats(0, 0.6), elect=st.booleans())
@settings(max_examples=20, deadline=None)
def test_breadcrumbs_masks_both_ends_of_each_tensor(
    seed: int, top: float, bottom: float, elect: bool
) -> None:
    held = history(3, seed)
    start, vectors = arrays(held)
    for vector, name in itertools.product(vectors, SHAPES):
        row = vector[name].ravel().copy()
        order = np.argsort(np.abs(row))
        row[order[: int(bottom * len(row))]] = 0
        row[order[len(row) - int(top * len(row)) :]] = 0
        vector[name] = row.reshape(SHAPES[name])
    rows = np.stack([flat(vector) for vector in vectors])
    merged = disjoint_mean(rows) if elect else rows.sum(axis=0)
    check(
        "breadcrumbs",
        held,
        {"top": top, "bottom": bottom, "elect": elect, "scale": 0.3},
        moved_by(start, merged, 0.3),
    )


def test_magmax_is_the_largest_move_of_each_weight() -> None:
    held = history(4)
    start, vectors = arrays(held)
    rows = np.stack([flat(vector) for vector in vectors])
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=0)[None], axis=0)[0]
    check("magmax", held, {"scale": 0.5}, moved_by(start, largest, 0.5))


@given(seed=seeds, length=st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_model_stock_is_the_paper_ratio_of_the_mean_pairwise_cosine(seed: int, length: int) -> None:
    held = history(length, seed)
    start, vectors = arrays(held)
    expected = {}
    for name in SHAPES:
        rows = [vector[name].ravel() for vector in vectors]
        pairs = itertools.combinations(rows, 2)
        cosine = max(
            0.0, float(np.mean([a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in pairs]))
        )
        ratio = length * cosine / (1 + (length - 1) * cosine)
        expected[name] = start[name] + ratio * np.mean(rows, axis=0).reshape(SHAPES[name])
    check("model_stock", held, {}, expected)


def test_model_stock_keeps_the_only_one_that_moved() -> None:
    """Over running, r_1 merges theta_0 with theta_1: it must leave theta_0."""
    held = history(1)
    for over in ("running", "ends", "all"):
        for key, tensor in merge("model_stock", held, {"over": over}).items():
            torch.testing.assert_close(tensor, held[1][key], rtol=1e-12, atol=1e-12)


@given(seed=seeds, tall=st.floats(0, 1), tasks=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_tall_masks_keeps_what_enough_tasks_need(seed: int, tall: float, tasks: int) -> None:
    held = history(4, seed)
    start, vectors = arrays(held)
    rows = np.stack([flat(vector) for vector in vectors])
    summed = rows.sum(axis=0)
    needed = (np.abs(rows) >= tall * np.abs(summed - rows)).sum(axis=0)
    check(
        "tall_masks",
        held,
        {"tall": tall, "tasks": tasks},
        moved_by(start, np.where(needed >= tasks, summed, 0)),
    )


@pytest.mark.parametrize(
    "name", [name for name in TECHNIQUES if name not in ("slerp", "dare_ties")]
)
@given(order=st.permutations([1, 2, 3, 4]), seed=seeds)
@settings(max_examples=5, deadline=None)
def test_over_all_the_order_of_tasks_plays_no_part(name: str, order: list[int], seed: int) -> None:
    held = history(4, seed)
    params = {"over": "all"} | ({"shares": "uniform"} if name == "interpolate" else {})
    for key, tensor in merge(name, [held[0], *(held[i] for i in order)], params).items():
        torch.testing.assert_close(tensor, merge(name, held, params)[key], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        *((name, {"shares": shares}) for name in ("interpolate", "slerp") for shares in SHARES),
        *((name, {"weight": 0.3}) for name in ("interpolate", "slerp")),
        ("ties", {"keep": 1.0}),
        ("dare_ties", {"drop": 0.0}),
        ("breadcrumbs", {"top": 0.0, "bottom": 0.0}),
        ("magmax", {}),
        ("model_stock", {}),
    ],
)
def test_tasks_that_learned_the_same_merge_to_it(name: str, params: dict[str, object]) -> None:
    start, learned = history(1)
    for key, tensor in merge(
        name, [start, learned, learned, learned], params | {"over": "all"}
    ).items():
        torch.testing.assert_close(tensor, learned[key], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("over", ["running", "all", "ends"])
def test_tasks_that_learned_nothing_change_no_bit(name: str, over: str) -> None:
    start = history(0)[0]
    assert not differing(merge(name, [start] * 4, {"over": over}), start)


@pytest.mark.parametrize("name", ["ties", "breadcrumbs"])
def test_more_entries_than_torch_has_quantiles_for(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    moved = torch.rand(17_000_000, generator=generator)
    merged = merge(name, [{"w": torch.zeros_like(moved)}, {"w": moved}], {"over": "ends"})["w"]
    kept = 0.3 if name == "ties" else 0.29
    assert int((merged != 0).sum()) == pytest.approx(kept * len(moved), abs=1e-6 * len(moved))
