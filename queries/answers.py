"""Write an answer to a file: data, a table for print or a figure, by the file's extension."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from queries import papers
from queries.sheet import flat
from schema.questions import Question

# The default width of a figure, in inches: two columns of a paper
WIDTH = 6.75


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with everything that a table or figure of it needs."""

    question: Question
    frame: pl.DataFrame
    parameters: dict[str, Any] = field(default_factory=dict)
    # All methods of the catalog, oldest first; a method's colour depends on its place
    methods: tuple[str, ...] = ()
    # The width of a figure, in inches
    width: float = WIDTH


def _text(write_text: Callable[[pl.DataFrame, Question], str]) -> Callable[[Answer, Path], object]:
    """Return a writer of files from a function that formats an answer as text."""
    return lambda answer, path: path.write_text(write_text(answer.frame, answer.question))


def _figure(kind: str) -> Callable[[Answer, Path], object]:
    """Return a writer of figures in the format `kind`."""

    def draw(answer: Answer, path: Path) -> None:
        # Imported here, as Altair takes a second to import and only figures need it.
        from queries.figures import Asked, drawn, printing

        asked = Asked(methods=answer.methods, parameters=answer.parameters)
        chart = drawn(answer.question.name, answer.frame, asked)
        data = getattr(printing, kind)(chart, answer.width)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return draw


# The writer of each extension
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
    """Write the whole answer in the format of the file's extension, replacing the file atomically.

    Raises:
        ValueError: an unknown extension, no such folder, or an answer that has no figure.
    """
    check_writable(path)
    # A concurrent reader sees either the old file or the complete new one.
    aside = path.with_name(f".{path.name}.part")
    try:
        (TABLES | FIGURES)[path.suffix](answer, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check a path as `write` does, before the question is asked."""
    if path.suffix not in TABLES | FIGURES:
        raise ValueError(
            f"cannot write {path.name!r}: the name must end in {', '.join(TABLES)} (tables), "
            f"or {', '.join(FIGURES)} (figures)"
        )
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
