"""Figures for print are opened and measured: width, legend entries, fonts; and what charts hold, on hostile rows."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from queries import answer, figure, figures, named
from queries.__main__ import main
from queries.figures import (
    FigureError,
    Palette,
    costs,
    dots,
    looks,
    palette,
    printing,
    scales,
    trade,
)
from schema.site import Site
from tests.printed import fonts, size
from tests.template import demo_catalog

# Questions with a figure on the catalog of the demo, of every kind there is
DRAWN = (
    "ranked",
    "comparison",
    "course",
    "phases",
    "spread",
    "status",
    "lost",
    "performance_profile",
    "paired",
    "bigger",
)
WIDTHS = (3.25, 5.0, 6.75)


@pytest.fixture(scope="module")
def demo() -> Iterator[Any]:
    with demo_catalog() as connection:
        yield connection


def drawn(connection: Any, name: str, **parameters: Any) -> Any:
    """The figure of a question of the demo, without the base that it begins from."""
    question = named(name)
    frame = answer(connection, question, parameters)
    if "backbone" in frame.columns:
        frame = frame.filter(pl.col("backbone") == "tiny_base")
    return figure(name, frame, **parameters)


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_as_wide_as_asked_for(demo: Any, name: str) -> None:
    chart = drawn(demo, name)
    for width in WIDTHS[:: 1 if name == "course" else 2]:
        svg = printing.svg(chart, width)
        assert f' width="{width:g}in"' in svg
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        # Laid out for that width, and not drawn for another one and shrunk
        assert box is not None and abs(float(box[1]) - width * printing.PIXELS) <= 2
        assert "…" not in svg, "a text was cut"
        assert "<title>Figure of the question" in svg


def test_files_measured(demo: Any) -> None:
    chart = drawn(demo, "ranked")
    pdf = printing.pdf(chart, 3.25)
    assert size(pdf)[0] == pytest.approx(3.25 * 72, abs=0.5)
    assert fonts(pdf), "fonts are embedded"
    image = Image.open(io.BytesIO(printing.png(chart, 3.25)))
    assert abs(image.width - 3.25 * 300) <= 1
    assert image.info["dpi"][0] == pytest.approx(300, abs=0.5)


def test_legends_are_whole_at_one_column(demo: Any) -> None:
    """Every method and mixture of a figure stands in its legend, uncut."""
    frame = answer(demo, named("course"), {}).filter(pl.col("backbone") == "tiny_base")
    found = texts(printing.svg(figure("course", frame), 3.25))
    for name in (*frame["method"].unique(), *frame["mixture"].unique()):
        assert name in found


def many(settings: int, **values: Any) -> pl.DataFrame:
    """Settings of as many methods, whose values lie between 0.5 and 0.6."""
    rows = []
    for place in range(settings):
        value = 0.5 + 0.1 * place / settings
        words = {"method": f"method_{place:03d}", "mixture": "plain", "recipe": "usual"}
        rows.append(words | {"mean": value, "low": value - 0.02, "high": value + 0.02} | values)
    return pl.DataFrame(rows)


def test_a_hundred_methods_are_drawn_or_counted() -> None:
    frame = many(106)
    chart = dots(frame, "mean", [])
    notes = " ".join(chart.title.text)
    assert notes.startswith(
        "The best 40 of 106 rows; the table has all. All with the mixture plain."
    )
    assert "Grey: the other 32 methods" in notes
    names = texts(printing.svg(chart, 6.75))
    assert "method_105" in names and "method_000" not in names


def test_more_methods_than_colours_are_grey_and_counted() -> None:
    frame = many(20, task=1, tasks=1, seeds=3, spent_gflops=1.0)
    frame = frame.with_columns(a_ka=pl.col("mean"), a_zs=pl.col("mean"))
    for side in ("a_ka", "a_zs"):
        frame = frame.with_columns(
            pl.col("low").alias(f"{side}_low"), pl.col("high").alias(f"{side}_high")
        )
    front = frame.filter(pl.col("method") == "method_003")
    chart = trade(frame, front, frame.clear(), [])
    notes = " ".join(chart.title.text)
    assert notes.startswith(
        "Grey: the other 12 methods, which are further behind. Of those in grey"
    )
    colours = palette.dyed([], frame, ["method_003"]).colours
    assert colours["method_003"] == palette.OKABE_ITO[0]
    assert list(colours.values()).count(palette.FAINT) == 19


def test_rows_are_coloured_by_a_part_and_found_by_name() -> None:
    """A part has its colour by the methods of the catalog, whichever rows are drawn."""
    parts = {f"method_{number:03d}": "lora" if number % 2 else "full" for number in range(60)}
    by_part = Palette(by="tuning", parts=parts)
    whole, few = palette.dyed(by_part, many(60)), palette.dyed(by_part, many(2))
    assert set(whole.rows["hue"]) == {"full", "lora"}
    assert whole.colours == few.colours and not whole.notes
    sought = by_part.looking_for(["method_001"])
    chart = dots(many(60), "mean", sought)
    data = max(chart.to_dict()["datasets"].values(), key=len)
    assert "method_001" in {row["method"] for row in data}, "below the best 40, and looked for"
    assert [row["method"] for row in data if row["lit"]] == ["method_001"]
    assert "Strong: 1 of 41 methods drawn, which were looked for." in " ".join(chart.title.text)


def test_a_dark_page_has_its_own_colours_and_print_does_not() -> None:
    frame = many(12).with_columns(verdict=pl.lit("behind"), method=pl.lit("#222222"))
    chart = dots(frame, "mean", [])
    before = chart.to_json()
    dark = figures.for_page(chart, True).to_dict()
    assert dark["config"]["axis"]["labelColor"] == "#ececec"
    assert dark["config"]["legend"]["symbolBaseFillColor"] == "#ececec"
    assert {row["method"] for rows in dark["datasets"].values() for row in rows} == {"#222222"}
    assert chart.to_json() == before
    light = figures.for_page(chart, False).to_dict()
    assert light["config"]["axis"]["labelColor"] == "#222222"


def test_one_value_far_away_does_not_flatten_the_others() -> None:
    frame = pl.concat(
        [many(12), many(1).with_columns(mean=9.9, low=9.8, high=10.0, method=pl.lit("base"))]
    )
    rows = looks.named(frame)
    axis = scales.reach(rows, "mean", ("low", "high"))
    assert axis.domain is not None and axis.domain[1] < 0.8
    assert "base · plain (9.9)" in axis.notes[0]
    assert any("base · plain (9.9)" in line for line in dots(frame, "mean", []).title.text)
    # Without it the axis is the figure's own, and so it is for few values.
    assert scales.reach(looks.named(many(12)), "mean", ("low", "high")).domain is None
    assert scales.reach(rows.tail(3), "mean").domain is None


def test_few_that_spend_far_more_do_not_flatten_the_others() -> None:
    """They are at the edge, named once each, though they have a row per task."""
    tasks = [many(40, task=task, tasks=2, seeds=3, spent_gflops=300.0 * task) for task in (1, 2)]
    frame = pl.concat(tasks).with_columns(a_ka="mean", a_ka_low="low", a_ka_high="high")
    far = pl.col("method") == "method_007"
    spent = pl.col("spent_gflops")
    frame = frame.with_columns(pl.when(far).then(spent * 40).otherwise(spent))
    chart = figures.over_budget(frame, "a_ka", "spent_gflops", [])
    assert "drawn at its edge: method_007 · plain (24,000)." in " ".join(chart.title.text)
    (ends,) = {tuple(x["scale"]["domain"]) for x in of_channel(chart.to_dict(), "x")}
    assert ends[1] < 1000


def of_channel(spec: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The encodings of a channel in all layers that have a scale of their own for it."""
    encodings = [layer["encoding"].get(name, {}) for layer in spec["layer"]]
    return [one for one in encodings if "scale" in one]


def test_wide_intervals_of_few_seeds_do_not_flatten_the_values() -> None:
    frame = many(12).with_columns(
        low=pl.when(pl.col("method") == "method_003").then(-9.0).otherwise("low")
    )
    axis = scales.reach(looks.named(frame), "mean", ("low", "high"))
    assert axis.domain is not None and axis.domain[0] > 0.2
    assert axis.notes == ("Intervals that go on beyond the axis: 1.",)


@pytest.mark.parametrize(
    "ends", [("mean_low", "mean_high"), ("low", "high"), ("lowest", "highest")]
)
def test_intervals_are_drawn_whatever_their_columns_are_called(ends: tuple[str, str]) -> None:
    frame = many(3).rename({"low": ends[0], "high": ends[1]})
    assert drawn_columns(dots(frame, "mean", [])) >= {"mean", *ends}


def drawn_columns(chart: Any) -> set[str]:
    return set(re.findall(r'"field": "(\w+)"', json.dumps(chart.to_dict())))


@pytest.mark.parametrize(
    ("name", "value"),
    [("bootstrap", "lowest"), ("retention_at_budget", "zs_ratio_low"), ("beside_full", "a_ka_low")],
)
def test_answers_with_intervals_are_drawn_with_them(demo: Any, name: str, value: str) -> None:
    assert value in drawn_columns(drawn(demo, name))


def test_each_measure_has_a_panel_and_an_axis_of_its_own(demo: Any) -> None:
    spec = drawn(demo, "spread").to_dict()
    assert len(spec["vconcat"]) == 6
    titles = [panel["title"]["text"] for panel in spec["vconcat"]]
    assert sorted(titles) == ["a_ka", "a_zs", "d_ka", "d_zs", "gm", "zs_ratio"]
    assert spec["resolve"]["scale"]["x"] == "independent"


def test_panels_are_shown_one_by_one_each_with_its_own_selection(demo: Any) -> None:
    """A page makes one panel as wide as itself, not several."""
    panels = figures.panels(drawn(demo, "spread"))
    assert set(panels) == {"a_ka", "a_zs", "d_ka", "d_zs", "gm", "zs_ratio"}
    for name, panel in panels.items():
        spec = figures.for_page(panel, dark=False).to_dict()
        assert spec["width"] == "container" and spec["title"]["text"] == name
        assert [one["name"] for one in spec["params"]] == [f"pointed_{name}"]
        assert spec["config"]["axisBottom"]["titleAnchor"] == "end", "below the names, on a phone"


def test_what_names_share_is_said_once_and_legends_leave_them_room() -> None:
    frame = many(20, phase="train", gflops=1.0, seconds=1.0, trials=1, peak_gb=0.1)
    spec = costs(frame, "gflops").to_dict()
    assert "All with the mixture plain." in " ".join(spec["title"]["text"])
    (layer,) = spec["layer"]
    assert "' · plain', ''" in layer["encoding"]["y"]["axis"]["labelExpr"]
    names = ["one_method", "other_method"]
    assert [palette.columns_for(names, beside) for beside in (0, 20, 40)] == [3, 2, 1]


def test_names_of_many_mixtures_do_not_overlap_in_the_coverage() -> None:
    row = {"row": "lora", "state": "complete", "counts": "3 / 3"}
    row |= dict.fromkeys(("method", "recipe", "done", "running", "failed", "missing"), "1")
    angles = []
    for count in (2, 8):
        cells = [row | {"mixture": f"a_long_mixture_{place}"} for place in range(count)]
        spec = figures.coverage(pl.DataFrame(cells)).to_dict()
        angles.append(spec["layer"][0]["encoding"]["x"]["axis"]["labelAngle"])
    assert angles == [0, -45]


def test_bars_of_costs_keep_their_order_in_every_unit(demo: Any) -> None:
    frame = answer(demo, named("phases"), {}).filter(pl.col("backbone") == "tiny_base")
    orders = set()
    for unit in ("gflops", "seconds"):
        for seed in range(3):
            spec = costs(frame.sample(fraction=1, shuffle=True, seed=seed), unit).to_dict()
            (layer,) = spec["layer"]
            phases = layer["encoding"]["color"]["scale"]["domain"]
            orders.add((tuple(layer["encoding"]["y"]["sort"]), tuple(phases)))
    assert len(orders) == 1


def test_nothing_comparable_is_no_figure(demo: Any) -> None:
    for name in ("ordering", "granularity"):
        with pytest.raises(FigureError, match="nothing here is comparable"):
            figure(name, answer(demo, named(name), {}))


def test_what_cannot_be_drawn_says_what_can(demo: Any) -> None:
    with pytest.raises(
        FigureError, match="todo has no figure.*Questions with a figure of their own: bigger,"
    ):
        figure("todo", pl.DataFrame({"trial": [1]}))
    with pytest.raises(FigureError, match="no figure of ranked: its answer has no rows"):
        figure("ranked", pl.DataFrame())
    with pytest.raises(FigureError, match="choose one of each, as in mixture="):
        figure("heat", answer(demo, named("heat"), {}).filter(pl.col("backbone") == "tiny_base"))


def test_axes_are_titled_in_words_with_units(demo: Any) -> None:
    assert "geometric mean of accumulation and retention (accuracy)" in json.dumps(
        drawn(demo, "ranked").to_dict()
    )
    assert "compute of a trial (GFLOPs)" in json.dumps(drawn(demo, "phases").to_dict())


def test_a_figure_too_narrow_is_refused(demo: Any) -> None:
    with pytest.raises(ValueError, match=r"at least 1\.5 inches wide, not 0\.5"):
        printing.svg(drawn(demo, "ranked"), 0.5)


@pytest.fixture
def published(site: Site, demo: Any) -> None:
    """The catalog of the demo, as sync publishes it."""
    site.snapshot.mkdir(parents=True)
    path = str(site.snapshot / "demo.duckdb").replace("'", "''")
    demo.execute(f"ATTACH '{path}' AS copied")
    demo.execute("COPY FROM DATABASE memory TO copied")
    demo.execute("DETACH copied")
    site.current.symlink_to(site.snapshot / "demo.duckdb")


def test_out_writes_figures_and_tables(published: None, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("f.pdf", "f.svg", "f.png"):
        assert main(["ranked", "backbone=tiny_base", "--out", name, "--width", "3.25"]) == 0
        assert Path(name).stat().st_size > 3_000
    assert ' width="3.25in"' in Path("f.svg").read_text()
    for name in ("t.tex", "t.md", "t.html"):
        assert main(["ranked", "backbone=tiny_base", "--out", name]) == 0
    capsys.readouterr()
    tex = Path("t.tex").read_text()
    assert r"\toprule" in tex and r"\bottomrule" in tex and "$n$" in tex
    assert r"\textbf{finetune} & replay\_thirds" in tex and r"\textbf{ema\_merge}" in tex
    assert r"ft\_merge & replay\_thirds" in tex and r"\textbf{ft\_merge}" not in tex
    assert r"0.607 $\pm$ 0.027" in tex
    assert r"half the width of the 95 \% t-interval over seeds" in tex
    assert "Bold: the best, and all that cannot be told from it" in tex
    assert "behind: how much the best is ahead" in tex and "all comparisons of a family" in tex
    assert "The interval of the best reaches down by its optimism" in tex
    assert "% Not in this table: seeds_wanted" in tex
    assert "| **ema_merge** |" in Path("t.md").read_text().replace("| 2 |", "|")
    assert "<b>ema_merge</b>" in Path("t.html").read_text()
    assert "http" not in Path("t.html").read_text(), "fetches nothing"


def test_the_interval_is_named_for_what_it_is(published: None) -> None:
    assert main(["bootstrap", "--out", "b.tex"]) == 0
    assert "percentile interval of means of resampled seeds" in Path("b.tex").read_text()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            ["ranked", "--out", "t.csv", "--width", "3"],
            r"--width is of a figure: --out FILE with \.pdf, \.svg, \.png",
        ),
        (["ranked", "--json", "--out", "t.csv"], "choose one of the two"),
        (["ranked", "--sql", "measure=gm", "--json"], "--sql .* and --json .*; choose one of"),
        (["--describe"], "--describe needs the NAME of a question"),
        (["report", "d", "--json"], "--json is of a question, and report does not take it"),
        (["mcp", "ranked"], "mcp takes no words, and not 'ranked'"),
        (["ranked", "--json", "measure=gmm"], "measure is one of .*; not gmm"),
        (["todo", "--out", "t.pdf"], "no figure of todo: its answer has no rows"),
        (
            ["effect", "among=lroa"],
            "effect: among: unknown method .* 'lroa'. Known: .* Did you mean '",
        ),
        (["effect", "axis=ordering", "among=x"], r"among: unknown ordering \(the axis\) 'x'"),
        (["effect", "axis=methd"], "axis is one of backbone, .*; not methd. Did you mean 'method'"),
        (
            ["ranked", "measure=accuracy"],
            "measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not accuracy",
        ),
        (["decide", "recipes=best"], "recipes is one of equal, chosen; not best"),
        (["grid_cost", "methods=finetune,lroa"], "methods: unknown method 'lroa'"),
        (["seeds", "method=lroa"], "unknown method 'lroa'. Known: "),
        (["seeds", "methd=lora"], "has no parameter 'methd'.*Did you mean 'method'"),
    ],
)
def test_refuses(
    published: None, capsys: pytest.CaptureFixture[str], arguments: list[str], match: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and re.search(match, printed.err)
    assert not Path("t.pdf").exists() and not list(Path.cwd().glob(".*.part"))


def test_no_rows_says_with_which_bounds(
    published: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cheapest", "min_gain=0.99"]) == 0
    text = capsys.readouterr().out
    assert "asked with min_gain=0.99 max_loss=0.01" in text and "no rows with these values" in text


def test_columns_choose_rows(published: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seeds", "method=ema_merge", "seed=1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows and {(row["method"], row["seed"]) for row in rows} == {("ema_merge", 1)}


def test_json_has_the_form_that_programs_rely_on(
    published: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ranked", "backbone=tiny_base", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "format",
        "name",
        "question",
        "grain",
        "parameters",
        "columns",
        "rows",
    ]
    assert document["format"] == 1 and document["name"] == "ranked"
    assert document["parameters"] == {"measure": "gm", "backbone": "tiny_base", "every_look": False}
    types = {column["name"]: column["type"] for column in document["columns"]}
    assert (types["method"], types["seeds"], types["mean"], types["few_seeds"]) == (
        "text",
        "integer",
        "number",
        "boolean",
    )
    best = document["rows"][0]
    assert (
        best["method"] == "finetune"
        and best["verdict"] == "best"
        and isinstance(best["mean"], float)
    )
    assert main(["--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["questions"]
    effect = next(one for one in listed if one["name"] == "effect")
    assert effect["parameters"][0]["allowed"][:2] == ["backbone", "stream"]
    assert main(["attempts", "--json"]) == 0
    times = [row["started_at"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d$", time) for time in times if time)


def test_describe_says_what_every_column_means(
    published: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ranked", "--describe"]) == 0
    text = capsys.readouterr().out
    assert "column missing (BIGINT): seeds that are wanted and not measured" in text
    assert re.search(r"column behind_low \(DOUBLE\): the lower end of the interval of behind", text)
    assert "parameter measure (VARCHAR, default gm): a_ka, a_zs" in text


def test_the_list_of_questions_can_be_read() -> None:
    from queries import questions

    assert len(repr(questions())) < 12_000
    assert "<ranked: Which sentence is best" in repr(questions())


def test_the_front_is_of_the_settings_that_none_beats_at_the_end() -> None:
    """On the way another may have led; of two that reach the same both are ahead."""
    ends = {
        "learns": (0.6, 0.4),
        "retains": (0.4, 0.6),
        "as_good": (0.6, 0.4),
        "as_much": (0.6, 0.3),
        "behind": (0.4, 0.4),
    }
    rows = []
    for method, end in ends.items():
        led = (0.7, 0.7) if method == "behind" else (0.2, 0.5)
        for task, (a_ka, a_zs) in enumerate(((0.1, 0.65), led, end)):
            row: dict[str, Any] = {"method": method, "mixture": "plain", "recipe": "usual"}
            row |= {"task": task, "tasks": 2, "seeds": 3, "spent_gflops": 1.0}
            for name, value in (("a_ka", a_ka), ("a_zs", a_zs)):
                row |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
            rows.append(row)
    chart = figure("course", pl.DataFrame(rows)).to_dict()
    front = chart["datasets"][chart["layer"][0]["data"]["name"]]
    assert {row["method"] for row in front} == {"learns", "retains", "as_good"}
