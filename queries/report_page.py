"""The page of a report: one HTML file with its figures, tables and SQL, which fetches nothing."""

from collections.abc import Callable, Iterator, Sequence
from html import escape

import polars as pl

from queries import figures, named, papers
from queries.figures import Chart, FigureError, printing
from queries.report import Item, Part, Report, data_name
from queries.sentences import MEANING, missing, sentence

# What the SQL console has in its box
EXAMPLE = "SELECT dataset, task, avg(value) AS mean FROM result GROUP BY ALL ORDER BY ALL"
# Inches of a figure
WIDTH = 6.75
# The most rows that a table of the page shows; the file has all
ROWS = 200
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
  --line: #d0d7de; --link: #0b5e7d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a7b0bb; --paper: #0e1117;
  --line: #353c47; --link: #7cc7e3; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); } .soft, table + p, caption { color: var(--soft); font-size: .9rem; }
.answer { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  font-size: 1.15rem; }
figure { margin: 1rem 0; background: #fff; padding: 1rem 2rem; border-radius: .5rem; }
figure svg { width: 100%; max-width: 52rem; height: auto; overflow: visible; }
figcaption { color: #57606a; font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
th { border-block: 1px solid var(--line); } td { white-space: pre-wrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.long { overflow-wrap: anywhere; min-width: 16ch; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .6rem; font-size: .85rem; }
summary { cursor: pointer; color: var(--link); } nav li { margin: .1rem 0; }
#console-state { white-space: pre-wrap; }
textarea { width: 100%; box-sizing: border-box; font: .9rem monospace; color: inherit;
  background: inherit; border: 1px solid var(--line); padding: .5rem; }
"""


def page(report: Report, tables: Sequence[str] = ()) -> str:
    """Return the whole page; `tables` are those of its SQL console, none where it has none."""
    body = [f"<h1>{escape(report.title)}: a report</h1>", _head(report)]
    for place, part in enumerate(report.parts, start=1):
        body += _part(report, part, place)
    body += _how(report)
    body += _stopped(report)
    body += _said(report)
    body += _files()
    if tables:
        body += _console(tables)
    title = f"Report: {report.title}"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    title = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    content = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{title}</head>\n'
        f"<body>\n<main>{content}\n</main></body></html>\n"
    )


def _head(report: Report) -> str:
    """Return the head of the page: date, scope, and links to its parts."""
    when = report.published_at.strftime("%d %B %Y, %H:%M UTC")
    links = []
    for place, part in enumerate(report.parts, start=1):
        links.append(f'<li><a href="#part-{place}">{escape(_called(part))}</a></li>')
    for anchor, text in (
        ("run", "How it was run"),
        ("stopped", "What failed or was stopped"),
        ("said", "What people said"),
        ("files", "The data"),
    ):
        links.append(f'<li><a href="#{anchor}">{text}</a></li>')
    return (
        f'<p class="soft">From a catalog of experiments in continual multimodal pretraining, as it '
        f"was published on {when}. Measure: {report.measure}, "
        f"{escape(MEANING[report.measure])}. a_ka: accuracy on what was taught (accumulation). "
        "a_zs: accuracy on what should stay (retention). Untouched: the backbone before any "
        f"update.</p>\n<nav><ul>{''.join(links)}</ul></nav>"
    )


def _called(part: Part) -> str:
    words = part.setting
    return f"{words['backbone']} learns {words['stream']} within {words['budget']}"


def _part(report: Report, part: Part, place: int) -> Iterator[str]:
    """Yield the answer within one backbone, stream and budget."""
    yield f'<h2 id="part-{place}">{escape(_called(part))}</h2>'
    known = part.ranked.frame.drop_nulls("mean")
    text = sentence(known, report.measure, dict(part.setting)).replace("**", "")
    settings = part.ranked.frame.filter(pl.col("method") != "untouched")
    yield f'<p class="answer">{escape(text)}</p><p class="soft">{escape(missing(settings))}</p>'
    if part.others:
        yield (
            f'<p class="soft">In the ranking only trials of the study count. In the other figures '
            f"{part.others} trials of the same settings count, too, which are of other studies.</p>"
        )
    palette = figures.Palette(methods=report.methods).before(known["method"].to_list())
    title = figures.TITLES[report.measure]
    if len(known):
        yield from _figure(lambda: figures.dots(known, "mean", palette, title), "The ranking")
    yield _table(part.ranked, place)
    course = part.course.frame.drop_nulls(["a_ka", "a_zs"])
    front = part.comparison.frame.filter(pl.col("best_trade"))
    if len(course):
        yield from _figure(
            lambda: figures.trade(course, front, front.clear(), palette),
            "Learned against kept: each setting's way from the untouched backbone; the dashed "
            "line joins those that nobody beats in both",
        )
        yield from _figure(
            lambda: figures.over_budget(course, "gm", "spent_gflops", palette),
            "The geometric mean of both over what was spent",
        )
    yield _table(part.comparison, place)
    lost = part.lost.frame.drop_nulls("lost")
    if len(lost):
        yield from _figure(
            lambda: figures.forgetting(lost, palette), "What was lost on each dataset"
        )
    if len(part.phases.frame):
        yield from _figure(
            lambda: figures.costs(part.phases.frame, "gflops"), "What a trial costs, by phase"
        )
    for item in (part.course, part.lost, part.phases):
        yield _folded(f"The numbers of the figures: {item.name}", _table(item, place))


def _figure(draw: Callable[[], Chart], about: str) -> Iterator[str]:
    """Yield a figure as SVG, with its caption."""
    try:
        chart = draw().properties(description=about)
    except FigureError as error:
        yield f'<p class="soft">{escape(str(error))}</p>'
        return
    svg = printing.svg(chart, WIDTH)
    yield f"<figure>{svg}<figcaption>{escape(about)}.</figcaption></figure>"


def _table(item: Item, place: int) -> str:
    """Return an answer as an HTML table, with links to its file and its SQL."""
    if item.frame.is_empty():
        return f'<p class="soft">{escape(named(item.name).question)} No rows.</p>'
    head = item.frame.head(ROWS)
    more = ""
    if len(item.frame) > ROWS:
        more = f"<p>The first {ROWS} of {len(item.frame)} rows; the file has all.</p>"
    name = data_name(place, item)
    table = papers.html_table(head, named(item.name))
    sql = _folded("The SQL", _code(item.sql))
    return f'{_wide(table)}{more}<p class="soft"><a href="data/{name}">{name}</a></p>{sql}'


def _wide(table: str) -> str:
    """Return a table in a box that scrolls where the page is narrow, by keyboard too."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="table">{table}</div>'


def _code(text: str) -> str:
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _how(report: Report) -> Iterator[str]:
    """Yield the section on how it was run: machines, versions, and the rows of the words."""
    yield '<h2 id="run">How it was run</h2>'
    yield _wide(papers.html_table(report.machines))
    yield (
        '<p class="soft">hours: of attempts, also those that failed. tflops: what they computed, '
        "in 10^12 operations, without what was shared. kwh: where it was measured; a dash where "
        "not.</p>"
    )
    lines = []
    for package, versions in report.versions.items():
        lines.append(f"<li>{escape(package)}: {escape(', '.join(versions))}</li>")
    listed = "".join(lines) or "<li>not recorded</li>"
    yield f"<h3>Versions</h3><ul>{listed}</ul>"
    if len(report.studies):
        yield "<h3>Studies</h3>" + _wide(papers.html_table(report.studies))
    yield "<h3>The words of the trials</h3>"
    for axis, rows in report.words.items():
        table = _wide(papers.html_table(_shown(rows)))
        yield _folded(f"{axis}: {len(rows)}", table)


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of an axis without its empty columns."""
    columns: Sequence[str] = [
        name for name in rows.columns if rows[name].drop_nulls().cast(pl.String).ne("{}").any()
    ]
    return rows.select(columns)


def _stopped(report: Report) -> Iterator[str]:
    """Yield the section on trials that failed or were stopped."""
    yield '<h2 id="stopped">What failed or was stopped</h2>'
    if report.stopped.frame.is_empty():
        yield "<p>No trial.</p>"
        return
    yield f"<p>{len(report.stopped.frame)} trials.</p>"
    yield _wide(papers.html_table(report.stopped.frame, named("seeds")))
    yield _folded("The SQL", _code(report.stopped.sql))


def _said(report: Report) -> Iterator[str]:
    """Yield the section on people's tags and remarks."""
    yield '<h2 id="said">What people said</h2>'
    if report.remarks.is_empty():
        yield "<p>No tags and no remarks.</p>"
        return
    yield _wide(papers.html_table(report.remarks))


def _files() -> Iterator[str]:
    """Yield the section on the contents of the folder of data."""
    yield '<h2 id="files">The data</h2>'
    yield (
        "<p>The folder <code>data</code> has every answer above as Parquet, and the facts that "
        "they are made of: <code>trial</code>, <code>outcome</code>, <code>result</code>, "
        "<code>cost</code>, <code>progress</code>, <code>statistic</code>. Any program that reads "
        "Parquet opens them.</p>"
    )


def _console(tables: Sequence[str]) -> Iterator[str]:
    """Yield the section with the SQL console, which starts when it is asked to."""
    yield '<h2 id="console">Ask in SQL</h2>'
    listed = ", ".join(f"<code>{escape(name)}</code>" for name in tables)
    yield (
        f"<p>The tables of the folder <code>data</code>, in DuckDB, in this browser: {listed}. "
        "One SELECT at a time; nothing leaves this page, and nothing is fetched.</p>"
    )
    yield (
        '<p><label for="console-sql">Statement (Ctrl+Enter runs it)</label></p>'
        f'<textarea id="console-sql" rows="4" disabled>{escape(EXAMPLE)}</textarea>'
        '<p><button id="console-start">Start DuckDB</button> '
        '<button id="console-run" disabled>Run</button></p>'
        '<p id="console-state" role="status" class="soft"></p>'
    )
    about = 'tabindex="0" role="region" aria-label="answer"'
    yield f'<div class="wide" id="console-answer" {about}></div>'
    yield '<script src="console/console.js"></script>'
