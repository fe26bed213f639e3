"""TSV-M, Iso-C, Iso-CTS, OPCM, WUDI and EMR against their papers, written again in numpy and torch.

Each reference is written from the paper and its authors' code, in float64 and with every task's
matrices at hand, and not from the file that it is held against.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import Weights, merge
from tests.methods.test_merging_formulas import TECHNIQUES as FORMULAS
from tests.tiny_clip import (
    build,
    check_golden,
    differing,
    learn,
    objective_of,
    snapshot,
    tuning,
)

Array = np.ndarray
Vectors = list[dict[str, Array]]
IN_PROJ = "visual.transformer.resblocks.0.attn.in_proj_weight"
SHAPES = {
    "mlp.c_fc.weight": (8, 5),
    "mlp.c_proj.weight": (5, 9),
    IN_PROJ: (12, 4),
    "positional_embedding": (6, 4),
    "token_embedding.weight": (9, 4),
    "text_projection": (4, 4),
    "conv1.weight": (4, 3, 2, 2),
    "bias": (11,),
    "logit_scale": (),
}
# What the authors' code treats as matrices: two axes, and neither of these
AVERAGED = ("token_embedding.weight", "text_projection")
seeds = st.integers(0, 10_000)


def history(length: int, seed: int = 0) -> list[Weights]:
    """Task vectors that share a direction, as fine-tuned ones do."""
    generator = torch.Generator().manual_seed(seed)

    def drawn() -> dict[str, torch.Tensor]:
        return {
            name: torch.randn(shape, generator=generator).double() for name, shape in SHAPES.items()
        }

    start, common = drawn(), drawn()
    held: list[Weights] = [start]
    for _ in range(length):
        own = drawn()
        held.append({name: start[name] + (common[name] + own[name]) / 2 for name in SHAPES})
    return held


def arrays(held: list[Weights]) -> tuple[dict[str, Array], Vectors]:
    """theta_0 and the task vectors."""
    start, *moved = ({name: tensor.numpy() for name, tensor in weights.items()} for weights in held)
    return start, [{name: weights[name] - start[name] for name in start} for weights in moved]


def check(
    name: str, held: list[Weights], params: dict[str, object], expected: dict[str, Array]
) -> None:
    merged = merge(name, held, params | {"over": "all"})
    assert list(merged) == list(SHAPES)
    for key, tensor in merged.items():
        np.testing.assert_allclose(tensor.numpy(), expected[key], rtol=1e-6, atol=1e-8, err_msg=key)


def by_matrix(
    held: list[Weights], matrix: Callable[[list[Array]], Array], scale: float
) -> dict[str, Array]:
    """theta_0 + scale times what is made of the matrices, and of all else the mean."""
    start, vectors = arrays(held)
    expected = {}
    for name, array in start.items():
        rows = [vector[name] for vector in vectors]
        decomposed = array.ndim == 2 and name not in AVERAGED
        merged = matrix(rows) if decomposed else np.mean(rows, axis=0)
        expected[name] = array + scale * merged
    return expected


# ---------------------------------------------------------------- references


def tsv_m(rows: list[Array]) -> Array:
    """The authors' `compute_and_sum_svd_mem_reduction`: places of a matrix as large as one task's."""
    first = np.linalg.svd(rows[0], full_matrices=False)
    sum_u, sum_s, sum_vt = (np.zeros_like(each) for each in first)
    k = int(len(first[1]) * (1 / len(rows)))
    for i, row in enumerate(rows):
        u, s, vt = np.linalg.svd(row, full_matrices=False)
        sum_u[:, i * k : (i + 1) * k] = u[:, :k]
        sum_s[i * k : (i + 1) * k] = s[:k]
        sum_vt[i * k : (i + 1) * k] = vt[:k]
    u_u, _, v_u = np.linalg.svd(sum_u, full_matrices=False)
    u_v, _, v_v = np.linalg.svd(sum_vt, full_matrices=False)
    merged: Array = u_u @ v_u @ np.diag(sum_s) @ u_v @ v_v
    return merged


def iso_c(rows: list[Array]) -> Array:
    u, s, vt = np.linalg.svd(np.sum(rows, axis=0), full_matrices=False)
    merged: Array = u @ np.diag(np.full_like(s, s.mean())) @ vt
    return merged


def iso_cts(rows: list[Array], common: float) -> Array:
    """The authors' code, from which the places of task-specific and common directions are."""
    smaller, count = min(rows[0].shape), len(rows)
    k = int(smaller * common)
    k = smaller - round((smaller - k) / count) * count
    own = (smaller - k) // count
    u, s, vt = np.linalg.svd(np.sum(rows, axis=0), full_matrices=False)
    all_u, all_s, all_vt = np.zeros_like(u), np.zeros_like(s), np.zeros_like(vt)
    for i, row in enumerate(rows):
        apart = row - u[:, :k] @ u[:, :k].T @ row
        own_u, own_s, own_vt = np.linalg.svd(apart, full_matrices=False)
        all_u[:, i * own : (i + 1) * own] = own_u[:, :own]
        all_s[i * own : (i + 1) * own] = own_s[:own]
        all_vt[i * own : (i + 1) * own] = own_vt[:own]
    place = slice(count * own, count * own + k)
    all_u[:, place], all_s[place], all_vt[place] = u[:, :k], s[:k], vt[:k]
    turned = []
    for each in (all_u, all_vt):
        p, _, q = np.linalg.svd(each, full_matrices=False)
        turned.append(p @ q)
    merged: Array = turned[0] @ np.diag(np.full_like(s, all_s.mean())) @ turned[1]
    return merged


def opcm(held: list[Weights], alpha: float) -> dict[str, Array]:
    """The authors' loop over models: complete bases, and the weights scaled in place."""
    start, vectors = arrays(held)

    def norm(weights: dict[str, Array]) -> float:
        return float(np.sqrt(sum(np.square(weights[name] - start[name]).sum() for name in weights)))

    def cleaned(before: Array, learned: Array) -> Array:
        u, s, vt = np.linalg.svd(before, full_matrices=True)
        split = int(np.argmax(np.cumsum(s) / s.sum() > alpha))
        inside = u.T @ learned @ vt.T
        np.fill_diagonal(inside, 0)
        inside[:split, :split] = 0
        result: Array = u @ inside @ vt
        return result

    merged = {name: start[name] + vectors[0][name] for name in start}
    norms, divisor = [norm(merged)], 1.0
    for vector in vectors[1:]:
        norms.append(float(np.sqrt(sum(np.square(array).sum() for array in vector.values()))))
        wanted = np.mean(norms)
        for name in start:
            before, learned = merged[name] - start[name], vector[name]
            if start[name].ndim == 2 and "embedding" not in name and name not in AVERAGED:
                heads = 3 if name == IN_PROJ else 1
                parts = zip(np.split(before, heads), np.split(learned, heads), strict=True)
                learned = np.concatenate([cleaned(one, other) for one, other in parts])
            merged[name] = start[name] + divisor * before + learned
        divisor = float(norm(merged) / wanted)
        merged = {name: start[name] + (merged[name] - start[name]) / divisor for name in merged}
    return merged


def wudi(rows: list[Array], steps: int, lr: float) -> Array:
    """Adam of torch on the loss itself, with all tasks' matrices at hand."""
    moves = torch.stack([torch.from_numpy(row) for row in rows])
    merged = torch.nn.Parameter(moves.sum(dim=0))
    optimizer = torch.optim.Adam([merged], lr=lr, weight_decay=0)
    squares = moves.flatten(1).norm(dim=1).square()
    for _ in range(steps):
        product = (merged.unsqueeze(0) - moves) @ moves.transpose(1, 2)
        loss = (product.square() / squares[:, None, None]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    result: Array = merged.detach().numpy()
    return result


def emr(held: list[Weights], tasks: int, rescale: bool) -> dict[str, Array]:
    """The paper's formulas, task by task, over all entries of the model in one row."""
    start, vectors = arrays(held)
    rows = np.stack([np.concatenate([array.ravel() for array in v.values()]) for v in vectors])
    sign = np.sign(rows.sum(axis=0))
    masks = rows * sign > 0
    unified = sign * np.abs(rows * masks).max(axis=0)
    learned = sum(np.abs(row).sum() for row in rows)
    masked = sum(np.abs(mask * unified).sum() for mask in masks)
    merged = (learned / masked if rescale else 1.0) * unified * (masks.sum(axis=0) >= tasks)
    ends = np.cumsum([array.size for array in start.values()])[:-1]
    return {
        name: start[name] + part.reshape(start[name].shape)
        for name, part in zip(start, np.split(merged, ends), strict=True)
    }


# ---------------------------------------------------------------- each against its own


@given(seed=seeds, length=st.integers(1, 4), scale=st.sampled_from([0.5, 1.0]))
@settings(max_examples=15, deadline=None)
def test_tsv_m_is_the_authors_merge(seed: int, length: int, scale: float) -> None:
    held = history(length, seed)
    check("tsv_m", held, {"scale": scale}, by_matrix(held, tsv_m, scale))


def test_tsv_m_leaves_a_matrix_with_fewer_singular_values_than_tasks() -> None:
    held = history(6)
    merged = merge("tsv_m", held, {"over": "all"})
    assert torch.equal(merged["mlp.c_fc.weight"], held[0]["mlp.c_fc.weight"])
    assert not torch.equal(merged["bias"], held[0]["bias"])


@given(seed=seeds, length=st.integers(1, 5), scale=st.sampled_from([0.5, 1.3]))
@settings(max_examples=15, deadline=None)
def test_iso_c_evens_out_the_spectrum_of_the_sum(seed: int, length: int, scale: float) -> None:
    held = history(length, seed)
    check("iso_c", held, {"scale": scale}, by_matrix(held, iso_c, scale))


@given(seed=seeds, length=st.integers(1, 3), common=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
@settings(max_examples=15, deadline=None)
def test_iso_cts_gives_tasks_directions_of_their_own(seed: int, length: int, common: float) -> None:
    held = history(length, seed)
    expected = by_matrix(held, lambda rows: iso_cts(rows, common), 1.0)
    check("iso_cts", held, {"common": common}, expected)


def test_iso_cts_with_all_directions_common_is_iso_c() -> None:
    held = history(3)
    merged = merge("iso_cts", held, {"common": 1.0, "over": "all"})
    for key, tensor in merge("iso_c", held, {"over": "all"}).items():
        torch.testing.assert_close(merged[key], tensor, rtol=1e-9, atol=1e-9)


@given(seed=seeds, length=st.integers(1, 5), alpha=st.sampled_from([0.0, 0.3, 0.5, 0.9]))
@settings(max_examples=15, deadline=None)
def test_opcm_is_the_authors_loop(seed: int, length: int, alpha: float) -> None:
    held = history(length, seed)
    check("opcm", held, {"alpha": alpha}, opcm(held, alpha))


def test_opcm_is_as_long_as_the_mean_task_vector() -> None:
    held = history(5)
    merged = merge("opcm", held, {"over": "all"})
    start, vectors = arrays(held)
    moved = {name: merged[name].numpy() - start[name] for name in start}

    def length(vector: dict[str, Array]) -> float:
        return float(np.sqrt(sum(np.square(array).sum() for array in vector.values())))

    assert length(moved) == pytest.approx(np.mean([length(vector) for vector in vectors]))


@given(seed=seeds, length=st.integers(1, 4), lr=st.sampled_from([1e-5, 1e-2]))
@settings(max_examples=10, deadline=None)
def test_wudi_is_adam_on_the_loss_of_the_paper(seed: int, length: int, lr: float) -> None:
    held = history(length, seed)
    expected = by_matrix(held, lambda rows: wudi(rows, 40, lr), 1.0)
    # The sum of a tensor that is averaged is divided by the number of tasks, as in their code
    check("wudi", held, {"steps": 40, "lr": lr}, expected)


def test_wudi_of_one_task_is_that_task() -> None:
    """Its loss is 0, and no rounding is turned into steps of Adam."""
    held = history(1)
    for key, tensor in merge("wudi", held, {"over": "all"}).items():
        torch.testing.assert_close(tensor, held[1][key], rtol=1e-12, atol=1e-12)


def test_wudi_lowers_the_loss_of_the_sum() -> None:
    held = history(3)
    _, vectors = arrays(held)
    moves = [vector[IN_PROJ] for vector in vectors]
    merged = merge("wudi", held, {"over": "all", "lr": 1e-2})[IN_PROJ] - held[0][IN_PROJ]

    def loss(matrix: Array) -> float:
        return float(sum(np.square((matrix - m) @ m.T).sum() / np.square(m).sum() for m in moves))

    assert loss(merged.numpy()) < 0.2 * loss(np.sum(moves, axis=0))


@given(seed=seeds, length=st.integers(1, 5), tasks=st.integers(1, 3), rescale=st.booleans())
@settings(max_examples=20, deadline=None)
def test_emr_elects_masks_and_rescales(seed: int, length: int, tasks: int, rescale: bool) -> None:
    held = history(length, seed)
    check("emr", held, {"tasks": tasks, "rescale": rescale}, emr(held, tasks, rescale))


# ---------------------------------------------------------------- all of them


NAMES = ("tsv_m", "iso_c", "iso_cts", "opcm", "wudi", "emr")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("over", ["running", "all", "ends"])
def test_tasks_that_learned_nothing_change_no_bit(name: str, over: str) -> None:
    start = history(0)[0]
    assert not differing(merge(name, [start] * 4, {"over": over}), start)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "opcm"])
@given(order=st.permutations([1, 2, 3]), seed=seeds)
@settings(max_examples=5, deadline=None)
def test_over_all_the_order_of_tasks_plays_no_part(name: str, order: list[int], seed: int) -> None:
    held = history(3, seed)
    params = {"over": "all"}
    for key, tensor in merge(name, [held[0], *(held[i] for i in order)], params).items():
        torch.testing.assert_close(tensor, merge(name, held, params)[key], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("iso_cts", {"common": 1.5}, r"common is a share of the entries, in \[0, 1\], not 1.5"),
        ("opcm", {"alpha": -1}, r"alpha is a share of the entries, in \[0, 1\], not -1"),
        ("wudi", {"steps": -1}, r"wudi takes steps >= 0 and lr >= 0, not -1 and 1e-05"),
        ("emr", {"tasks": 0}, r"tasks is how many tasks must agree, at least 1, not 0"),
        ("iso_c", {"comon": 0.5}, r"iso_c has no parameter 'comon'. Allowed: scale, over"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        merge(name, history(2), params)


# ---------------------------------------------------------------- golden


@pytest.mark.parametrize("name", [*FORMULAS, *NAMES])
def test_losses_from_a_merge_on_are_golden(name: str) -> None:
    """Two tasks from the backbone, merged over all; the losses of a third that begins there."""

    def losses() -> list[float]:
        held = [snapshot(build())]
        for number in (1, 2):
            model = build()
            learn(model, tuning("full"), objective_of("contrastive"), 6, number)
            held.append(snapshot(model))
        model = build()
        model.load_state_dict(dict(merge(name, held, {"over": "all"})))
        return learn(model, tuning("full"), objective_of("contrastive"), 6, 3)

    check_golden(f"merging {name}", losses)
