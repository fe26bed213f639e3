"""Write the results that `make gpu` recorded into docs/accelerators.md."""

import json
from typing import Any

from benchmarks.gpu.parts import PARTS
from docpages.markdown import ROOT, cell, code, table

RECORD = ROOT / "benchmarks" / "gpu" / "record.json"


def page() -> str:
    """Return the list of parts with their outcomes, and a table for each part that has been run."""
    record: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    parts = record.get("parts", {})
    lines = []
    for part in PARTS:
        lines.append((code(part.name), part.about, _outcome(parts.get(part.name))))
    text = table(("part", "about", "recorded"), lines)
    if not record:
        return f"**Nothing has been recorded: no GPU has been at hand.**\n\n{text}"
    about = ", ".join(f"{name}: {value}" for name, value in record["surroundings"].items())
    sections = [f"On {record['device']} ({about}):", text]
    for name, answer in parts.items():
        if answer.get("rows"):
            sections += [f"### {name}", _rows(answer["rows"]), *answer["remarks"]]
    return "\n\n".join(sections)


def _outcome(answer: dict[str, Any] | None) -> str:
    """Return the outcome of a part in words."""
    if answer is None:
        return "not yet"
    if "left_out" in answer:
        return cell(f"left out: {answer['left_out']}")
    if "failed" in answer:
        return cell(f"failed: {answer['failed'][-200:]}")
    verdict = "holds" if answer["holds"] else "**does not hold**"
    return f"{verdict}, {answer['seconds']} s"


def _rows(rows: list[dict[str, Any]]) -> str:
    """Return the rows of a part, which may have different keys."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    return table(heads, [[cell(str(row.get(head, ""))) for head in heads] for row in rows])
