"""Write the table of docs/methods.md: the results and the cost of each method row."""

from docpages.kept import METHODS
from docpages.markdown import cell, code
from docpages.markdown import table as markdown_table
from queries import answer, named

BUDGET = "steps_100"
SEEDS = 3
# The backbone whose step cost and memory are shown beside the run's own.
PUBLISHED = "vit_b16_laion2b"
ROWS = """
SELECT m.name AS method, m.note,
       concat_ws(', ', m.tuning, m.objective,
                 CASE WHEN m.merging <> 'none'
                      THEN format('{} (start {}, deploy {})', m.merging, m."start", m.deploy) END,
                 'repair ' || m.repair) AS parts,
       p.step_gflops / f.step_gflops AS step, p.multiplier
FROM method m
LEFT JOIN price p ON p.method = m.name AND p.backbone = $backbone
LEFT JOIN price f ON f.method = 'finetune' AND f.backbone = $backbone
                     AND f.recipe = p.recipe AND f.mixture = p.mixture
ORDER BY m.rowid
"""
HEAD = ("method", "parts, and where it is from", "A_KA", "A_ZS", "FLOPs, all phases")
HEAD_AT = ("step at ViT-B/16", "memory at ViT-B/16")


def table() -> str:
    """Return a row per method that the grid ran, in the order of schema/rows/."""
    with METHODS.catalog() as connection:
        reached = answer(connection, named("beside_full"), {"budget": BUDGET})
        declared = connection.sql(ROWS, params={"backbone": PUBLISHED}).pl()
    # The question's multiplier is for the backbone of the run, not the published one.
    reached = reached.drop("memory_multiplier")
    rows = declared.join(reached, on="method", how="inner", maintain_order="left")
    return markdown_table((*HEAD, *HEAD_AT), map(_row, rows.iter_rows(named=True)))


def _row(row: dict[str, object]) -> list[str]:
    cells = [code(str(row["method"])), cell(f"{row['parts']}. {row['note']}")]
    for name in ("a_ka", "a_zs"):
        cells.append(_number(row[name], 3) + _half(row[f"{name}_half"]))
    if row["seeds"] != SEEDS:
        cells[2] += f" ({row['seeds']} of {SEEDS} seeds)"
    for name in ("flops_ratio", "step", "multiplier"):
        cells.append(_number(row[name], 2))
    return cells


def _half(value: object) -> str:
    """Return the half width of an interval as text; empty where there is none."""
    return "" if value is None else f" ± {value:.3f}"


def _number(value: object, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
