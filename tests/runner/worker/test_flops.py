"""The counter of FLOPs says what torch's own says, and changes no result."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from runner.worker.flops import FlopCounter
from tests.tiny_clip import build


def step(model: nn.Module, rows: Tensor) -> Tensor:
    model.zero_grad()
    embedded = model.encode_image(rows)
    (embedded @ embedded.T).square().sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def checkpointed(model: nn.Module, rows: Tensor) -> Tensor:
    return checkpoint(model.encode_image, rows, use_reentrant=False).sum().backward() or rows


@torch.inference_mode()
def encode(model: nn.Module, rows: Tensor) -> Tensor:
    return model.encode_image(rows)


@torch.no_grad()
def watched(model: nn.Module, rows: Tensor) -> Tensor:
    return model.encode_image(rows)


def half(model: nn.Module, rows: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return model.encode_image(rows)


def attention(model: nn.Module, rows: Tensor) -> Tensor:
    heads = rows.reshape(len(rows), 4, -1, 8)
    return scaled_dot_product_attention(heads, heads, heads)


def convolution(model: nn.Module, rows: Tensor) -> Tensor:
    weights = torch.ones(4, 3, 3, 3, requires_grad=True)
    nn.functional.conv2d(rows, weights).sum().backward()
    assert weights.grad is not None
    return weights.grad


WORK: tuple[Callable[[nn.Module, Tensor], Tensor], ...] = (
    step,
    checkpointed,
    encode,
    watched,
    half,
    attention,
    convolution,
)


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_it_counts_what_torch_counts_and_changes_no_bit(
    work: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    model = build()
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(4, 3, 16, 16, generator=generator)
    with FlopCounterMode(display=False) as theirs:
        counted_by_torch = work(model, rows)
    with FlopCounter() as ours:
        counted = work(model, rows)
    assert ours.get_total_flops() == theirs.get_total_flops() > 0
    assert torch.equal(counted, counted_by_torch)


def test_two_count_the_same() -> None:
    rows = torch.randn(4, 8)
    with FlopCounter() as outer:
        rows @ rows.T
        with FlopCounter() as inner:
            rows @ rows.T
    assert outer.get_total_flops() == 2 * inner.get_total_flops() == 2 * 2 * 4 * 4 * 8


def test_what_has_no_formula_is_not_counted_as_nothing() -> None:
    """A branch costs what the branch that is taken costs, which no formula knows."""
    rows = torch.randn(4, 8)
    with (
        pytest.raises(NotImplementedError, match="no formula for the FLOPs of cond"),
        FlopCounter(),
    ):
        torch.cond(torch.tensor(True), lambda x: x @ x.T, lambda x: x @ x.T, (rows,))
