"""Changes of one operator, constant or condition, and whether the nearest fast tests notice them.

`python -m tests.mutations PATH ... [--sample N --seed S]`; see CONTRIBUTING.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A file with one change: the text between two offsets replaced."""

    path: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return the text of the file with the change."""
        return text[: self.start] + self.new + text[self.end :]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.old!r} became {self.new!r}"
