"""What every merging must do, over the files of methods/merging, and the formulas of each one."""

import itertools
import weakref
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import Weights, merge
from schema.checks.parts import averages_steps
from tests.tiny_clip import differing, names

MERGINGS = [name for name in names("methods/merging") if not averages_steps(name)]
OVER = ("running", "ends", "all")


def weights(seed: int) -> dict[str, torch.Tensor]:
    """Of every kind a CLIP may hold: full and half precision, a scalar, a counter."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "a": torch.randn(5, 3, generator=generator),
        "half": torch.randn(7, generator=generator).half(),
        "brain": torch.randn(7, generator=generator).bfloat16(),
        "double": torch.randn(2, 2, generator=generator, dtype=torch.float64),
        "scale": torch.randn((), generator=generator),
        "seen": torch.tensor(seed),
    }


class Loaded(Sequence[Weights]):
    """Weights made when asked for, counting how many of them are alive."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds, self.alive, self.most = seeds, 0, 0

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> Weights:
        loaded = weights(self.seeds[index])
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(loaded["a"], self._gone)
        return loaded

    def _gone(self) -> None:
        self.alive -= 1


@pytest.mark.parametrize("name", MERGINGS)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_keys_shapes_and_dtypes_are_kept_and_the_history_is_not_touched(
    name: str, length: int
) -> None:
    history = [weights(seed) for seed in range(length)]
    merged = merge(name, history, {})
    assert {key: (tensor.shape, tensor.dtype) for key, tensor in merged.items()} == {
        key: (tensor.shape, tensor.dtype) for key, tensor in history[-1].items()
    }
    assert list(merged) == list(history[-1])
    assert merged["seen"] == length - 1, "what is not floating point is the last's"
    assert not any(differing(kept, weights(seed)) for seed, kept in enumerate(history))


@pytest.mark.parametrize("name", MERGINGS)
def test_equal_weights_merge_to_themselves(name: str) -> None:
    for key, tensor in merge(name, [weights(1)] * 4, {}).items():
        torch.testing.assert_close(tensor, weights(1)[key])


@pytest.mark.parametrize("name", MERGINGS)
def test_memory_does_not_grow_with_the_history(name: str) -> None:
    short, long = Loaded(range(3)), Loaded(range(12))
    merge(name, short, {})
    merge(name, long, {})
    assert long.most <= short.most


@pytest.mark.parametrize("name", MERGINGS)
def test_it_is_a_function_of_the_history(name: str) -> None:
    assert not differing(merge(name, Loaded(range(4)), {}), merge(name, Loaded(range(4)), {}))


def test_none_is_the_last() -> None:
    assert not differing(merge("none", Loaded([3, 1, 2]), {}), weights(2))


@given(
    weight=st.floats(0, 1),
    over=st.sampled_from(OVER),
    length=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_interpolating_equal_weights_changes_no_bit(
    weight: float, over: str, length: int, seed: int
) -> None:
    assert not differing(
        merge("interpolate", [weights(seed)] * length, {"weight": weight, "over": over}),
        weights(seed),
    )


@given(
    weight=st.floats(0, 1),
    over=st.sampled_from(OVER),
    one=st.integers(0, 1000),
    two=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_two_models_are_the_closed_form_whatever_it_is_over(
    weight: float, over: str, one: int, two: int
) -> None:
    merged = merge("interpolate", [weights(one), weights(two)], {"weight": weight, "over": over})
    for key, first in weights(one).items():
        second = weights(two)[key]
        if first.is_floating_point():
            expected = (1 - weight) * first.double() + weight * second.double()
            # 1e-6 of what is added, not of what is left: near-opposite numbers cancel; a half then
            # rounds once, when stored
            size = torch.maximum(first.abs(), second.abs()).double()
            rounding = max(1e-6, torch.finfo(first.dtype).eps)
            assert bool(
                ((merged[key].double() - expected).abs() <= rounding * size + 1e-12).all()
            ), key


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_each_average_is_its_formula(weight: float) -> None:
    history = [weights(seed) for seed in range(4)]
    double = [one["a"].double() for one in history]
    running = double[0]
    for one in double[1:]:
        running = (1 - weight) * running + weight * one
    expected = {
        "running": running,
        "ends": (1 - weight) * double[0] + weight * double[3],
        "all": (1 - weight) * torch.stack(double[1:-1]).mean(dim=0) + weight * double[3],
    }
    for over in OVER:
        merged = merge("interpolate", history, {"weight": weight, "over": over})
        torch.testing.assert_close(merged["a"].double(), expected[over], rtol=1e-6, atol=1e-6)


def test_a_running_average_of_halves_is_kept_in_full_precision() -> None:
    """Twelve small moves, each below what a half can tell apart, must add up."""
    history = [{"a": torch.full((1,), 1.0).half()}] + [{"a": torch.full((1,), 1.01).half()}] * 60
    merged = merge("interpolate", history, {"weight": 0.02})
    assert float(merged["a"]) == pytest.approx(1.01 - 0.01 * 0.98**60, abs=1e-3)


@pytest.mark.parametrize("name", [name for name in MERGINGS if name != "none"])
def test_merged_weights_share_no_memory_with_the_history(name: str) -> None:
    for over, length in itertools.product(OVER, (1, 2, 3)):
        history = [weights(seed) for seed in range(length)]
        for tensor in merge(name, history, {"over": over}).values():
            tensor.zero_()
        assert not any(differing(kept, weights(seed)) for seed, kept in enumerate(history)), over


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "interpolat",
            {},
            r"unknown 'interpolat'. Known in methods/merging: .*Did you mean 'interpolate'",
        ),
        (
            "none",
            {"weight": 1},
            r"none has no parameter 'weight'. Allowed: none: it takes no parameters",
        ),
        (
            "none",
            {"over": "all"},
            r"none has no parameter 'over'. Allowed: none: it takes no parameters",
        ),
        (
            "interpolate",
            {"wieght": 1},
            r"Allowed: weight, shares, initial, over, start_over, lines. Did you mean 'weight'",
        ),
        ("interpolate", {"weight": 1.5}, r"in \[0, 1\], not 1.5"),
        (
            "interpolate",
            {"weight": 0.5, "shares": "exp"},
            r"two ways to say the same; leave one out",
        ),
        (
            "slerp",
            {"shares": "sqr"},
            r"unknown shares 'sqr'. Allowed: uniform, log, sqrt, .*, reverse_exp",
        ),
        ("interpolate", {"over": "some"}, r"unknown over 'some'. Allowed: running, all, ends"),
        (
            "interpolate",
            {"start_over": "runing"},
            r"unknown start_over 'runing'. .* Did you mean 'running'",
        ),
        (
            "interpolate",
            {"lines": {"gamma": 1}},
            r'lines is {"alpha": number, "beta": number} or null, not {"gamma": 1}',
        ),
        ("interpolate", {"restart": True}, r"interpolate has no parameter 'restart'"),
        (
            "ema_step",
            {"over": "all"},
            r"ema_step has no parameter 'over'. Allowed: decay, ramp, lines, restart",
        ),
        ("ema_step", {"restart": 1}, r"restart is true .* or false, not 1"),
        ("ema_step", {"decay": 2}, r"decay is the share of the average so far, in \[0, 1\], not 2"),
        ("every_k", {"every": 0}, r"every is a number of steps, at least 1, not 0"),
        ("ema_step", {}, r"averages over the steps of a task and combines no tasks"),
        ("ties", {"keep": 1.1}, r"keep is a share of the entries, in \[0, 1\], not 1.1"),
        ("dare_ties", {"drop": 1}, r"drop is a share of the entries, in \[0, 0.999\], not 1"),
        (
            "breadcrumbs",
            {"top": 0.5, "bottom": 0.5},
            r"top \+ bottom is a share of the entries, in \[0, 0.999\], not 1",
        ),
        ("tall_masks", {"tasks": 0}, r"tasks a number of at least 1, not 0.4 and 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        merge(name, [weights(0), weights(1)], params)
