"""Write what the stream of emoji showed into docs/emoji.md, from the kept results of its grid."""

from docpages.kept import EMOJI
from docpages.markdown import code, table
from queries import answer, named

# The mean over the seeds after a task; task 0 is the base
COURSE = """
SELECT method, mixture, task, a_ka, a_zs FROM course
WHERE stream = 'emoji' AND label_space = 'all' ORDER BY ALL
"""
HEAD = ("mixture", "method", "learned: A_KA", "kept: A_ZS", "geometric mean")
FIRST_YEAR = 2015
# Years of which the course is shown
YEARS = (2015, 2016, 2018, 2020, 2022, 2025)


def page() -> str:
    """Return the answers: what was learned and kept in the end, and how it came about."""
    with EMOJI.catalog() as connection:
        ended = answer(connection, named("retention_at_budget"), {"stream": "emoji"})
        course = connection.sql(COURSE).fetchall()
    rows = []
    for row in ended.sort("gm", descending=True).iter_rows(named=True):
        cells = [code(row["mixture"]), code(row["method"])]
        for name in ("a_ka", "a_zs", "gm"):
            half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2
            cells.append(f"{row[name]:.3f} ± {half:.3f}")
        rows.append(cells)
    return "\n".join([table(HEAD, rows), "", _course(course)])


def _course(course: list[tuple[str, str, int, float, float]]) -> str:
    """Return a table of retention after the updates up to some years."""
    kept: dict[tuple[str, str], dict[int, float]] = {}
    for method, mixture, task, _, a_zs in course:
        kept.setdefault((mixture, method), {})[FIRST_YEAR + task] = a_zs
    head = ("mixture", "method", *(f"kept after {year}" for year in YEARS))
    rows = []
    for (mixture, method), by_year in sorted(kept.items()):
        shares = [f"{by_year[year]:.3f}" for year in YEARS]
        rows.append([code(mixture), code(method), *shares])
    return table(head, rows)
