"""The table of docs/methods.md: what each method row reached on the embedded default, and what it costs."""

from pages.kept import METHODS
from queries import answer, named

BUDGET = "steps_100"
SEEDS = 3
PUBLISHED = "vit_b16_laion2b"  # the backbone whose step and memory stand beside the run's own
ROWS = """
SELECT m.name AS method, m.note,
       concat_ws(', ', m.tuning, m.objective,
                 CASE WHEN m.merging <> 'none' THEN format('{} (start {}, deploy {})', m.merging, m."start", m.deploy) END,
                 'repair ' || m.repair) AS parts,
       p.step_gflops / f.step_gflops AS step, p.multiplier
FROM method m
LEFT JOIN price p ON p.method = m.name AND p.backbone = $backbone
LEFT JOIN price f ON f.method = 'finetune' AND f.backbone = $backbone AND f.recipe = p.recipe AND f.mixture = p.mixture
ORDER BY m.rowid
"""
HEAD = """| method | parts, and where it is from | A_KA | A_ZS | FLOPs, all phases | step at ViT-B/16 | memory at ViT-B/16 |
|---|---|---|---|---|---|---|"""


def table() -> str:
    """A row per method that the grid ran, in the order of schema/rows/."""
    with METHODS.catalog() as connection:
        reached = answer(connection, named("beside_full"), {"budget": BUDGET})
        declared = connection.sql(ROWS, params={"backbone": PUBLISHED}).pl()
    rows = declared.join(
        reached.drop("memory_multiplier"), on="method", how="inner", maintain_order="left"
    )
    return "\n".join([HEAD, *(_row(row) for row in rows.iter_rows(named=True))])


def _row(row: dict[str, object]) -> str:
    said = f"{row['parts']}. {row['note']}".replace("|", "\\|")
    reached = [_number(row[name], 3) + _half(row[f"{name}_half"]) for name in ("a_ka", "a_zs")]
    reached[0] += "" if row["seeds"] == SEEDS else f" ({row['seeds']} of {SEEDS} seeds)"
    cost = [_number(row[name], 2) for name in ("flops_ratio", "step", "multiplier")]
    return " | ".join([f"| `{row['method']}`", said, *reached, *cost]) + " |"


def _half(value: object) -> str:
    return "" if value is None else f" ± {value:.3f}"


def _number(value: object, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
