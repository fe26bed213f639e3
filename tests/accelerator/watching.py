"""What is noted of a program on the imaginary device: where its host waits, and what it runs.

A wait is allowed where the line above says why, in a comment that begins with `Waits:`. Such a
comment is a permission of that statement and of no other, and one that is never used is found, too.
"""

import ast
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent.parent
# The files of the device itself are no part of the program that runs on it, and operations only pass
# through what counts them
OWN = [
    *(
        Path(__file__).resolve().parent / f"{name}.py"
        for name in ("imaginary", "module", "precision", "registration", "watching")
    ),
    ROOT / "runner/worker/flops.py",
]
COMMENT = re.compile(r"\s*# (Waits: .+)")


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A line of the program."""

    file: str
    line: int

    def __str__(self) -> str:
        path = Path(self.file)
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return f"{shown}:{self.line}"

    @property
    def text(self) -> str:
        """Return the source of the line."""
        return _lines(self.file)[self.line - 1].strip()


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A wait of the host for the device."""

    place: Place
    # What it waits for, in words, with the operation
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.place.text}"


@dataclass
class Watch:
    """Notes of one program."""

    # Whether a step is being taken
    in_step: bool = False
    # Of steps alone
    waits: list[Wait] = field(default_factory=list)
    # Names of all operations, of steps and between them
    operations: set[str] = field(default_factory=set)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Take what runs within for a step."""
        before, self.in_step = self.in_step, True
        try:
            yield
        finally:
            self.in_step = before

    def wait(self, what: str) -> None:
        """Note a wait, if it is within a step."""
        if self.in_step:
            self.waits.append(Wait(place=place(), what=what))

    def refused(self) -> list[str]:
        """Return the waits that no comment allows, each once."""
        return list(
            dict.fromkeys(str(wait) for wait in self.waits if permission(wait.place) is None)
        )

    def used(self) -> set[Place]:
        """Return the comments that allowed a wait."""
        places = {permission(wait.place) for wait in self.waits}
        return {place for place in places if place is not None}


def place() -> Place:
    """Return the innermost line of the program that is running now.

    Python code that torch runs has none of the program's lines around it where it belongs to
    another thread: then it is the line at which the main thread waits.
    """
    frame = _innermost(sys._getframe(1))
    if frame is None:
        main = threading.main_thread().ident
        assert main is not None
        frame = _innermost(sys._current_frames().get(main))
    assert frame is not None, "a program has lines"
    return Place(file=frame.f_code.co_filename, line=frame.f_lineno)


def permission(at: Place) -> Place | None:
    """Return the comment that allows a wait at a line; None if there is none.

    It stands directly above the statement that the line belongs to.
    """
    lines = _lines(at.file)
    above = _statements(at.file).get(at.line, at.line) - 1
    while above >= 1 and lines[above - 1].lstrip().startswith("#"):
        if COMMENT.match(lines[above - 1]):
            return Place(file=at.file, line=above)
        above -= 1
    return None


def permissions(file: Path) -> set[Place]:
    """Return all comments of a file that allow a wait."""
    numbered = enumerate(_lines(str(file)), 1)
    return {Place(file=str(file), line=line) for line, text in numbered if COMMENT.match(text)}


def _innermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        of_program = path.is_relative_to(ROOT) and "site-packages" not in path.parts
        if of_program and path not in OWN:
            return frame
        frame = frame.f_back
    return None


@cache
def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


@cache
def _statements(file: str) -> dict[int, int]:
    """Return of each line where the innermost statement begins that it belongs to."""
    first: dict[int, int] = {}
    # Outer statements come before inner ones
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.stmt):
            head = _head(node)
            for line in range(node.lineno, head + 1):
                first[line] = node.lineno
    return first


def _head(node: ast.stmt) -> int:
    """Return the last line of a statement without the statements in its body."""
    body = getattr(node, "body", None)
    if body and isinstance(body, list):
        return max(node.lineno, body[0].lineno - 1)
    return node.end_lineno or node.lineno
