"""What a bounded buffer keeps: never too much, each pair with its chance, the shares of each policy, and nothing that was dropped."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.checks import parts
from streams.buffers import POLICIES, BufferError, kept
from streams.mixtures import Mixture
from tests.streams.test_streams import Numbered, numbers, row, same

patient = settings(deadline=None, max_examples=60)
TASKS = st.lists(st.lists(st.integers(0, 5), max_size=30), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**62)


def concepts(tasks: list[list[int]]) -> list[np.ndarray]:
    """As `kept` takes them."""
    return [np.array(task, np.int64) for task in tasks]


def of_tasks(sizes: list[int], chosen: np.ndarray) -> list[int]:
    """How many pairs of each task were kept."""
    ends = np.cumsum(sizes)
    return np.bincount(np.searchsorted(ends, chosen, side="right"), minlength=len(sizes)).tolist()


def unevenness(counts: np.ndarray, rounds: int, size: int) -> float:
    """Chi-square of how often each of n pairs was among `size`, in standard deviations above its mean (n - 1 degrees of freedom);
    a draw without replacement varies less than one with, by n - size in n - 1."""
    count, chance = len(counts), size / len(counts)
    spread = rounds * chance * (1 - chance) * count / (count - 1)
    return float(
        (np.square(counts - rounds * chance).sum() / spread - (count - 1))
        / np.sqrt(2 * (count - 1))
    )


def test_both_halves_know_the_same_policies() -> None:
    assert parts.names("streams/buffers.py") == sorted(POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
@patient
@given(TASKS, st.integers(1, 60), SEEDS)
def test_a_buffer_is_full_and_never_more(
    policy: str, tasks: list[list[int]], size: int, seed: int
) -> None:
    chosen = kept(policy, concepts(tasks), size, [seed, 0])
    assert len(chosen) == min(size, sum(map(len, tasks)))
    assert list(chosen) == sorted(set(chosen.tolist())) and all(
        0 <= place < sum(map(len, tasks)) for place in chosen
    )
    assert np.array_equal(chosen, kept(policy, concepts(tasks), size, [seed, 0]))


@pytest.mark.parametrize("policy", POLICIES)
@patient
@given(TASKS, st.lists(st.integers(0, 5), max_size=30), st.integers(1, 60), SEEDS)
def test_what_was_dropped_never_comes_back(
    policy: str, tasks: list[list[int]], more: list[int], size: int, seed: int
) -> None:
    """The past need not be stored: a later buffer is a part of the earlier one, and pairs of the task between."""
    before = kept(policy, concepts(tasks), size, [seed, 0])
    after = kept(policy, concepts([*tasks, more]), size, [seed, 0])
    assert set(after[after < sum(map(len, tasks))].tolist()) <= set(before.tolist())


@pytest.mark.parametrize("policy", ["reservoir", "class_balanced", "equal"])
def test_every_pair_has_its_chance(policy: str) -> None:
    """10 of 50 pairs, over 3,000 seeds: uniform, where all concepts and tasks have as many pairs."""
    tasks = [np.repeat([task], 10) for task in range(5)]
    drawn = np.concatenate([kept(policy, tasks, 10, [seed, 0]) for seed in range(3000)])
    assert abs(unevenness(np.bincount(drawn, minlength=50), 3000, 10)) < 3


def test_a_reservoir_forgets_whose_task_a_pair_was() -> None:
    """In tasks of 5, 80 and 15 pairs, too, each pair stays with the chance of 20 in 100."""
    tasks = [np.zeros(size, np.int64) for size in (5, 80, 15)]
    drawn = np.concatenate([kept("reservoir", tasks, 20, [seed, 0]) for seed in range(2000)])
    assert abs(unevenness(np.bincount(drawn, minlength=100), 2000, 20)) < 3
    first = np.bincount(drawn[drawn < 20], minlength=100)
    assert unevenness(first, 2000, 20) > 100, "a buffer that never changes would be seen"


def test_class_balanced_by_hand() -> None:
    """9 places for concepts of 50, 2 and 50 pairs: the rare one keeps both, the others share seven, who came first takes the odd one."""
    labels = np.repeat([7, 3, 5], [50, 2, 50])
    chosen = kept("class_balanced", [labels[:60], labels[60:]], 9, [0, 0])
    assert Counter(labels[chosen].tolist()) == {7: 4, 3: 2, 5: 3}


def test_shares_of_tasks_by_hand() -> None:
    """Four tasks of 100 pairs and 30 places: a quarter each, or 2, 4, 8 and 16; a task with three pairs leaves its places to the others."""
    tasks = [np.zeros(100, np.int64)] * 4
    assert sorted(of_tasks([100] * 4, kept("equal", tasks, 30, [0, 0]))) == [7, 7, 8, 8]
    assert of_tasks([100] * 4, kept("exponential", tasks, 30, [0, 0])) == [2, 4, 8, 16]
    short = [*tasks[:3], np.zeros(3, np.int64)]
    assert of_tasks([100, 100, 100, 3], kept("equal", short, 30, [0, 0])) == [9, 9, 9, 3]
    assert of_tasks([100, 100, 100, 3], kept("exponential", short, 30, [0, 0])) == [4, 8, 15, 3]


@patient
@given(st.integers(2, 6), st.integers(1, 200), SEEDS)
def test_exponential_shares_are_exact_to_a_pair(count: int, size: int, seed: int) -> None:
    """Of large tasks: 2 ** -age of the whole, rounded."""
    tasks = [np.zeros(200, np.int64)] * count
    found = of_tasks([200] * count, kept("exponential", tasks, size, [seed, 0]))
    wanted = [size * 2.0**task / (2**count - 1) for task in range(count)]
    assert (
        all(abs(one - other) <= 1 for one, other in zip(found, wanted, strict=True))
        or max(wanted) > 200
    )


def test_a_thousand_tasks_of_halving_shares() -> None:
    """Numbers that a float cannot hold: 2 ** 2,000."""
    chosen = kept("exponential", [np.zeros(2, np.int64)] * 2000, 50, [0, 0])
    assert chosen.min() > 3940 and len(chosen) == 50


@pytest.mark.parametrize("policy", POLICIES)
def test_a_mixture_keeps_one_buffer_and_goes_on_exactly(policy: str) -> None:
    """Killed in the third task: begun anew, from nothing but rows and counters, it draws the same pairs of the same buffer."""
    mixture: dict[str, Any] = row(0.5, 0.5, 0, buffer_pairs=7, buffer_policy=policy)
    data = Numbered(1000, 90)
    data.labels = np.arange(90) % 3

    def begun(task: int) -> Mixture:
        made = Mixture(mixture, 8, 5, None)
        every = [[(data, np.arange(30 * n, 30 * n + 30))] for n in range(3)]
        made.begin(task, every[task - 1], every[: task - 1])
        return made

    whole = begun(3)
    seen = {int(number) for _ in range(4) for number in numbers(whole.draw())[4:]}
    assert len(seen) == 7 and seen < set(range(1000, 1060))
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = begun(3)
    resumed.load_state_dict(state)
    assert all(same(whole.draw(), resumed.draw()) for _ in range(6))
    before = begun(2)
    earlier = {int(number) for _ in range(4) for number in numbers(before.draw())[4:]}
    assert {number for number in seen if number < 1030} <= earlier
    if policy == "class_balanced":
        assert Counter(number % 3 for number in seen) in (
            {0: 3, 1: 2, 2: 2},
            {1: 3, 0: 2, 2: 2},
            {2: 3, 0: 2, 1: 2},
        )


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(
        BufferError,
        match=r"unknown buffer_policy 'resevoir'. Known: reservoir, .*Did you mean 'reservoir'\?",
    ):
        kept("resevoir", [np.zeros(9, np.int64)], 4, [0])
    with pytest.raises(
        BufferError,
        match=r"buffer_pairs is 0; it must be above 0. A mixture without a buffer has buffer_share 0",
    ):
        kept("equal", [np.zeros(9, np.int64)], 0, [0])
