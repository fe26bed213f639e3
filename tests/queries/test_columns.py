"""Columns of an answer: which are the ends of whose interval, their order and their headings."""

import pytest

from queries.columns import (
    BARE,
    BARE_VALUES,
    MINOR,
    NAMES,
    ORDERS,
    UNITS,
    heading,
    intervals,
    ordered,
)


@pytest.mark.parametrize("value", BARE_VALUES)
@pytest.mark.parametrize("low", BARE)
def test_ends_without_a_name_belong_to_the_first_value_that_has_none_of_its_own(
    value: str, low: str
) -> None:
    high, own = BARE[low], (f"{value}_low", f"{value}_high")
    assert intervals([value, low, high]) == {value: (low, high)}
    assert intervals([value, *own, low, high]) == {value: own}
    for other in set(BARE_VALUES) - {value}:
        assert intervals([value, *own, other, low, high]) == {value: own, other: (low, high)}
    # One end alone, or two of no value that may have them, is no interval
    assert not intervals([value, low]) and not intervals([value, high])
    assert not intervals([value, own[0]]) and not intervals(["seeds", low, high])


def test_every_column_is_there_once_ranks_first_and_what_explains_last() -> None:
    columns = [*MINOR, "mean", *NAMES, "low", "high", *ORDERS, "verdict"]
    order = ordered(None, columns)
    assert sorted(order) == sorted(columns)
    assert order[: len(ORDERS)] == list(ORDERS)
    assert set(order[-len(MINOR) :]) == set(MINOR)
    assert order.index("method") < order.index("mean") < order.index("verdict")


@pytest.mark.parametrize(("end", "unit"), UNITS.items())
def test_a_heading_has_the_unit_that_the_name_ends_with(end: str, unit: str) -> None:
    assert heading(f"of_all{end}") == f"of all ({unit})"
    assert heading("of_all") == "of all"
    assert heading("a_zs_low", ["a_zs"]) == "a_zs low"
