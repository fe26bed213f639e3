"""Read what became of test items, and the rows of their datasets, once per snapshot.

The items lie in the run folders (queries.kept_items).
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from queries import AskError, named, opened
from queries.kept_items import ItemsError, at_hand
from screens.reading import Given, Snapshot

COUNTS = """
SELECT dataset, count(DISTINCT file) AS files, count(DISTINCT file) FILTER (there) AS there
FROM item_files GROUP BY dataset ORDER BY dataset
"""
# An answer above the dataset's own classes is a class of another dataset, by its number.
SAID = """
WITH names AS (
    SELECT from_json(classes, '["VARCHAR"]') AS classes FROM dataset WHERE name = $dataset
)
SELECT each.item, trial.method, each.right_now, each.change = 'forgotten' AS forgotten,
       CASE WHEN each.way = 'class' AND each.answer_now < len(names.classes)
            THEN names.classes[each.answer_now + 1] ELSE each.answer_now::VARCHAR END AS says,
       count(*) AS times
FROM item_changes(before := $before::INTEGER, now := $now::INTEGER) AS each
JOIN trial ON trial.id = each.trial
CROSS JOIN names
WHERE each.dataset = $dataset AND each.label_space = $label_space AND each.way = $way
  AND trial.backbone = $backbone AND trial.stream = $stream
  AND list_contains($items::INTEGER[], each.item)
GROUP BY ALL ORDER BY each.item, trial.method, times DESC, says
"""
# As `schema check` gives a dataset to the code that opens it
ROW = """
SELECT to_json({
    name: name, format: format, location: location, params: params, kind: kind,
    classes: classes, templates: templates, train_pairs: train_pairs, test_pairs: test_pairs
})
FROM dataset WHERE name = ?
"""


@dataclass(frozen=True, kw_only=True)
class ItemGroup:
    """The items of a dataset that were asked about in one way, by trials of one kind."""

    dataset: str
    backbone: str
    stream: str
    label_space: str
    way: str

    @property
    def conditions(self) -> Given:
        """Return the columns of `items_lost_by` that it fixes, with their values."""
        names = ("backbone", "stream", "label_space", "way")
        return tuple((name, getattr(self, name)) for name in names)


@st.cache_data(max_entries=5, show_spinner=False)
def item_counts(snapshot: Snapshot) -> pl.DataFrame:
    """Return the datasets whose items are kept: `dataset`, `files`, and how many are `there`."""
    with opened(Path(snapshot[0])) as connection, at_hand(connection, named("item_files")):
        frame: pl.DataFrame = connection.sql(COUNTS).pl()
    return frame


@st.cache_data(max_entries=100, show_spinner="Asking the items ...")
def items_said(
    snapshot: Snapshot, group: ItemGroup, items: tuple[int, ...], tasks: Given
) -> pl.DataFrame:
    """Return what each method says now of some items.

    A row has `item`, `method`, `says`, whether that is `right_now`, whether it was `forgotten`, and
    `times`: how many of the method's trials say so. `tasks` are `before` and `now`.

    Raises:
        AskError: none of the files of items is there, or one cannot be read.
    """
    values: dict[str, object] = {"now": None, "items": list(items), "dataset": group.dataset}
    values |= dict(group.conditions) | dict(tasks)
    question = named("item_changes")
    with opened(Path(snapshot[0])) as connection:
        try:
            with at_hand(connection, question):
                frame: pl.DataFrame = connection.sql(SAID, params=values).pl()
        except ItemsError as error:
            raise AskError(str(error)) from error
    return frame


@st.cache_data(max_entries=20, show_spinner=False)
def dataset_row(snapshot: Snapshot, name: str) -> str:
    """Return the row of a dataset as JSON, as the code that opens its pictures takes it."""
    with opened(Path(snapshot[0])) as connection:
        ((row,),) = connection.execute(ROW, [name]).fetchall()
    return str(row)
