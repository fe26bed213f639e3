"""Write an answer to a file: data, a table for print, or a figure, as the file's name ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from queries import papers
from queries.sheet import flat
from schema.questions import Question

# Inches of a figure where none are asked for: two columns of a paper
WIDTH = 6.75


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with what a table or figure of it needs to know."""

    question: Question
    frame: pl.DataFrame
    parameters: dict[str, Any] = field(default_factory=dict)
    # All methods of the catalog, oldest first, for their colours
    methods: tuple[str, ...] = ()
    # Inches of a figure
    width: float = WIDTH


def _text(write_text: Callable[[pl.DataFrame, Question], str]) -> Callable[[Answer, Path], object]:
    """Return what writes the text of a table."""
    return lambda answer, path: path.write_text(write_text(answer.frame, answer.question))


def _figure(kind: str) -> Callable[[Answer, Path], object]:
    """Return what draws an answer as a figure of a kind."""

    def draw(answer: Answer, path: Path) -> None:
        # Altair takes a second to import, which only figures are worth.
        from queries.figures import Asked, drawn, printing

        asked = Asked(methods=answer.methods, parameters=answer.parameters)
        chart = drawn(answer.question.name, answer.frame, asked)
        data = getattr(printing, kind)(chart, answer.width)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return draw


# Extension -> what writes a file of that kind
TABLES: dict[str, Callable[[Answer, Path], object]] = {
    ".csv": lambda answer, path: flat(answer.frame).write_csv(path),
    ".parquet": lambda answer, path: answer.frame.write_parquet(path),
    ".json": lambda answer, path: answer.frame.write_json(path),
    ".md": _text(papers.markdown),
    ".html": _text(papers.html),
    ".tex": _text(papers.latex),
}
FIGURES = {".pdf": _figure("pdf"), ".svg": _figure("svg"), ".png": _figure("png")}


def write(answer: Answer, path: Path) -> None:
    """Write the whole answer as the name of the file says, aside and then into place.

    Raises:
        ValueError: another extension, no such folder, or an answer of which there is no figure.
    """
    check_writable(path)
    # Whoever reads the file meanwhile sees the old one or the whole new one.
    aside = path.with_name(f".{path.name}.part")
    try:
        (TABLES | FIGURES)[path.suffix](answer, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuse what `write` would refuse of a path, before any work is done."""
    if path.suffix not in TABLES | FIGURES:
        raise ValueError(
            f"cannot write {path.name!r}: the name must end in {', '.join(TABLES)} (tables), "
            f"or {', '.join(FIGURES)} (figures)"
        )
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
