"""Promises of every mixing, over the files of methods/mixing, and the formula of the bandit."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods import Mixing, Segment, part
from streams.shares import Shares, in_task, row_shares
from tests.tiny_clip import names
from tests.toy import mixed

MIXINGS = names("methods/mixing")
THIRDS = {"update": 0.34, "buffer": 0.33, "pretraining": 0.33}


def made(name: str, **params: object) -> Mixing:
    found: Mixing = part("mixing", name, mixed(name)["mixing_params"] | params)
    return found


def said(mixing: Mixing, own: Shares, losses: Sequence[Mapping[str, float]]) -> list[Shares]:
    """Return the shares of all segments, where these losses are what each came to."""
    shares: list[Shares] = []
    for number in range(mixing.pieces):
        seen = []
        for place in range(number):
            seen.append(Segment(shares=shares[place], losses=losses[place]))
        shares.append(mixing.shares(own, seen))
    return shares


def exp3(
    own: Sequence[float], losses: np.ndarray, exploration: float, rate: float
) -> list[np.ndarray]:
    """Return the shares (K,) of each segment by the formula, from losses (T, K), in plain numpy."""
    count, found = len(own), [np.array(own)]
    for t in range(1, len(losses) + 1):
        sure, before = (
            1 / count
            if n == 0
            else min(1 / count, exploration * np.sqrt(np.log(count) / (count * n)))
            for n in (t, t - 1)
        )
        powers = np.exp(rate * before * losses[:t].sum(axis=0))
        found.append((1 - count * sure) * powers / powers.sum() + sure)
    return found


@pytest.mark.parametrize("name", MIXINGS)
@pytest.mark.parametrize("task", [1, 2])
def test_shares_sum_to_one_and_what_is_drawn_at_all_is_drawn_in_every_segment(
    name: str, task: int
) -> None:
    """And the same is said again of the same."""
    mixing, own = made(name), in_task(THIRDS, task)
    losses = [{"update": 0.2, "buffer": 3.0, "pretraining": 0.9} for _ in range(mixing.pieces)]
    found = said(mixing, own, losses)
    assert len(found) == mixing.pieces > 1 and found == said(mixing, own, losses)
    for shares in found:
        assert set(shares) == set(own) and math.fsum(shares.values()) == pytest.approx(1)
        drawn = in_task(shares, task)
        assert all((drawn[source] > 0) == (own[source] > 0) for source in own)


@given(
    st.lists(st.lists(st.floats(0, 4), min_size=3, max_size=3), min_size=7, max_size=7),
    st.floats(0.01, 1),
    st.floats(0.1, 20),
)
def test_the_bandit_is_its_formula(
    losses: list[list[float]], exploration: float, rate: float
) -> None:
    """Computed a second time, to 1e-6, over eight segments of three sources."""
    mixing = made("bandit", segments=8, exploration=exploration, rate=rate)
    told = [dict(zip(THIRDS, row, strict=True)) for row in losses]
    expected = exp3(list(THIRDS.values()), np.array(losses), exploration, rate)
    for shares, right in zip(said(mixing, THIRDS, told), expected, strict=True):
        assert list(shares.values()) == pytest.approx(right.tolist(), abs=1e-6)


def test_the_bandit_draws_more_of_what_is_hard_and_knows_no_source_without_a_share() -> None:
    mixing = made("bandit", segments=8)
    own = {"update": 0.5, "buffer": 0.5, "pretraining": 0.0}
    found = said(mixing, own, [{"update": 0.1, "buffer": 0.6}] * 8)
    assert found[0] == own and found[-1]["buffer"] > found[-1]["update"] > 0
    assert all(shares["pretraining"] == 0 for shares in found)
    alone = {"update": 1.0, "buffer": 0.0, "pretraining": 0.0}
    assert said(mixing, alone, [{"update": 0.1}] * 8) == [alone] * 8


def test_with_the_constants_of_its_source_the_first_segments_are_equal() -> None:
    """Of three sources e_t is a third until t = 4, as sqrt(ln 3 / 9) > 1 / 3."""
    mixing = made("bandit", segments=8, exploration=1.0, rate=1.0)
    hard = [{"update": 1.0, "buffer": 0.0, "pretraining": 0.0}] * 8
    found = said(mixing, THIRDS, hard)
    for shares in found[1:4]:
        assert list(shares.values()) == pytest.approx([1 / 3] * 3)
    assert found[4]["update"] > 1 / 3 > found[4]["buffer"]


def test_a_list_says_what_it_holds_and_without_one_the_row_does() -> None:
    listed = mixed("listed")["mixing_params"]["segments"]
    assert said(made("listed"), THIRDS, [{}] * 3) == listed
    empty: Mixing = part("mixing", "listed", {})
    row = {"update_share": 0.34, "buffer_share": 0.33, "pretraining_share": 0.33}
    assert empty.pieces == 1 and empty.shares(row_shares(row), []) == THIRDS
