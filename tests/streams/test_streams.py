"""What a task is cut to, what a batch is made of, and that a mixture goes on exactly where it was."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.checks import parts
from streams import EVERY, DatasetError, Draw, open_pairs
from streams.held_out import HeldOut, choose
from streams.loading import Loader
from streams.mixtures import Mixture, MixtureError, Portion
from streams.shares import Shares, in_task, shares
from streams.tasks import chunks

patient = settings(deadline=None, max_examples=40)
FORMATS = parts.names("streams/formats")


class Numbered:
    """Pairs whose image is their number, in a range that is theirs alone."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.labels = first, np.zeros(count, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: np.ndarray, crops: object = None) -> np.ndarray:
        """(B, 3, 1, 1): the low, middle and high byte of the number."""
        number = indices + self.first
        return np.stack([number % 256, number // 256 % 256, number // 65536], 1).astype(np.uint8)[
            :, :, None, None
        ]

    def captions(
        self, indices: np.ndarray, rng: np.random.Generator, part: slice = EVERY
    ) -> list[str]:
        """The number, and a word that chance chose."""
        return [f"{n + self.first} {rng.integers(1000)}" for n in indices][part]


def numbers(draw: Draw) -> np.ndarray:
    """The numbers of the pairs in a batch."""
    found: np.ndarray = draw.images.numpy().reshape(-1, 3).astype(np.int64) @ np.array(
        [1, 256, 65536]
    )
    return found


def row(update: float, buffer: float, pretraining: float, **more: Any) -> dict[str, Any]:
    """A mixture row as the definition has it."""
    named = {"update_share": update, "buffer_share": buffer, "pretraining_share": pretraining}
    return (
        {"name": "mixed", "buffer_pairs": None, "selection": "none", "selection_params": {}}
        | named
        | more
    )


THIRDS = row(0.34, 0.33, 0.33)
POOL: list[Portion] = [(Numbered(2000, 25), np.arange(25))]


def begun(
    mixture: Mapping[str, Any],
    task: int = 2,
    seed: int = 0,
    batch_pairs: int = 12,
    steps: int | None = None,
    said: Sequence[Shares] = (),
) -> Mixture:
    """A mixture over 20 update pairs from 0, 30 buffer pairs from 1000, 25 pretraining pairs from 2000.

    `said` are the shares of its segments, where it has any.
    """
    made = Mixture(mixture, batch_pairs, seed, POOL)
    one, two = Numbered(0, 40), Numbered(1000, 30)
    earlier: list[list[Portion]] = (
        [[(two, np.arange(10))], [(two, np.arange(10, 30))]] if task > 1 else []
    )
    update = [(one, np.arange(12)), (one, np.arange(12, 20))]
    made.begin(task, update, earlier, steps, len(said) or 1)
    for own in said:
        made.segments.say(in_task(own, task))
    return made


def same(one: Draw, other: Draw) -> bool:
    """Whether two batches are equal to the bit."""
    arrays = np.array_equal(one.images, other.images) and np.array_equal(one.sources, other.sources)
    return arrays and one.captions == other.captions


@given(st.integers(1, 200), st.data())
def test_chunks_are_the_sequence_in_order_the_first_ones_longer(
    count: int, data: st.DataObject
) -> None:
    tasks = data.draw(st.integers(1, count))
    concepts = [("birds", str(n)) for n in range(count)]
    cut = chunks(concepts, tasks)
    assert [concept for chunk in cut for concept in chunk] == concepts
    assert [len(chunk) for chunk in cut] == [count // tasks + 1] * (count % tasks) + [
        count // tasks
    ] * (tasks - count % tasks)


def test_chunks_of_the_published_stream() -> None:
    """FoMo-in-Flux: 18,381 concepts in 20 tasks are one of 920 and nineteen of 919."""
    assert Counter(map(len, chunks([("all", str(n)) for n in range(18_381)], 20))) == {
        920: 1,
        919: 19,
    }


@pytest.mark.parametrize("tasks", [0, -1, 4])
def test_chunks_refuses_what_cannot_be_cut(tasks: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"3 concepts cannot be cut into {tasks} tasks; between 1 and 3 are possible",
    ):
        chunks([("birds", "crow")] * 3, tasks)


def test_shares_of_the_published_batch() -> None:
    """FoMo-in-Flux: 512 pairs at .33 pretraining, .34 update, .33 buffer."""
    assert shares(THIRDS, 512, 2) == (175, 168, 169)
    assert shares(THIRDS, 512, 1) == (259, 0, 253)
    assert shares(row(0.5, 0.5, 0), 512, 1) == (512, 0, 0)
    assert shares(row(1, 0, 0), 128, 1) == shares(row(1, 0, 0), 128, 7) == (128, 0, 0)


@given(
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(2, 1024),
    st.integers(1, 9),
)
def test_shares_fill_the_batch(
    update: int, buffer: int, pretraining: int, batch_pairs: int, task: int
) -> None:
    total = 1 + update + buffer + pretraining
    mixture = row((1 + update) / total, buffer / total, pretraining / total)
    counts = shares(mixture, batch_pairs, task)
    assert sum(counts) == batch_pairs and min(counts) >= 0
    if task == 1:
        assert counts.buffer == 0 and counts.update >= shares(mixture, batch_pairs, 2).update
    else:
        for name, count in counts._asdict().items():
            assert abs(count - mixture[f"{name}_share"] * batch_pairs) < 1 + 1e-6
    if not pretraining:
        assert counts.pretraining == 0


@patient
@given(st.integers(0, 2**62), st.integers(2, 5), st.integers(1, 30))
def test_a_batch_has_the_shares_in_order_and_says_where_pairs_came_from(
    seed: int, task: int, batch_pairs: int
) -> None:
    draw = begun(THIRDS, task, seed, batch_pairs).draw()
    counts = shares(THIRDS, batch_pairs, task)
    assert tuple(np.bincount(draw.sources, minlength=3)) == counts
    assert list(draw.sources) == sorted(draw.sources) and draw.sources.dtype == np.int8
    assert list(numbers(draw) // 1000) == list(draw.sources)
    assert [int(caption.split()[0]) for caption in draw.captions] == list(numbers(draw))


@patient
@given(
    st.integers(0, 2**62),
    st.integers(1, 4),
    st.sampled_from([THIRDS, row(1, 0, 0), row(0.5, 0, 0.5), row(0.2, 0.8, 0)]),
)
def test_no_pair_repeats_inside_an_epoch(seed: int, task: int, mixture: dict[str, Any]) -> None:
    made = begun(mixture, task, seed)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _ in range(12):
        draw = made.draw()
        for source, number in zip(draw.sources, numbers(draw), strict=True):
            seen[int(source)].append(int(number))
    for size, found in zip((20, 30, 25), seen.values(), strict=True):
        epochs = [found[n : n + size] for n in range(0, len(found), size)]
        assert all(len(set(epoch)) == len(epoch) for epoch in epochs)
        if len(epochs) > 1 and len(epochs[1]) == size:
            assert epochs[0] != epochs[1], "every epoch has its own order"


@patient
@given(st.integers(0, 2**62), st.integers(1, 3), st.integers(0, 9))
def test_a_mixture_goes_on_exactly(seed: int, task: int, before: int) -> None:
    """Its state survives JSON; what is drawn after it does not depend on who drew before."""
    whole = begun(THIRDS, task, seed)
    for _ in range(before):
        whole.draw()
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = begun(THIRDS, task, seed)
    resumed.load_state_dict(state)
    assert all(same(whole.draw(), resumed.draw()) for _ in range(5))
    assert whole.state_dict() == resumed.state_dict()


MOVING = (
    {"update": 0.75, "buffer": 0.125, "pretraining": 0.125},
    {"update": 0.5, "buffer": 0.25, "pretraining": 0.25},
    {"update": 0.25, "buffer": 0.375, "pretraining": 0.375},
)


@pytest.mark.parametrize("task", [1, 2])
def test_segments_have_their_own_shares_and_a_mixture_goes_on_in_each(task: int) -> None:
    """Seven steps in three pieces; what is drawn after the task is of the last piece."""
    expected = [(12, 2, 2)] * 3 + [(8, 4, 4)] * 2 + [(4, 6, 6)] * 4
    if task == 1:
        expected = [(13, 0, 3)] * 3 + [(10, 0, 6)] * 2 + [(7, 0, 9)] * 4
    moving = partial(begun, THIRDS, task, batch_pairs=16, steps=7, said=MOVING)
    whole = moving()
    draws = [whole.draw() for _ in range(9)]
    assert [tuple(np.bincount(draw.sources, minlength=3)) for draw in draws] == expected
    for before in (0, 3, 4, 8):
        first = moving()
        for _ in range(before):
            first.draw()
        resumed = moving()
        resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert same(resumed.draw(), draws[before])


def test_shares_are_said_one_segment_after_the_other_and_are_of_the_state() -> None:
    """Seven steps in three pieces begin at 0, 3 and 5; nothing is known beyond what is said."""
    mixture = Mixture(THIRDS, 16, 0, POOL)
    pairs = [(Numbered(0, 20), np.arange(20))]
    mixture.begin(2, pairs, [[(Numbered(1000, 9), np.arange(9))]], 7, 3)
    for number, (own, known) in enumerate(zip(MOVING, (3, 5, sys.maxsize), strict=True)):
        first = (0, 3, 5)[number]
        assert mixture.segments.lack(first) and (not first or not mixture.segments.lack(first - 1))
        mixture.segments.say(own)
        assert mixture.segments.known_steps() == known and not mixture.segments.lack(first)
        assert mixture.state_dict()["said"] == list(MOVING[: number + 1])
    assert not mixture.segments.lack(99)
    assert "said" not in begun(THIRDS).state_dict(), "older checkpoints have none"


@pytest.mark.parametrize("workers", [0, 2])
def test_no_worker_makes_a_batch_by_shares_that_nobody_has_said(workers: int) -> None:
    """The shares of the next segment are said when the last batch of this one is taken."""
    mixture = Mixture(THIRDS, 16, 0, POOL)
    pairs = [(Numbered(0, 20), np.arange(20))]
    mixture.begin(2, pairs, [[(Numbered(1000, 9), np.arange(9))]], 7, 3)
    loader, whole = Loader(mixture, workers, steps=7), begun(THIRDS, 2, 0, 16, 7, MOVING)
    counts = []
    for step in range(8):
        if mixture.segments.lack(step):
            mixture.segments.say(MOVING[len(mixture.segments.said)])
        counts.append(tuple(np.bincount(loader.draw().sources, minlength=3)))
    assert counts == [tuple(np.bincount(whole.draw().sources, minlength=3)) for _ in range(8)]


def test_one_segment_for_all_is_a_mixture_without_segments() -> None:
    own = {"update": 0.34, "buffer": 0.33, "pretraining": 0.33}
    plain, cut = begun(THIRDS), begun(THIRDS, steps=4, said=[own, own])
    assert plain.segments.counts == [shares(THIRDS, 12, 2)]
    assert all(same(plain.draw(), cut.draw()) for _ in range(5))


def test_segments_of_a_task_of_unknown_length_are_refused() -> None:
    with pytest.raises(MixtureError, match="segments are pieces of a task whose steps are known"):
        begun(THIRDS, said=MOVING)


def test_the_same_part_of_every_class_is_held_out_and_nothing_is_in_both() -> None:
    """A tenth of twenty and of ten is two and one; of the class of a single pair nothing is."""
    pairs = Numbered(0, 31)
    pairs.labels = np.array([0] * 20 + [1] * 10 + [2])
    whole: Portion = (pairs, np.arange(31))
    (_, learned), (_, held) = HeldOut(0.1).split("birds", whole)
    assert sorted([*learned, *held]) == list(range(31))
    assert np.bincount(pairs.labels[held], minlength=3).tolist() == [2, 1, 0]
    part: Portion = (pairs, np.arange(5, 25))
    assert set(HeldOut(0.1).split("birds", part)[1][1]) == set(held) & set(range(5, 25))
    assert set(HeldOut(0.1).split("fishes", whole)[1][1]) != set(held)
    assert len(HeldOut().split("birds", whole)[1][1]) == 0
    chosen = choose("m", "update", [(pairs, held)], 2, 1)
    assert len(chosen[0][1]) == 2 and set(chosen[0][1]) <= set(held)
    message = (
        "mixture 'm': 3 pairs of the update are held out, and its mixing measures 4. Raise held"
    )
    with pytest.raises(MixtureError, match=message):
        choose("m", "update", [(pairs, held)], 4, 1)


def test_batches_depend_on_seed_and_task_alone() -> None:
    assert same(begun(THIRDS).draw(), begun(THIRDS).draw())
    assert not same(begun(THIRDS).draw(), begun(THIRDS, seed=1).draw())
    assert not same(begun(THIRDS).draw(), begun(THIRDS, task=3).draw())
    again = begun(THIRDS, task=3)
    again.begin(2, [(Numbered(0, 20), np.arange(20))], [[(Numbered(1000, 20), np.arange(20))]])
    fresh = Mixture(THIRDS, 12, 0, POOL)
    fresh.begin(2, [(Numbered(0, 20), np.arange(20))], [[(Numbered(1000, 20), np.arange(20))]])
    assert same(again.draw(), fresh.draw()), "an earlier task leaves nothing behind"


def test_a_bounded_buffer_is_a_choice_that_stays_for_the_task() -> None:
    made = begun(row(0.2, 0.8, 0, buffer_pairs=7))
    seen = Counter(
        int(number) for _ in range(20) for number in numbers(made.draw()) if number >= 1000
    )
    assert len(seen) == 7
    other = begun(row(0.2, 0.8, 0, buffer_pairs=7), seed=1)
    assert set(seen) != {
        int(number) for _ in range(20) for number in numbers(other.draw()) if number >= 1000
    }


def test_what_cannot_make_a_batch_is_refused() -> None:
    with pytest.raises(MixtureError, match="needs a pretraining_dataset"):
        Mixture(THIRDS, 8, 0, None)
    with pytest.raises(MixtureError, match="task 2 needs 4 buffer pairs a batch and has none"):
        Mixture(row(0.5, 0.5, 0), 8, 0, None).begin(2, [(Numbered(0, 9), np.arange(9))], [])
    with pytest.raises(MixtureError, match="the state is of task 3, the mixture is in task 2"):
        begun(THIRDS, 2).load_state_dict(begun(THIRDS, 3).state_dict())


@pytest.mark.parametrize("name", FORMATS)
def test_the_database_half_and_the_format_agree_on_its_keys(name: str) -> None:
    with pytest.raises(DatasetError) as refused:
        open_pairs(
            {"name": "birds", "format": name, "params": {"no such key": 1}}, "train", Path("unused")
        )
    assert f"Allowed: {', '.join(parts.keys('streams/formats', name))}." in str(refused.value)


def test_unknown_formats_and_keys_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        DatasetError,
        match=r"dataset 'birds', format: unknown 'wrld'. Known in .*Did you mean 'world'\?",
    ):
        open_pairs({"name": "birds", "format": "wrld", "params": {}}, "train", Path("unused"))
    with pytest.raises(
        DatasetError, match=r"world has no parameter 'sed'. Allowed: .*Did you mean 'seed'"
    ):
        open_pairs(
            {"name": "birds", "format": "world", "params": {"sed": 1}}, "train", Path("unused")
        )
