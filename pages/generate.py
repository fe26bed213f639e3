"""What the documentation says about tables and questions, written from the tables and questions (`python -m pages.generate`).

docs/catalog.md and docs/questions.md are written whole. In README.md, docs/reliability.md and docs/methods.md only what stands
between two markers is replaced: `<!-- questions: begin -->` and `<!-- questions: end -->`. A test fails while the
files lag behind.
"""

import ast
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import CheckConstraint, Column, Table

from pages import questions as asked
from pages import results
from pages.faults import FAULTS, INVARIANTS, table
from schema.checks import parts
from schema.ddl import DIALECT, catalog_tables, table_comment
from schema.questions import by_topic
from schema.tables import RULES

ROOT = Path(__file__).resolve().parent.parent
CATALOG = ROOT / "docs" / "catalog.md"
QUESTIONS = ROOT / "docs" / "questions.md"
README = ROOT / "README.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
METHODS = ROOT / "docs" / "methods.md"
PARTS = {  # folder of methods/ -> what its parts decide
    "tuning": "which parameters move",
    "objectives": "what the loss asks for",
    "merging": "how weights combine",
    "repair": "a stage after the task",
    "selection": "which candidates a step learns from (named by a mixture)",
}


def main() -> None:
    """Bring the files up to date."""
    CATALOG.write_text(catalog_page())
    QUESTIONS.write_text(asked.page())
    for page in (README, RELIABILITY, METHODS):
        if page.exists():
            page.write_text(renewed(page.read_text()))


def catalog_page() -> str:
    """docs/catalog.md: every table with its columns and rules."""
    parts = [
        "# The catalog",
        "*Written by `python -m pages.generate`; do not edit.*",
        "Tables hold facts, views hold opinions. The names below are the API: grids insert into the tables, the views answer.",
        "What the questions mean and answer: [questions.md](questions.md).",
        *(_table(table) for table in catalog_tables()),
    ]
    return "\n\n".join(parts) + "\n"


def renewed(text: str) -> str:
    """A page with what stands between its markers as it is now; unchanged if it has none."""
    made: dict[str, Callable[[], str]] = {
        "questions": question_list,
        "faults": lambda: table(FAULTS, "fault"),
        "invariants": lambda: table(INVARIANTS, "invariant"),
        "parts": part_list,
        "results": results.table,
    }
    for name, write in made.items():
        between = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if between.search(text):
            text = between.sub(partial(_between, write()), text)
    return text


def _between(said: str, found: re.Match[str]) -> str:
    return f"{found[1]}{said}\n{found[2]}"


def question_list() -> str:
    """A Markdown table: name and question of what helps to choose, and how many others there are."""
    (_, first), *others = by_topic().items()
    rows = [f"| `{q.name}` | {_cell(q.question)} |" for q in first]
    more = "; ".join(f"{topic[0].lower()}{topic[1:]} ({len(asked)})" for topic, asked in others)
    count = sum(len(asked) for _, asked in others)
    return "\n".join(
        ["| question | in words |", "|---|---|", *rows, "", f"And {count} more: {more}."]
    )


def part_list() -> str:
    """Every part of a method with its keys, defaults and needs, in the words of its own file."""
    sections = []
    for kind, decides in PARTS.items():
        sections.append(f"## {kind}: {decides}")
        sections += [_part(kind, name) for name in parts.names(f"methods/{kind}")]
    return "\n\n".join(sections)


def _part(kind: str, name: str) -> str:
    said = ast.get_docstring(ast.parse((ROOT / "methods" / kind / f"{name}.py").read_text())) or ""
    keys, needs = (
        ", ".join(f"`{key}`" for key in parts.keys(f"methods/{kind}", name)),
        parts.needs(f"methods/{kind}", name),
    )
    facts = [f"Keys: {keys}." if keys else "", f"Needs: {', '.join(needs)}." if needs else ""]
    return "\n\n".join(
        [f"### `{name}`", f"```text\n{said}\n```", " ".join(filter(None, facts))]
    ).strip()


def _table(table: Table) -> str:
    lines = [
        f"### `{table.name}`",
        "",
        asked.plain(table_comment(table)),
        "",
        "| column | type | default | |",
        "|---|---|---|---|",
    ]
    lines += [_column(column) for column in table.columns]
    keys = [f"`{column.name}`" for column in table.primary_key]
    if keys:
        lines += ["", f"Key: {', '.join(keys)}."]
    rules = [f"- {RULES[str(c.name)].sentence}" for c in _checks(table)]
    if rules:
        lines += ["", *rules]
    return "\n".join(lines)


def _checks(table: Table) -> list[CheckConstraint]:
    """The table's rules in the order of declaration."""
    found = [
        c for c in table.constraints if isinstance(c, CheckConstraint) and str(c.name) in RULES
    ]
    return sorted(found, key=lambda c: list(RULES).index(str(c.name)))


def _column(column: Column[object]) -> str:
    type_ = column.type.compile(dialect=DIALECT) + ("" if column.nullable else " NOT NULL")
    default = getattr(column.server_default, "arg", None)
    refers = "".join(f" → `{key.target_fullname}`" for key in column.foreign_keys)
    said = f"{_cell(column.comment or '')}{refers}"
    return f"| `{column.name}` | {type_} | {'' if default is None else f'`{default}`'} | {said} |"


def _cell(text: str) -> str:
    return asked.plain(text).replace("|", "\\|")


if __name__ == "__main__":
    main()
