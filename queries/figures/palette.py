"""Assign colours to the rows of a figure: by method, by a part of it, or by another word.

A method keeps its colour when others are added. The untouched backbone always has the colour of the
axes, since all others are compared with it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import altair as alt
import polars as pl

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
INK, SOFT, FAINT = "#222222", "#555555", "#8c8c8c"
# The name of the untouched backbone where it is shown among methods
UNTOUCHED = "untouched"
# The value of a row whose method has no such part, as in an older catalog
UNKNOWN = "not known"
# Characters per line of a legend, which fit on a phone
LEGEND_CHARACTERS = 52
# The opacity of marks that the pointer or a search does not select
PALE = 0.12


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The rules for colouring rows, and the methods to highlight."""

    # All methods of the catalog, oldest first
    methods: tuple[str, ...] = ()
    # What rows are coloured by: a word of the sentence, or a part of a method
    by: str = "method"
    # Where rows are coloured by a part, each method's value of it
    parts: Mapping[str, str] = field(default_factory=dict)
    # The methods that get a colour first, where there are more methods than colours
    first: tuple[str, ...] = ()
    # The values that get a colour first, where rows are not coloured by method
    order: tuple[str, ...] = ()
    # The methods to highlight; None: no highlighting
    sought: frozenset[str] | None = None

    @classmethod
    def of(cls, methods: "Sequence[str] | Palette") -> "Palette":
        """Return the palette of these methods; a palette is returned unchanged."""
        if isinstance(methods, Palette):
            return methods
        return cls(methods=tuple(methods))

    def looking_for(self, methods: Sequence[str] | None) -> "Palette":
        """Return a palette that highlights these methods; None: none of them."""
        return replace(self, sought=None if methods is None else frozenset(methods))

    def before(self, methods: Sequence[str]) -> "Palette":
        """Return a palette in which these methods get a colour first, in this order."""
        return replace(self, first=tuple(dict.fromkeys(methods)))

    def on(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with `hue`, the value that is coloured, and `lit`, if it is highlighted.

        A column that the rows do not have cannot colour them, so their methods do.
        """
        method = pl.col("method")
        hue = method
        if self.parts:
            hue = method.replace_strict(dict(self.parts), default=UNKNOWN)
        elif self.by in rows.columns:
            hue = pl.col(self.by).cast(pl.String)
        # The untouched backbone keeps its own hue, whatever rows are coloured by.
        hue = pl.when(method == UNTOUCHED).then(pl.lit(UNTOUCHED)).otherwise(hue)
        lit = pl.lit(True)
        if self.sought is not None:
            # The untouched backbone is always shown at full strength.
            lit = method.is_in(sorted(self.sought)) | (method == UNTOUCHED)
        return rows.with_columns(hue=hue, lit=lit)

    def colours(self, rows: pl.DataFrame, ahead: Sequence[str] = ()) -> dict[str, str]:
        """Return the colour of each hue of the rows.

        Args:
            rows: what is drawn, as `on` returns it.
            ahead: the methods that have a colour where there are more methods than colours.
        """
        here = rows["hue"].drop_nulls().unique(maintain_order=True).to_list()
        by_method = self.by == "method" or (not self.parts and self.by not in rows.columns)
        if by_method:
            colours = self._of_methods(here, ahead)
        else:
            # The most frequent values come first, so that values of few rows are grey.
            counts = Counter(self.parts.values())
            if not counts:
                counts = Counter(rows["hue"].drop_nulls().to_list())
            known = sorted(counts, key=lambda name: (-counts[name], name))
            order = [name for name in known if name != UNTOUCHED]
            order += [name for name in here if name not in (*order, UNTOUCHED)]
            frequent = order
            if len(order) > len(OKABE_ITO):
                frequent = order[: len(OKABE_ITO)]
            # Few values get colours by the order of their names, so that counts do not change them;
            # where the caller gives an order, by that.
            places = {name: place for place, name in enumerate(self.order)}
            ordered = sorted(frequent, key=lambda name: (places.get(name, len(places)), name))
            colours = dict.fromkeys([*ordered, *order], FAINT)
            colours |= dict(zip(ordered, OKABE_ITO, strict=False))
            colours = {name: colour for name, colour in colours.items() if name in here}
        if UNTOUCHED in here:
            colours[UNTOUCHED] = INK
        return colours

    def _of_methods(self, here: list[str], ahead: Sequence[str]) -> dict[str, str]:
        """Return the colours of methods, each by its place among all methods of the catalog."""
        names = [name for name in here if name != UNTOUCHED]
        order = [*self.methods, *(name for name in names if name not in self.methods)]
        places = {name: place for place, name in enumerate(order)}
        known = [name for name in order if name in names]
        if len(known) <= len(OKABE_ITO) or not ahead:
            return _unlike(known, places)
        best = [name for name in dict.fromkeys(ahead) if name != UNTOUCHED]
        # Highlighted methods get a colour before those that are ahead.
        best.sort(key=lambda name: name not in (self.sought or ()))
        coloured = best[: len(OKABE_ITO)]
        colours = dict.fromkeys([*coloured, *known], FAINT)
        return colours | dict(zip(coloured, OKABE_ITO, strict=False))


def _unlike(names: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    """Return a colour of each name: that of its place, or a free one where another name has it.

    Only with more names than colours do two names get the same one.
    """
    colours: dict[str, str] = {}
    for name in names:
        own = OKABE_ITO[places[name] % len(OKABE_ITO)]
        free = [colour for colour in OKABE_ITO if colour not in colours.values()]
        # Earlier names keep the colour of their place, so that a new method changes none.
        colours[name] = own if own in free or not free else free[0]
    return colours


@dataclass(frozen=True, kw_only=True)
class Dyed:
    """Rows with their colours, in the order in which they are drawn."""

    rows: pl.DataFrame
    paint: alt.Color
    # Notes on the rows without a colour
    notes: tuple[str, ...]
    # The colour of each hue
    colours: Mapping[str, str]

    @property
    def plain(self) -> pl.DataFrame:
        """Return the rows that have a colour of their own, or are highlighted."""
        grey = [name for name, colour in self.colours.items() if colour == FAINT]
        return self.rows.filter(~pl.col("hue").is_in(grey))


def dyed(
    methods: Sequence[str] | Palette,
    frame: pl.DataFrame,
    ahead: Sequence[str] = (),
    legend: bool = True,
    beside: int = 0,
) -> Dyed:
    """Return rows with their colours.

    Args:
        methods: all methods there are, oldest first, or a palette.
        frame: the rows that are drawn, with a column `method`.
        ahead: the methods that have a colour where there are more of them than colours; they are
            drawn last, above the others.
        legend: whether the figure names what has a colour.
        beside: the characters of the longest name at the left of the axis.
    """
    palette = Palette.of(methods)
    ahead = [*palette.first, *ahead]
    rows = palette.on(frame)
    colours = palette.colours(rows, ahead)
    grey = [name for name, colour in colours.items() if colour == FAINT]
    shown = None
    if legend:
        # The legend names the coloured rows; a note counts the grey ones.
        names = [name for name in colours if name not in (*grey, UNTOUCHED)]
        columns = columns_for(names, beside)
        shown = alt.Legend(title=None, orient="top", columns=columns, symbolOpacity=1, values=names)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    if ahead:
        rows = _in_front(rows, ahead)
    return Dyed(
        rows=rows,
        paint=alt.Color("hue:N", scale=scale, legend=shown),
        notes=(*_greyed(palette, len(grey)), *_sought(palette, rows)),
        colours=colours,
    )


def columns_for(names: Sequence[str], beside: int = 0) -> int:
    """Return how many columns a legend has, so that it fits on a narrow page.

    `beside` is how many characters names at the left of the axis take of the width.
    """
    longest = max(map(len, names), default=0)
    return max(1, min(6, (LEGEND_CHARACTERS - beside) // (longest + 4)))


def pointed(panel: str = "") -> alt.Parameter:
    """Return an Altair selection of the row under the pointer; it may be empty.

    `panel` identifies a panel of the figure, since each panel has its own selection.
    """
    name = re.sub(r"\W", "_", f"pointed {panel}".strip())
    return alt.selection_point(name=name, fields=["row"], on="pointerover", clear="pointerout")


def strength(pointer: alt.Parameter, strong: float = 1.0) -> object:
    """Return the opacity of marks: pale where the pointer or a search selects another row."""
    lit = alt.when(pointer, alt.datum.lit).then(alt.value(strong))
    return lit.otherwise(alt.value(PALE))


def _in_front(rows: pl.DataFrame, ahead: Sequence[str]) -> pl.DataFrame:
    """Return the rows in drawing order: those ahead last, so that they lie above the others."""
    places = {name: place for place, name in enumerate(dict.fromkeys(ahead))}
    place = pl.col("method").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    return rows.sort(place, descending=True, maintain_order=True)


def _greyed(palette: Palette, grey: int) -> list[str]:
    """Return a note on the grey rows, if there are any, as a list."""
    if not grey:
        return []
    if palette.by == "method":
        return [f"Grey: the other {grey} methods, which are further behind."]
    return [f"Grey: {grey} more values of {palette.by}, which fewer rows have."]


def _sought(palette: Palette, rows: pl.DataFrame) -> list[str]:
    """Return a note on the search, if there is one, as a list."""
    if palette.sought is None:
        return []
    methods = rows.filter(pl.col("method") != UNTOUCHED)
    strong = methods.filter(pl.col("lit"))["method"].n_unique()
    drawn = methods["method"].n_unique()
    return [f"Strong: {strong} of {drawn} methods drawn, which were looked for."]
