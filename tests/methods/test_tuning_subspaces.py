"""InfLoRA, KeepLoRA, GNSP, O-LoRA and SPU against their formulas, by numpy in float64."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods import Tuning, objective, optimizers, part
from methods.parameters import weights_in_use
from methods.tuning._confined import Confined
from methods.tuning._subspaces import grown, leading, principal, pure
from methods.tuning.gnsp import null_space
from methods.tuning.lora import LowRank
from methods.tuning.nusa import null_directions
from streams import Batch
from tests.tiny_clip import (
    PLAINLY,
    RECIPE,
    batches,
    build,
    differing,
    learn,
    snapshot,
    step,
    task,
)

CONTRASTIVE = objective("contrastive", {})
IN_PROJ = "visual.transformer.resblocks.0.attn.in_proj_weight"
C_FC = "visual.transformer.resblocks.0.mlp.c_fc.weight"
Rows = np.ndarray


def made(name: str, **params: Any) -> Tuning:
    found: Tuning = part("tuning", name, params)
    return found


def doubled(seed: int) -> Iterator[Batch]:
    for batch in batches(seed):
        yield Batch(batch.images.double(), batch.texts, batch.sources)


def begun(how: Tuning, model: nn.Module, number: int) -> torch.optim.Optimizer:
    torch.manual_seed(number)
    return torch.optim.SGD(how.begin(model, task(number)), lr=0.05)


def kept_of(how: Tuning, kind: str) -> dict[str, Tensor]:
    found = {}
    for key, tensor in how.state_dict().items():
        if key.startswith(f"{kind}."):
            found[key.removeprefix(f"{kind}.")] = tensor
    return found


class Seen:
    """The inputs of one layer of a model, by a hook of this test."""

    def __init__(self, model: nn.Module, path: str) -> None:
        self.rows: list[Rows] = []
        self.hook = model.get_submodule(path).register_forward_pre_hook(self._add)

    def _add(self, module: nn.Module, inputs: Any) -> None:
        self.rows.append(inputs[0].detach().flatten(0, -2).double().numpy())

    def taken(self) -> list[Rows]:
        self.hook.remove()
        return self.rows


# ------------------------------------------------ subspaces


def gpm_released(covariances: list[Rows], energy: float) -> Rows:
    """The basis that InfLoRA's released `update_GPM` keeps, columns."""
    basis: Rows | None = None
    for covariance in covariances:
        total = (np.linalg.svd(covariance, compute_uv=False) ** 2).sum()
        if basis is None:
            vectors, values, _ = np.linalg.svd(covariance)
            count = max(1, int((np.cumsum(values**2 / total) < energy).sum()))
            basis = vectors[:, :count]
            continue
        vectors, values, _ = np.linalg.svd(covariance - basis @ basis.T @ covariance)
        shares, inside, count = values**2 / total, 1 - (values**2).sum() / total, 0
        for share in shares:
            if inside >= energy:
                break
            inside, count = inside + share, count + 1
        basis = np.hstack([basis, vectors[:, :count]])
    assert basis is not None
    return basis


def covariance(seed: int, columns: int = 12, tokens: int = 40) -> Rows:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(tokens, columns)) * np.geomspace(1, 0.05, columns)
    found: Rows = rows.T @ rows
    return found


def test_what_is_held_grows_as_in_the_released_memory() -> None:
    found = None
    seen = [covariance(seed) for seed in (1, 2, 3)]
    for count in range(1, 4):
        own = torch.from_numpy(seen[count - 1])
        if found is None:
            found = leading(own, 0.98, power=2)
        else:
            found = grown(found, own - found @ own, own.square().sum(), 0.98, power=2)
        basis = gpm_released(seen[:count], 0.98)
        np.testing.assert_allclose(found.numpy(), basis @ basis.T, rtol=0, atol=1e-6)


def test_the_principal_directions_of_a_weight_hold_their_share() -> None:
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 12)))
    _, values, vectors = np.linalg.svd(weight.numpy(), full_matrices=False)
    count = int((np.cumsum(values**2 / (values**2).sum()) < 0.6).sum())
    expected = vectors[:count].T @ vectors[:count]
    np.testing.assert_allclose(principal(weight, 0.6).numpy(), expected, rtol=0, atol=1e-10)


def test_a_projection_that_rounding_has_moved_is_made_one_again() -> None:
    basis = torch.linalg.qr(torch.randn(10, 4, dtype=torch.float64))[0]
    moved = basis @ basis.T + 1e-4 * torch.randn(10, 10, dtype=torch.float64)
    once = pure((moved + moved.T) / 2)
    twice = pure(once)
    assert float((twice @ twice - twice).norm()) < 1e-12 < float((moved @ moved - moved).norm())
    assert float(twice.trace()) == pytest.approx(4)


# ------------------------------------------------ InfLoRA and KeepLoRA


def test_inflora_moves_along_the_leading_inputs_outside_of_what_is_held() -> None:
    """Two tasks of a step that measures and one that moves, in float64."""
    model, how = build().double(), made("inflora", rank=3, energy=0.9)
    seen: list[Rows] = []
    for number in (1, 2):
        optimizer, stream = begun(how, model, number), doubled(number)
        look = Seen(model, IN_PROJ.removesuffix(".in_proj_weight"))
        step(model, how, CONTRASTIVE, optimizer, next(stream))
        first = look.taken()[0]
        update = next(update for name, update in how.updates(model) if name == IN_PROJ)  # type: ignore[attr-defined]
        own = first.T @ first
        basis = gpm_released(seen, 0.9) if seen else np.zeros((32, 0))
        left = own - basis @ basis.T @ own
        expected = np.linalg.svd(left)[0][:, :3]
        found = update.down.numpy().T
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, rtol=0, atol=1e-6)
        look = Seen(model, IN_PROJ.removesuffix(".in_proj_weight"))
        step(model, how, CONTRASTIVE, optimizer, next(stream))
        whole = np.concatenate([first, *look.taken()])
        seen.append(whole.T @ whole)
        how.end(model)
        held = kept_of(how, "held")[IN_PROJ].numpy()
        basis = gpm_released(seen, 0.9)
        np.testing.assert_allclose(held, basis @ basis.T, rtol=0, atol=1e-6)


def test_inflora_moves_keys_and_values_alone() -> None:
    model, how = build(), made("inflora")
    before = snapshot(model)
    learn(model, how, CONTRASTIVE, 3)
    changed = differing(model.state_dict(), before)
    assert changed and all(name.endswith("in_proj_weight") for name in changed)
    for name in changed:
        moved = (model.state_dict()[name] != before[name]).any(dim=1)
        third = len(moved) // 3
        assert not bool(moved[:third].any()) and bool(moved[third:].all())


def test_inflora_steps_by_the_gradient_of_the_weight_times_a() -> None:
    """With SGD: the change of W is -lr / 3 G A^T A, G the gradient of keys and values."""
    model, how = build().double(), made("inflora", rank=3)
    optimizer, stream = begun(how, model, 1), doubled(1)
    step(model, how, CONTRASTIVE, optimizer, next(stream))
    batch, plain = next(stream), build().double()
    loss = CONTRASTIVE.loss(plain, batch, PLAINLY)
    loss.backward()
    gradient = plain.get_parameter(IN_PROJ).grad
    update = next(update for name, update in how.updates(model) if name == IN_PROJ)  # type: ignore[attr-defined]
    assert isinstance(update, Confined) and gradient is not None
    before, down = weights_in_use(model)[IN_PROJ].detach().clone(), update.down.clone()
    step(model, how, CONTRASTIVE, optimizer, batch)
    moved = weights_in_use(model)[IN_PROJ].detach() - before
    gradient[:32] = 0
    torch.testing.assert_close(moved, -0.05 / 3 * gradient @ down.T @ down, rtol=1e-6, atol=1e-12)


def test_keeplora_moves_along_the_gradient_outside_of_the_principal_directions() -> None:
    """And of earlier inputs, in the second task; in float64."""
    model = build().double()
    how = made("keeplora", rank=3, alpha=3.0, energy=0.5, weight_energy=0.4)
    weight = model.get_parameter(IN_PROJ).detach().numpy().copy()
    _, values, vectors = np.linalg.svd(weight, full_matrices=False)
    count = int((np.cumsum(values**2 / (values**2).sum()) < 0.4).sum())
    basis = vectors[:count].T
    for number in (1, 2):
        plain = build().double()
        plain.load_state_dict(model.state_dict())
        optimizer, stream = begun(how, model, number), doubled(number)
        batch = next(stream)
        look = Seen(model, IN_PROJ.removesuffix(".in_proj_weight"))
        CONTRASTIVE.loss(plain, batch, PLAINLY).backward()
        gradient = plain.get_parameter(IN_PROJ).grad
        assert gradient is not None
        left = gradient.numpy() - gradient.numpy() @ basis @ basis.T
        expected = np.linalg.svd(left)[2][:3]
        before = weights_in_use(model)[IN_PROJ].detach().clone()
        step(model, how, CONTRASTIVE, optimizer, batch)
        assert torch.equal(weights_in_use(model)[IN_PROJ], before), "the first step measures"
        update = next(update for name, update in how.updates(model) if name == IN_PROJ)  # type: ignore[attr-defined]
        found = update.down.numpy()
        np.testing.assert_allclose(found.T @ found, expected.T @ expected, rtol=0, atol=1e-6)
        step(model, how, CONTRASTIVE, optimizer, next(stream))
        rows = np.concatenate(look.taken())
        how.end(model)
        basis = keeplora_released(basis, rows, 0.5)
        held = kept_of(how, "held")[IN_PROJ].numpy()
        np.testing.assert_allclose(held, basis @ basis.T, rtol=0, atol=1e-6)


def keeplora_released(basis: Rows, rows: Rows, energy: float) -> Rows:
    """The basis with the directions of the feature matrix X (columns, tokens) added, as released."""
    activation = rows.T
    total = (np.linalg.svd(activation, compute_uv=False) ** 2).sum()
    vectors, values, _ = np.linalg.svd(activation - basis @ basis.T @ activation)
    inside, count = 1 - (values**2).sum() / total, 0
    for share in values**2 / total:
        if inside >= energy:
            break
        inside, count = inside + share, count + 1
    return np.hstack([basis, vectors[:, :count]])


@pytest.mark.parametrize("name", ["inflora", "keeplora"])
def test_nothing_moves_while_the_first_steps_measure(name: str) -> None:
    model, how = build(), made(name, measure_steps=3)
    before = snapshot(model)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
    stream = batches(1)
    for number in range(1, 5):
        step(model, how, CONTRASTIVE, optimizer, next(stream))
        used = weights_in_use(model)
        moved = [key for key in used if not torch.equal(used[key], before[key])]
        assert bool(moved) == (number > 3)


STEPWISE = [("inflora", "measure_steps"), ("keeplora", "measure_steps"), ("spu", "score_steps")]


@pytest.mark.parametrize(("name", "key"), STEPWISE)
def test_a_checkpoint_from_while_it_measures_goes_on_to_the_last_bit(name: str, key: str) -> None:
    """After two of three steps that measure, in a second task."""
    stream = batches(1)
    drawn = [next(stream) for _ in range(6)]
    ends = []
    model, how = build(), made(name, **{key: 3})
    learn(model, how, CONTRASTIVE, 5)
    torch.manual_seed(7)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task(2)), RECIPE)
    for batch in drawn[:2]:
        step(model, how, CONTRASTIVE, optimizer, batch)
    saved = torch.utils._pytree.tree_map(
        lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf,
        (snapshot(model), optimizer.state_dict(), how.state_dict()),
    )
    for batch in drawn[2:]:
        step(model, how, CONTRASTIVE, optimizer, batch)
    how.end(model)
    ends.append(model.state_dict())
    torch.manual_seed(7)
    model, how = build(seed=9), made(name, **{key: 3})
    how.load_state_dict(saved[2])
    optimizer = optimizers.optimizer("adamw", how.begin(model, task(2)), RECIPE)
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    how.load_state_dict(saved[2])
    for batch in drawn[2:]:
        step(model, how, CONTRASTIVE, optimizer, batch)
    how.end(model)
    ends.append(model.state_dict())
    assert not differing(*ends)


@pytest.mark.parametrize("name", ["inflora", "keeplora", "gnsp", "spu", "olora"])
def test_under_bfloat16_what_is_measured_is_in_full_precision(name: str) -> None:
    """The loss alone is under autocast, as in a trial."""
    model, how = build(), made(name)
    for number in (1, 2):
        torch.manual_seed(number)
        optimizer = optimizers.optimizer("adamw", how.begin(model, task(number)), RECIPE)
        stream = batches(number)
        for _ in range(3):
            with torch.nn.utils.parametrize.cached():
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = CONTRASTIVE.loss(model, next(stream), PLAINLY)
                loss.backward()
            with how.stepping(model, optimizer):
                optimizer.step()
            optimizer.zero_grad()
        how.end(model)
    state = how.state_dict()
    assert all(tensor.dtype != torch.bfloat16 for tensor in state.values())
    for key, tensor in model.state_dict().items():
        assert bool(tensor.isfinite().all()), key
    for projection in kept_of(how, "held").values():
        torch.testing.assert_close(projection @ projection, projection, atol=1e-5, rtol=0)


def test_a_gradient_that_has_overflowed_chooses_nothing() -> None:
    """As under fp16 at too large a scale: A stays 0 where no step could be measured."""
    model, how = build(), made("keeplora", rank=2)
    optimizer = begun(how, model, 1)
    batch = next(batches(1))
    with torch.nn.utils.parametrize.cached():
        loss = CONTRASTIVE.loss(model, batch, PLAINLY)
    (loss * float("inf")).backward()
    with how.stepping(model, optimizer):
        pass
    for _, update in how.updates(model):  # type: ignore[attr-defined]
        assert isinstance(update, Confined)
        assert not bool(update.down.any())


@pytest.mark.parametrize("name", ["inflora", "keeplora", "gnsp"])
def test_a_target_whose_inputs_nothing_shows_is_refused(name: str) -> None:
    target = "out_proj.weight"
    with pytest.raises(ValueError, match=r"must see the inputs.*nothing shows those of .*out_proj"):
        made(name, targets=[target]).begin(build(), task())


# ------------------------------------------------ GNSP


def test_gnsps_null_space_is_the_released_one() -> None:
    moment = covariance(5)
    values, vectors = np.linalg.svd(moment)[1:]
    rank = next(k for k in range(len(values)) if values[k:].sum() / values.sum() < 0.15)
    expected = vectors[rank:].T @ vectors[rank:]
    found = null_space(torch.from_numpy(moment), 0.15).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_gnsp_projects_gradients_by_the_inputs_of_earlier_tasks() -> None:
    model, how = build().double(), made("gnsp", rho=0.3)
    moment = np.zeros((32, 32))
    for number in (1, 2, 3):
        optimizer, stream = begun(how, model, number), doubled(number)
        look = Seen(model, C_FC.removesuffix(".weight"))
        for _ in range(2):
            before = model.get_parameter(C_FC).detach().clone()
            batch, plain = next(stream), build().double()
            plain.load_state_dict(model.state_dict())
            CONTRASTIVE.loss(plain, batch, PLAINLY).backward()
            gradient = plain.get_parameter(C_FC).grad
            assert gradient is not None
            if number > 1:
                gradient = gradient @ null_space(torch.from_numpy(moment), 0.3)
            step(model, how, CONTRASTIVE, optimizer, batch)
            moved = model.get_parameter(C_FC).detach() - before
            torch.testing.assert_close(moved, -0.05 * gradient, rtol=1e-6, atol=1e-10)
        own = np.zeros((32, 32))
        for rows in look.taken():
            own += rows.T @ rows / np.linalg.norm(rows.T @ rows)
        moment += own / np.linalg.norm(own)
        how.end(model)
        found = kept_of(how, "moment")[C_FC].numpy()
        np.testing.assert_allclose(found, moment, rtol=1e-6, atol=1e-12)


def test_gnsp_moves_the_mlps_of_the_image_tower_alone() -> None:
    model, before = build(), build()
    learn(model, made("gnsp"), CONTRASTIVE, 3)
    changed = differing(model.state_dict(), before.state_dict())
    assert len(changed) == 4
    assert all(name.startswith("visual.") and ".mlp.c_" in name for name in changed)


# ------------------------------------------------ NuSA-CL


@pytest.mark.parametrize(("shape", "rank"), [((12, 10), 4), ((10, 12), 4), ((12, 10), 30)])
def test_nusas_directions_are_the_released_ones(shape: tuple[int, int], rank: int) -> None:
    random = np.random.default_rng(3)
    for energy in (0.5, 0.9, 0.999, 1.0):
        weight = random.normal(size=shape)
        left, values, right = np.linalg.svd(weight, full_matrices=False)
        ratio = np.cumsum(values**2) / (values**2).sum()
        # At an energy of 1 rounding decides of the last
        principal = min(int(np.searchsorted(ratio, energy)) + 1, len(values))
        count = min(len(values) - principal, rank)
        found = null_directions(torch.from_numpy(weight), rank, energy)
        assert found[0].shape == (shape[0], min(rank, 10))
        ours = found[0].numpy() @ found[0].numpy().T, found[1].numpy().T @ found[1].numpy()
        tails = left[:, len(values) - count :], right[len(values) - count :].T
        for projection, tail in zip(ours, tails, strict=True):
            np.testing.assert_allclose(projection, tail @ tail.T, rtol=0, atol=1e-10)


def test_nusa_steps_by_the_gradient_between_its_directions() -> None:
    """With SGD: the change of each stacked matrix is -lr U U^T G V V^T, in float64."""
    model, how = build().double(), made("nusa", rank=5, energy=0.6)
    optimizer, plain = begun(how, model, 1), build().double()
    batch = next(doubled(1))
    CONTRASTIVE.loss(plain, batch, PLAINLY).backward()
    step(model, how, CONTRASTIVE, optimizer, batch)
    how.end(model)
    for name, parts in ((IN_PROJ, 3), (IN_PROJ.replace("in_proj_", "out_proj."), 1)):
        was = plain.get_parameter(name)
        assert was.grad is not None
        pieces = zip(
            was.detach().chunk(parts),
            was.grad.chunk(parts),
            model.get_parameter(name).detach().chunk(parts),
            strict=True,
        )
        for weight, gradient, now in pieces:
            left, right = null_directions(weight, 5, 0.6)
            expected = -0.05 * left @ left.T @ gradient @ right.T @ right
            torch.testing.assert_close(now - weight, expected, rtol=1e-6, atol=1e-12)


# ------------------------------------------------ O-LoRA


def test_olora_adds_the_gradient_of_its_penalty() -> None:
    """By autograd, as the released trainer adds the penalty to the loss."""
    model, how = build().double(), made("olora", rank=3, weight=0.5)
    earlier: dict[str, list[Tensor]] = {}
    for number in (1, 2, 3):
        optimizer, stream = begun(how, model, number), doubled(number)
        updates = dict(how.updates(model))  # type: ignore[attr-defined]
        CONTRASTIVE.loss(model, next(stream), PLAINLY).backward()
        expected = {}
        for name, update in updates.items():
            assert isinstance(update, LowRank) and update.down.grad is not None
            down = update.down.detach().clone().requires_grad_()
            penalty = sum((old @ down.T).abs().sum() for old in earlier.get(name, []))
            added = torch.autograd.grad(penalty, down)[0] if number > 1 else 0.0  # type: ignore[arg-type]
            expected[name] = update.down.grad.clone() + 0.5 * added
        with how.stepping(model, optimizer):
            for name, update in updates.items():
                torch.testing.assert_close(update.down.grad, expected[name], rtol=1e-6, atol=1e-12)
            optimizer.step()
        optimizer.zero_grad()
        for name, update in updates.items():
            earlier.setdefault(name, []).append(update.down.detach().clone())
        how.end(model)


def test_olora_reads_more_orthogonal_inputs_than_lora() -> None:
    overlaps = []
    for weight in (0.0, 0.5):
        model, how = build(), made("olora", rank=2, weight=weight)
        for number in (1, 2):
            learn(model, how, CONTRASTIVE, 30, number=number)
        total = 0.0
        for down in kept_of(how, "earlier").values():
            one, two = (torch.linalg.qr(rows.T)[0] for rows in down.split(2))
            total += float((one.T @ two).square().sum())
        overlaps.append(total)
    assert overlaps[1] < 0.5 * overlaps[0]


# ------------------------------------------------ SPU


def test_spu_moves_the_share_with_the_largest_gradients() -> None:
    model, how, plain = build(), made("spu", share=0.1), build()
    batch, stream = next(batches(1)), batches(1)
    CONTRASTIVE.loss(plain, batch, PLAINLY).backward()
    before = snapshot(model)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
    step(model, how, CONTRASTIVE, optimizer, next(stream))
    assert not differing(before, model.state_dict()), "the first step scores"
    for _ in range(3):
        step(model, how, CONTRASTIVE, optimizer, next(stream))
    how.end(model)
    for name, parameter in plain.named_parameters():
        moved = (model.state_dict()[name] != before[name]).flatten().numpy()
        if name.endswith("mlp.c_fc.weight"):
            assert parameter.grad is not None
            size = parameter.grad.abs().flatten().numpy()
            count = int(0.1 * len(size))
            assert set(np.argsort(-size, kind="stable")[:count]) == set(moved.nonzero()[0])
        else:
            whole = name.endswith("mlp.c_fc.bias") or name == "visual.proj"
            assert moved.any() == whole, name


def test_spu_scores_by_the_sum_of_gradients_and_not_of_their_sizes() -> None:
    model, how, stream = build(), made("spu", score_steps=2), batches(1)
    optimizer = optimizers.optimizer("sgd", how.begin(model, task()), RECIPE)
    total = torch.zeros_like(model.get_parameter(C_FC))
    drawn = [next(stream) for _ in range(2)]
    for batch in drawn:
        plain = build()
        CONTRASTIVE.loss(plain, batch, PLAINLY).backward()
        gradient = plain.get_parameter(C_FC).grad
        assert gradient is not None
        total += gradient
        step(model, how, CONTRASTIVE, optimizer, batch)
    count = int(0.1 * total.numel())
    expected = set(total.abs().flatten().topk(count).indices.tolist())
    stays = kept_of(how, "stays")[C_FC].flatten()
    assert set((~stays).nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("inflora", {"rank": 0}, "inflora takes rank and measure_steps >= 1"),
        ("keeplora", {"weight_energy": 0.0}, r"energies in \(0, 1\]"),
        ("gnsp", {"rho": 0.0}, r"rho in \(0, 1\]"),
        ("gnsp", {"targets": ["c_gate.weight"]}, "is the end of no matrix's name"),
        ("nusa", {"energy": 0.0}, r"energy in \(0, 1\]"),
        ("olora", {"weight": -1.0}, "weight >= 0"),
        ("spu", {"share": 0.0}, r"a share in \(0, 1\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, **params).begin(build(), task())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", ["inflora", "keeplora"])
def test_what_rounding_leaves_is_no_direction_at_any_scale(name: str, scale: float) -> None:
    """One direction of six is not protected, so A has one row, however large a gradient is."""
    noise = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    directions = torch.linalg.qr(noise)[0]
    protected, new = directions[:, :5], directions[:, 5]
    sizes = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.0, 0.0])
    measured = scale * directions @ sizes.diag() @ directions.T
    rows = made(name, rank=3).chosen(measured, protected @ protected.T)  # type: ignore[attr-defined]
    torch.testing.assert_close(rows[0] * (rows[0] @ new).sign(), new, atol=1e-4, rtol=0)
    assert not bool(rows[1:].any())
