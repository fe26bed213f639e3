"""Numbers are written alike whichever order they were added in."""

import itertools
import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from queries.numbers import decimals, signed, writer


@given(st.lists(st.integers(0, 40), min_size=2, max_size=5), st.sampled_from([40, 80, 125]))
def test_the_last_bit_of_a_mean_is_not_seen(hits: list[int], of: int) -> None:
    """Every order of the same fractions gives the same text, halves of the last digit included."""
    texts, sums = set(), set()
    for order in itertools.permutations(hits):
        total = 0.0
        for hit in order:
            total += hit / of
        sums.add(total)
        mean = total / len(hits)
        texts.add((decimals(mean), signed(mean), writer(pl.Series([mean]))(mean)))
    assert len(texts) == 1
    assert math.isclose(max(sums), min(sums))
