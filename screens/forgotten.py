"""A contact sheet of forgotten test items: picture, class, who forgot it, and what each says now.

It needs a suite that keeps its items (docs/items.md). Without the pictures, or some of them, the
sheet is the same, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import polars as pl
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from queries import named
from queries.sheet import flat
from screens import showing, words
from screens.item_reading import ItemGroup, item_counts, items_said
from screens.pictures import Pictures, pictures
from screens.reading import DRAWN, Snapshot, columns_of, declared, given, read

TITLE = "Forgotten items"
PAGE = 24
# The most methods that an item lists
METHODS = 6
WAYS = {
    "class": "which class an image has",
    "image_to_text": "which text belongs to an image",
    "text_to_image": "which image belongs to a text",
    "all_image_to_text": "which of all captions belongs to an image",
    "all_text_to_image": "which image belongs to one of all captions",
}
# Items of these are not images by their number: the texts of an image are several.
WITHOUT_PICTURES = ("all_text_to_image",)
STYLE = """<style>
.sheet { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.sheet figure { margin: 0; }
.sheet img, .sheet .none { width: 100%; aspect-ratio: 1; object-fit: contain; display: block;
  image-rendering: IMAGE_RENDERING; }
.sheet .none { border: 1px dashed currentColor; padding: .5rem; font-size: .8rem; overflow: auto;
  box-sizing: border-box; }
.sheet figcaption { font-size: .85rem; line-height: 1.35; padding-top: .3rem; }
.sheet ul { margin: .2rem 0 0; padding-left: 1.1rem; }
.sheet li { font-size: .85rem; margin: 0; }
</style>"""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a person chose to see."""

    dataset: str
    stream: str | None
    method: str | None
    before: int
    # A task; None: the last of the stream
    now: int | None

    @property
    def parameters(self) -> tuple[tuple[str, object], ...]:
        """Return the choices as parameters of `items_lost_by`."""
        return given(
            dataset=self.dataset,
            stream=self.stream,
            method=self.method,
            before=self.before,
            now=self.now,
        )


def page(snapshot: Snapshot) -> None:
    """Show the menus, and the sheet of the items that were forgotten."""
    main, side = showing.beside()
    with main:
        st.header("What was forgotten, item by item?")
        counts = item_counts(snapshot)
        if counts.is_empty():
            st.info(
                "No suite of this catalog keeps its items. Declare one that does, INSERT INTO "
                "suite (name, items) VALUES ('watched', true), with its members, and measure it."
            )
            return
    with side:
        chosen = menus(snapshot, counts["dataset"].to_list())
    with main:
        for dataset, files, there in counts.rows():
            if dataset == chosen.dataset and there < files:
                st.warning(
                    f"{files - there} of {files} files of items of {dataset} are not below the "
                    "run folders, so their trials do not count here. The question item_files "
                    "names them.",
                    icon="🔎",
                )
            if dataset == chosen.dataset and not there:
                return
        answered(snapshot, chosen, side)


def menus(snapshot: Snapshot, datasets: list[str]) -> Chosen:
    """Show the menus, and return the choices."""
    dataset = words.chosen("dataset", datasets, "dataset", datasets[0])
    stream = words.choose("stream", declared(snapshot, "stream"), "stream")
    method = words.choose("forgotten by (method)", declared(snapshot, "method"), "method")
    before = words.number("right after task", "before", 0, 0, 1_000)
    tasks = [str(task) for task in range(1, 101)]
    now = words.choose("wrong after task", tasks, "now", empty="the last")
    return Chosen(
        dataset=dataset,
        stream=stream,
        method=method,
        before=before,
        now=None if now is None else int(now),
    )


def answered(snapshot: Snapshot, chosen: Chosen, side: DeltaGenerator) -> None:
    """Show the forgotten items of one way of asking, a page at a time; further menus in `side`."""
    frame = read(snapshot, "items_lost_by", chosen.parameters, rows=DRAWN + 1)
    if frame.is_empty():
        after = "the last task" if chosen.now is None else f"task {chosen.now}"
        st.info(
            f"No item of these words was right after task {chosen.before} and is wrong after "
            f"{after}. Or nothing was measured then: the question item_files has the tasks."
        )
        return
    if len(frame) > DRAWN:
        st.caption(f"Of the {DRAWN:,} items that most forgot; choose a stream or method for more.")
        frame = frame.head(DRAWN)
    with side:
        group = grouped(frame)
        frame = frame.filter(*(pl.col(name) == value for name, value in group.conditions))
        classes = sorted(frame["class"].drop_nulls().unique().to_list())
        name = words.choose("class", classes, "class") if classes else None
        number = words.number("page", "page", 1, 1, 1_000_000)
    if name is not None:
        frame = frame.filter(pl.col("class") == name)
    shown = frame.slice(PAGE * (number - 1), PAGE)
    if shown.is_empty():
        st.info(f"There are {-(-len(frame) // PAGE)} pages.")
        return
    first = PAGE * (number - 1) + 1
    after = "the last task" if chosen.now is None else f"task {chosen.now}"
    st.caption(
        f"{len(frame):,} items were right after task {chosen.before} and are wrong after {after}, "
        f"the most forgotten first; these are {first:,} to {first + len(shown) - 1:,}. Asked: "
        f"{WAYS[group.way]}, among {group.label_space}. Below each stands what every method says "
        "now, and in brackets of how many trials."
    )
    sheet(snapshot, chosen, group, shown)
    meanings = columns_of(snapshot, "items_lost_by")
    showing.table(listed(shown), key="items", meanings=meanings)
    showing.files(snapshot, "items_lost_by", chosen.parameters)
    showing.sql(named("items_lost_by"), chosen.parameters)


def grouped(frame: pl.DataFrame) -> ItemGroup:
    """Return the chosen backbone, stream and way of asking, of those that an answer has.

    That of the most trials is shown first.
    """
    columns = ("backbone", "stream", "label_space", "way")
    groups = {}
    by_trials = frame.group_by(columns).agg(pl.col("trials").max())
    by_trials = by_trials.sort("trials", *columns, descending=[True, *[False] * len(columns)])
    for row in by_trials.select(columns).rows():
        groups[" · ".join(row)] = row
    options = list(groups)
    chosen = words.chosen("asked", options, "asked", options[0])
    backbone, stream, label_space, way = groups[chosen]
    return ItemGroup(
        dataset=frame["dataset"][0],
        backbone=backbone,
        stream=stream,
        label_space=label_space,
        way=way,
    )


def sheet(snapshot: Snapshot, chosen: Chosen, group: ItemGroup, shown: pl.DataFrame) -> None:
    """Show the pictures of some items, with what each method says now."""
    items = tuple(shown["item"].to_list())
    said = items_said(snapshot, group, items, given(before=chosen.before, now=chosen.now))
    seen = Pictures(absent="a caption's number does not say of which image it is")
    if group.way not in WITHOUT_PICTURES:
        seen = pictures(snapshot, group.dataset, items)
    if seen.absent:
        st.warning(
            f"The pictures of {group.dataset} are not at hand here: {seen.absent}. The sheet is "
            "the same without them.",
            icon="🖼️",
        )
    cells = []
    for row in shown.iter_rows(named=True):
        of_item = said.filter(pl.col("item") == row["item"])
        cells.append(cell(row, of_item, seen))
    # Tiny pictures are enlarged pixel by pixel, as they carry no loss.
    crisp = any("image/png" in url for url in seen.urls.values())
    style = STYLE.replace("IMAGE_RENDERING", "pixelated" if crisp else "auto")
    st.html(f'{style}<div class="sheet">{"".join(cells)}</div>')


def listed(shown: pl.DataFrame) -> pl.DataFrame:
    """Return rows of `items_lost_by` with the methods as words: `ewc 0.67, lora 1`."""
    texts = []
    for methods in shown["methods"].to_list():
        texts.append(", ".join(f"{one['method']} {one['share']:.3g}" for one in methods))
    return flat(shown.with_columns(methods=pl.Series(texts, dtype=pl.String)))


def cell(row: dict[str, object], said: pl.DataFrame, seen: Pictures) -> str:
    """Return the HTML of one item: its picture, class, and what each method says of it."""
    item = int(str(row["item"]))
    name = str(row["class"] or f"item {item}")
    reason = seen.reasons.get(item, "")
    if item in seen.urls:
        about = escape(f"item {item}, {name}", quote=True)
        picture = f'<img src="{seen.urls[item]}" alt="{about}">'
    else:
        picture = f'<div class="none">no picture{escape(": " + reason) if reason else ""}</div>'
        reason = ""
    lines = [f"<strong>{escape(name)}</strong> (item {item})"]
    if reason:
        lines.append(f"<br>{escape(reason)}")
    lines.append(f"<br>forgotten by {row['forgot']} of {row['trials']} trials")
    listed = "".join(f"<li>{escape(line)}</li>" for line in by_method(said))
    return f"<figure>{picture}<figcaption>{''.join(lines)}<ul>{listed}</ul></figcaption></figure>"


def by_method(said: pl.DataFrame) -> Sequence[str]:
    """Return a line per method: what it says of an item now; those that forgot it first."""
    lines: list[tuple[float, str, str]] = []
    for (method,), rows in said.group_by("method", maintain_order=True):
        trials = int(rows["times"].sum())
        lost = int(rows.filter("forgotten")["times"].sum())
        answers = []
        for answer, is_right, times in rows.select("says", "right_now", "times").rows():
            word = "right" if is_right else answer
            answers.append(f"{word} ({times} of {trials})")
        lines.append((-lost / trials, str(method), f"{method}: {', '.join(answers)}"))
    lines.sort()
    texts = [text for _, _, text in lines[:METHODS]]
    rest = lines[METHODS:]
    if rest:
        lost_by = sum(share < 0 for share, _, _ in rest)
        texts.append(f"and {len(rest)} methods more, of which {lost_by} forgot it")
    return texts
