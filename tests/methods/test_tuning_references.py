"""Tunings against the formulas of their papers, in float64 where it matters, and parameter counts in closed form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods import Tuning, objective, optimizers, part
from methods.parameters import weights_in_use
from methods.tuning._projected import Projection, stepped_in
from methods.tuning.coso import sketched
from methods.tuning.dora import Turned
from methods.tuning.osf import Tail
from methods.tuning.vera import Scaled
from tests.tiny_clip import PLAINLY, RECIPE, batches, build, differing, learn, snapshot, step, task

CONTRASTIVE = objective("contrastive", {})
WIDTH, LAYERS, HIDDEN, EMBED = 32, 4, 64, 16  # of tiny_clip: two towers of two layers
IN_PROJ, OUT_PROJ, C_FC, C_PROJ = (
    (3 * WIDTH, WIDTH),
    (WIDTH, WIDTH),
    (HIDDEN, WIDTH),
    (WIDTH, HIDDEN),
)
BLOCK = [IN_PROJ, OUT_PROJ, C_FC, C_PROJ]


def made(name: str, **params: Any) -> Tuning:
    found: Tuning = part("tuning", name, params)
    return found


def count(name: str, **params: Any) -> int:
    return sum(parameter.numel() for parameter in made(name, **params).begin(build(), task()))


def test_parameter_counts_are_the_closed_forms() -> None:
    everything = sum(parameter.numel() for parameter in build().parameters())
    norms = [name for name in build().state_dict() if "ln_" in name]
    low_rank = LAYERS * sum(rows + columns for rows, columns in (IN_PROJ, C_PROJ))
    assert count("full") == count("galore") == count("migu") == everything
    assert count("lnfit") == len(norms) * WIDTH
    biases = LAYERS * (3 * WIDTH + WIDTH + HIDDEN + WIDTH) + sum(
        WIDTH for name in norms if name.endswith("bias")
    )
    assert count("bitfit") == biases
    assert count("linear_probe") == 2 * WIDTH * EMBED
    assert count("lora", rank=3) == count("first_task_only", rank=3) == 3 * low_rank
    assert count("dora", rank=3) == 3 * low_rank + LAYERS * (IN_PROJ[0] + C_PROJ[0])
    assert count("vera", rank=7) == LAYERS * (2 * 7 + IN_PROJ[0] + C_PROJ[0])
    assert count("codyra", rank=5) == LAYERS * sum(
        5 * (rows + columns + 1) for rows, columns in BLOCK
    )
    assert count("coso") == LAYERS * WIDTH * WIDTH
    tails = LAYERS * sum((min(shape) // 2) * (sum(shape) + 1) for shape in BLOCK)
    assert count("osf", frozen_share=0.5) == tails


def test_hft_moves_half_of_each_block_and_another_half_in_the_next_task() -> None:
    model, how = build(), made("hft")
    frozen = []
    for number in (1, 2):
        torch.manual_seed(number)
        before = snapshot(model)
        optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
        step(model, how, CONTRASTIVE, optimizer, next(batches(1)))
        how.end(model)
        after = model.state_dict()
        blocks = [
            path
            for path, module in model.named_modules()
            if isinstance(module, nn.MultiheadAttention)
        ]
        for attention in blocks:
            block = attention.removesuffix(".attn")
            thirds = [
                torch.equal(
                    *(
                        weights[f"{attention}.in_proj_weight"][n * WIDTH : (n + 1) * WIDTH]
                        for weights in (before, after)
                    )
                )
                for n in range(3)
            ]
            out = torch.equal(
                before[f"{attention}.out_proj.weight"], after[f"{attention}.out_proj.weight"]
            )
            assert sum([*thirds, out]) == 2, "two of four attention matrices stay"
            for pair in (("mlp.c_fc", "mlp.c_proj"), ("ln_1", "ln_2")):
                stays = [
                    torch.equal(before[f"{block}.{name}.weight"], after[f"{block}.{name}.weight"])
                    for name in pair
                ]
                assert sum(stays) == 1
                frozen.append(stays)
            frozen.append([*thirds, out])
        assert not torch.equal(before["visual.proj"], after["visual.proj"])
    assert frozen[: len(frozen) // 2] != frozen[len(frozen) // 2 :]


def test_dora_is_its_formula_in_numpy() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 5, dtype=torch.float64)
    turned = Turned(weight, 2, 1.5).double()
    assert torch.equal(turned(weight), weight)
    with torch.no_grad():
        turned.up.normal_()
        turned.size.mul_(1.3)
    moved = weight.numpy() + 1.5 * turned.up.detach().numpy() @ turned.down.detach().numpy()
    expected = turned.size.detach().numpy() * moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(turned(weight).detach().numpy(), expected, rtol=1e-12)
    # the norm is a constant to the gradient: d/dB of the sum is m / ||.|| times that of W0 + s B A
    turned(weight).sum().backward()
    assert turned.up.grad is not None
    scale = turned.size.detach().numpy() / np.linalg.norm(moved, axis=1, keepdims=True)
    by_hand = 1.5 * (scale * np.ones_like(moved)) @ turned.down.detach().numpy().T
    np.testing.assert_allclose(turned.up.grad.numpy(), by_hand, rtol=1e-12)


def test_vera_is_its_formula_in_numpy_and_shares_its_matrices() -> None:
    torch.manual_seed(0)
    weight, down, up = (
        torch.randn(*shape, dtype=torch.float64) for shape in ((6, 5), (3, 9), (8, 3))
    )
    scaled = Scaled(weight, down, up, 0.1, 0.0).double()
    assert torch.equal(scaled(weight), weight)
    with torch.no_grad():
        scaled.outer.normal_()
    b, d = scaled.outer.detach().numpy().ravel(), scaled.inner.detach().numpy()
    expected = weight.numpy() + np.diag(b) @ up[:6].numpy() @ np.diag(d) @ down[:, :5].numpy()
    np.testing.assert_allclose(scaled(weight).detach().numpy(), expected, rtol=1e-12)
    model = build()
    how = made("vera", rank=4)
    how.begin(model, task())
    assert not any(name.endswith((".down", ".up")) for name in model.state_dict())
    corners = {
        tuple(buffer.flatten()[:3].tolist())
        for name, buffer in model.named_buffers()
        if name.endswith("0.down")
    }
    assert len(corners) == 1


def galore_by_hand(
    weight: np.ndarray, gradients: list[np.ndarray], rank: int, gap: int, scale: float
) -> np.ndarray:
    """Algorithm 2 of the paper with AdamW in float64: an implementation of its own."""
    lr, decay, (b1, b2), eps = RECIPE["lr"], RECIPE["weight_decay"], (0.9, 0.999), 1e-8
    left, m, v = weight.shape[0] <= weight.shape[1], 0.0, 0.0
    for n, gradient in enumerate(gradients):
        if n % gap == 0:
            # torch's vectors: the moments outlive a change of basis, and the signs of singular vectors are a matter of taste
            u, _, vt = (
                found.numpy()
                for found in torch.linalg.svd(torch.from_numpy(gradient), full_matrices=False)
            )
            basis = u[:, :rank] if left else vt[:rank]
        small = basis.T @ gradient if left else gradient @ basis.T
        m, v = b1 * m + (1 - b1) * small, b2 * v + (1 - b2) * small**2
        direction = (m / (1 - b1 ** (n + 1))) / (np.sqrt(v / (1 - b2 ** (n + 1))) + eps)
        weight = weight * (1 - lr * decay) - lr * scale * (
            basis @ direction if left else direction @ basis
        )
    return weight


@pytest.mark.parametrize("shape", [(4, 7), (7, 4)])
def test_galore_is_the_papers_algorithm_in_numpy(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, *gradients = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(8)
    )
    module = nn.Module()
    module.blocks = nn.Linear(shape[1], shape[0], bias=False).double()
    module.blocks.weight.data.copy_(weight)
    how = made("galore", rank=2, gap=3, scale=0.5, targets=["blocks.weight"])
    optimizer = optimizers.optimizer("adamw", how.begin(module, task()), RECIPE)
    with single_precision_off():
        for gradient in gradients:
            module.blocks.weight.grad = gradient.clone()
            with how.stepping(module, optimizer):
                optimizer.step()
            optimizer.zero_grad()
    expected = galore_by_hand(
        weight.numpy(), [gradient.numpy() for gradient in gradients], 2, 3, 0.5
    )
    np.testing.assert_allclose(module.blocks.weight.detach().numpy(), expected, rtol=1e-6)
    state = optimizer.state[module.blocks.weight]["exp_avg"]
    assert state.shape == ((2, 7) if shape == (4, 7) else (7, 2)), "the optimizer's state is small"


@contextmanager
def single_precision_off() -> Iterator[None]:
    """The SVD of gradients runs in float32; here it would hide what is compared."""
    original = Tensor.float
    Tensor.float = lambda self: self  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Tensor.float = original  # type: ignore[method-assign]


def test_a_step_in_a_subspace_stays_in_it_but_for_decay() -> None:
    parameter = nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    basis = torch.linalg.qr(torch.randn(5, 2, dtype=torch.float64))[0]
    parameter.grad, before = torch.randn(5, 3, dtype=torch.float64), parameter.detach().clone()
    optimizer = torch.optim.SGD([parameter], lr=0.1, weight_decay=0.3)
    gradient = parameter.grad.clone()
    with stepped_in({parameter: Projection(basis, left=True)}, 2.0, optimizer):
        optimizer.step()
    torch.testing.assert_close(
        parameter.detach(), before * (1 - 0.1 * 0.3) - 2.0 * 0.1 * basis @ (basis.T @ gradient)
    )


def test_coso_remembers_the_asked_share_of_a_tasks_gradients() -> None:
    model, how, stream = build(), made("coso", rank=4, sketch_rank=8, gap=2, energy=0.9), batches(1)
    start = snapshot(model)
    for number in (1, 2):
        optimizer = optimizers.optimizer("adamw", how.begin(model, task(number)), RECIPE)
        for _ in range(6):
            step(model, how, CONTRASTIVE, optimizer, next(stream))
        sketches = {
            key.removeprefix("sketch."): value
            for key, value in how.state_dict().items()
            if key.startswith("sketch.")
        }
        how.end(model)
        past = {
            key.removeprefix("past."): value
            for key, value in how.state_dict().items()
            if key.startswith("past.")
        }
        assert set(past) == set(sketches) == set(differing(model.state_dict(), start)), (
            "only attention's output projections"
        )
        for name, basis in past.items():
            torch.testing.assert_close(
                basis.T @ basis, torch.eye(basis.shape[1]), atol=1e-5, rtol=0
            )
            held = float((basis.T @ sketches[name]).square().sum() / sketches[name].square().sum())
            fewer = float(
                (basis[:, :-1].T @ sketches[name]).square().sum() / sketches[name].square().sum()
            )
            assert held >= 0.9 - 1e-5 and (number == 2 or fewer < 0.9), (
                "as many directions as it takes, and no more"
            )


def test_coso_projects_the_second_tasks_gradient() -> None:
    model, how = build(), made("coso", rank=4, gap=1)
    learn(model, how, CONTRASTIVE, 3)
    parameters = how.begin(model, task(2))
    how.load_state_dict(how.state_dict())
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    before = snapshot(model)
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    with how.stepping(model, optimizer):
        optimizer.step()
    for name, basis in (
        (key.removeprefix("past."), value)
        for key, value in how.state_dict().items()
        if key.startswith("past.")
    ):
        step_ = model.state_dict()[name] - before[name]
        assert float(step_.norm()) > 0
        assert float((basis.T @ step_).norm()) < 1e-4 * float(step_.norm())
        assert int(torch.linalg.matrix_rank(step_, rtol=1e-3)) <= 4


def test_a_sketch_is_below_the_sum_by_at_most_what_was_cut() -> None:
    """The guarantee of frequent directions, https://arxiv.org/abs/1501.01711: 0 <= A A^T - B B^T <= ||A||_F^2 / rank."""
    torch.manual_seed(0)
    pieces, sketch = [torch.randn(12, 6) for _ in range(10)], None
    for piece in pieces:
        sketch = sketched(sketch, piece, 5)
    assert sketch is not None and sketch.shape == (12, 5)
    whole = torch.cat(pieces, dim=1).double()
    error = torch.linalg.eigvalsh(whole @ whole.T - sketch.double() @ sketch.double().T)
    assert float(error.min()) >= -1e-3 and float(error.max()) <= float(whole.square().sum()) / 5


def test_osf_gradients_leave_the_frozen_subspace_alone() -> None:
    model, how = build(), made("osf", frozen_share=0.25)
    parameters = how.begin(model, task())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    CONTRASTIVE.loss(model, next(batches(1)), PLAINLY).backward()
    tails = [module for module in model.modules() if isinstance(module, Tail)]
    expected = []
    for tail in tails:
        assert tail.left.grad is not None and tail.right.grad is not None
        u, v = tail.left_high.double().numpy(), tail.right_high.double().numpy()
        left, right = tail.left.grad.double().numpy(), tail.right.grad.double().numpy()
        expected.append((left - u @ (u.T @ left), right - (right @ v.T) @ v))
    with how.stepping(model, optimizer):
        for tail, (left, right) in zip(tails, expected, strict=True):
            assert tail.left.grad is not None and tail.right.grad is not None
            np.testing.assert_allclose(tail.left.grad.numpy(), left, atol=1e-6)
            np.testing.assert_allclose(tail.right.grad.numpy(), right, atol=1e-6)
            assert float((tail.left_high.T @ tail.left.grad).abs().max()) < 1e-6
        optimizer.step()


def test_osf_freezes_the_largest_singular_values() -> None:
    weight = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0]))
    tail = Tail(weight, 0.5)
    assert tail.values.tolist() == [2.0, 1.0]
    high = tail.left_high @ torch.diag(torch.tensor([4.0, 3.0])) @ tail.right_high
    torch.testing.assert_close(high, torch.diag(torch.tensor([4.0, 3.0, 0.0, 0.0])))
    assert torch.equal(tail(weight), weight)


@pytest.mark.parametrize(
    ("step_", "kappa"), [(250, 0.0), (255, 0.0001), (375, 0.0025), (495, 0.0049), (500, 0.005)]
)
def test_codyras_threshold_waits_then_rises_as_released(step_: int, kappa: float) -> None:
    """At the end of each of the released 50 levels, of five of 500 steps each."""
    assert made("codyra").threshold(step_, 500) == pytest.approx(kappa)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("step_", "kappa"), [(50, 0.0), (55, 0.0025), (60, 0.005), (99, 0.005)])
def test_codyras_threshold_stays_after_its_rise(step_: int, kappa: float) -> None:
    how = made("codyra", ramp_share=0.1)
    assert how.threshold(step_, 100) == pytest.approx(kappa)  # type: ignore[attr-defined]


def test_codyra_takes_the_proximal_step_of_the_l1_norm() -> None:
    """argmin_x |x - w|^2 / 2 + kappa |x|, found on a grid, for every gate; and gates do close."""
    model, how = build(), made("codyra", rank=4, kappa=0.3, dense_share=0.0, ramp_share=0.0)
    parameters = how.begin(model, task(1, 10))
    gates = {name: gate for name, gate in model.named_parameters() if name.endswith("gates")}
    before = {name: gate.detach().clone() for name, gate in gates.items()}
    optimizer = torch.optim.SGD(parameters, lr=0.0)
    with how.stepping(model, optimizer):
        optimizer.step()
    grid = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    closed = 0
    for name, gate in gates.items():
        for was, now in zip(before[name].double(), gate.detach().double(), strict=True):
            best = grid[((grid - was) ** 2 / 2 + 0.3 * grid.abs()).argmin()]
            assert abs(float(now - best)) < 2e-4
            closed += int(now == 0)
    assert closed


def test_migu_holds_the_rows_of_quiet_units() -> None:
    """Units ranked in numpy by the mean share of the L1 norm that they have, on the same batch."""
    model, how = build(), made("migu", quantile=0.7)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task(2)), RECIPE)
    seen: dict[str, np.ndarray] = {}
    layer = model.visual.transformer.resblocks[0].mlp.c_fc
    hook = layer.register_forward_hook(
        lambda module, inputs, output: seen.update(h=output.detach().double().numpy())
    )
    before, batch = snapshot(model), next(batches(1))
    step(model, how, CONTRASTIVE, optimizer, batch)
    hook.remove()
    size = np.abs(seen["h"]).reshape(-1, HIDDEN)
    shares = (size / size.sum(axis=1, keepdims=True)).mean(axis=0)
    quiet = set(np.argsort(shares)[: int(0.7 * HIDDEN)].tolist())
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    stays = (before[name] == model.state_dict()[name]).all(dim=1)
    assert set(stays.nonzero().flatten().tolist()) == quiet
    for fused in (
        "visual.transformer.resblocks.0.attn.in_proj_weight",
        "transformer.resblocks.1.attn.out_proj.weight",
    ):
        rows = (before[fused] == model.state_dict()[fused]).all(dim=1)
        assert int(rows.sum()) == int(0.7 * len(rows))


def test_migu_lets_the_first_task_go_free() -> None:
    free, full = build(), build()
    learn(free, made("migu"), CONTRASTIVE, 3)
    learn(full, made("full"), CONTRASTIVE, 3)
    assert not differing(free.state_dict(), full.state_dict())


def test_lora_that_goes_on_keeps_its_rank_over_tasks() -> None:
    ranks = {}
    for merge in (True, False):
        model, how = build(), made("lora", rank=2, merge_after_task=merge)
        for number in (1, 2, 3):
            learn(model, how, CONTRASTIVE, 4, number=number)
        name = "visual.transformer.resblocks.0.attn.in_proj_weight"
        moved = (model.state_dict()[name] - build().state_dict()[name]).double()
        singular = torch.linalg.svdvals(moved)
        ranks[merge] = int((singular > 1e-4 * singular[0]).sum())
    assert ranks == {True: 6, False: 2}


def test_after_the_first_task_nothing_moves() -> None:
    model, how = build(), made("first_task_only", rank=2)
    learn(model, how, CONTRASTIVE, 4)
    assert differing(model.state_dict(), build().state_dict())
    before = snapshot(model)
    assert how.begin(model, task(2)) == []
    how.end(model)
    assert learn(model, how, CONTRASTIVE, 4, number=3) == []
    assert not differing(before, model.state_dict())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_what_is_in_use_follows_what_is_computed() -> None:
    """A penalty sees DoRA's turned rows, not the frozen weight below them."""
    model, how = build(), made("dora", rank=2)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
    step(model, how, CONTRASTIVE, optimizer, next(batches(1)))
    name = "visual.transformer.resblocks.0.attn.in_proj_weight"
    assert not torch.equal(weights_in_use(model)[name], build().state_dict()[name])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("dora", {"rank": 0}, "dora takes rank >= 1"),
        ("vera", {"start_d": 0.1, "start_b": 0.1}, "a start of 0 for d or b"),
        ("codyra", {"dense_share": 1.5}, r"shares in \[0, 1\]"),
        ("osf", {"frozen_share": 1.0}, "at least 0 and below 1"),
        ("galore", {"gap": 0}, "gap >= 1"),
        ("coso", {"energy": 0.0}, r"energy in \(0, 1\]"),
        ("migu", {"quantile": 1.0}, "quantile of at least 0 and below 1"),
        ("first_task_only", {"alpha": 0.0}, "alpha > 0"),
        (
            "galore",
            {"targets": ["mlp.c_proj"]},
            "galore target 'mlp.c_proj' is the end of no matrix's name",
        ),
        ("dora", {"targets": ["c_proj"]}, "dora target 'c_proj' is the end of no matrix's name"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, **params).begin(build(), task())


@pytest.mark.parametrize("name", ["bitfit", "lnfit", "linear_probe", "hft"])
def test_a_backbone_without_what_moves_is_refused(name: str) -> None:
    bare = nn.Sequential(nn.Linear(3, 3, bias=False))
    with pytest.raises(
        ValueError, match="(finds nothing that it could move|has none).*use tuning 'full'"
    ):
        made(name).begin(bare, task())
    assert all(parameter.requires_grad for parameter in bare.parameters())
